//! Downloading one published file over HTTP into a `.part` that the next attempt resumes. Called by pull under the cache's
//! lock. Never installs what it fetched, never writes more than the published size.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use ureq::{
    Agent,
    http::{Response, StatusCode, header},
    tls::{RootCerts, TlsConfig},
};

use crate::{
    Entry, Progress, PullSettings, Stage, WeightsError,
    hash::{Fingerprint, fingerprint},
};

/// Fetches what `part` still lacks of `entry` and checks the whole. On success `part` is the published file.
///
/// A connection that breaks after some progress is resumed at once; one that brings nothing new is an error.
pub(crate) fn download(
    entry: &Entry,
    part: &Path,
    settings: &PullSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fingerprint, WeightsError> {
    let agent = agent(settings);
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(part)
        .map_err(WeightsError::io("open", part))?;
    let mut furthest = length(&file, part)?;
    while length(&file, part)? < entry.size_bytes {
        match fetch_rest(&agent, entry, &mut file, part, progress) {
            Ok(()) => break,
            Err(error @ WeightsError::Http { .. }) => {
                let reached = length(&file, part)?;
                if reached <= furthest {
                    return Err(error);
                }
                furthest = reached;
            }
            Err(error) => return Err(error),
        }
    }
    file.sync_all().map_err(WeightsError::io("write", part))?;

    let found = fingerprint(part, progress)?;
    if found.sha256 != entry.sha256 {
        fs::remove_file(part).map_err(WeightsError::io("delete", part))?;
        return Err(WeightsError::Mismatch {
            what: entry.url.to_owned(),
            expected: entry.sha256.to_owned(),
            found: found.sha256,
        });
    }
    Ok(found)
}

fn agent(settings: &PullSettings) -> Agent {
    Agent::config_builder()
        .timeout_resolve(Some(settings.connect_timeout))
        .timeout_connect(Some(settings.connect_timeout))
        .timeout_recv_response(Some(settings.idle_timeout))
        // Not a limit for the whole body: a slow line may take hours for 3 GB, but not be silent for long.
        .timeout_per_read(Some(settings.idle_timeout))
        .tls_config(
            TlsConfig::builder()
                .root_certs(RootCerts::PlatformVerifier)
                .build(),
        )
        .build()
        .new_agent()
}

/// One request: appends to `file` until the published size is reached.
fn fetch_rest(
    agent: &Agent,
    entry: &Entry,
    file: &mut File,
    part: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), WeightsError> {
    let mut have = length(file, part)?;
    let mut request = agent.get(entry.url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let response = request.call().map_err(|error| http(entry, error))?;
    if response.status() != StatusCode::PARTIAL_CONTENT || !continues_at(&response, have) {
        // The server begins anew, or somewhere else.
        let whole = response.body().content_length();
        if response.status() != StatusCode::OK
            || whole.is_some_and(|length| length != entry.size_bytes)
        {
            return Err(http(
                entry,
                io::Error::other("the server did not answer with the published file"),
            ));
        }
        file.set_len(0).map_err(WeightsError::io("write", part))?;
        have = 0;
    }

    let mut body = response
        .into_body()
        .into_reader()
        .take(entry.size_bytes - have);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = body.read(&mut buffer).map_err(|error| http(entry, error))?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count])
            .map_err(WeightsError::io("write", part))?;
        have += count as u64;
        progress(Progress {
            stage: Stage::Download,
            bytes_done: have,
            bytes_total: Some(entry.size_bytes),
        });
    }
    if have < entry.size_bytes {
        return Err(http(entry, io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    Ok(())
}

/// Whether a 206 answer starts at byte `have`: `Content-Range: bytes 100-199/200`.
fn continues_at<B>(response: &Response<B>, have: u64) -> bool {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok());
    range.and_then(|range| {
        range
            .strip_prefix("bytes ")?
            .split_once('-')?
            .0
            .parse()
            .ok()
    }) == Some(have)
}

fn http(
    entry: &Entry,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> WeightsError {
    WeightsError::Http {
        url: entry.url.to_owned(),
        source: source.into(),
    }
}

fn length(file: &File, part: &Path) -> Result<u64, WeightsError> {
    file.metadata()
        .map(|metadata| metadata.len())
        .map_err(WeightsError::io("read", part))
}
