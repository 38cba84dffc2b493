//! Requests of other people's clients, as their code writes them: `tests/clients/replay.json` has a row for each, with the
//! client, its version, where its code is, and what it needs of the answer.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use steno_e2e::{Settings, fixture};

const BOUNDARY: &str = "----replayed";

#[derive(Deserialize)]
struct Row {
    client: String,
    version: String,
    /// Where the request is written in the client's code.
    source: String,
    path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Name, file name and type of the part with the recording.
    file: FilePart,
    /// Fields before the recording.
    #[serde(default)]
    before: Vec<(String, String)>,
    /// Fields after it.
    #[serde(default)]
    after: Vec<(String, String)>,
    /// Whether each part has a `Content-Length`.
    #[serde(default)]
    has_part_lengths: bool,
    expected: Expected,
}

#[derive(Deserialize)]
struct FilePart {
    field: String,
    name: String,
    #[serde(default)]
    media_type: Option<String>,
    /// Whether the recording is bare 16-bit samples.
    #[serde(default)]
    is_bare: bool,
}

#[derive(Deserialize)]
struct Expected {
    status: u16,
    content_type: String,
    /// Pointers into a JSON answer that the client reads.
    #[serde(default)]
    json: Vec<String>,
    /// What a text answer contains.
    #[serde(default)]
    contains: Vec<String>,
}

impl Row {
    fn body(&self) -> Vec<u8> {
        let mut audio = fs::read(fixture("clip.wav")).unwrap();
        if self.file.is_bare {
            audio.drain(..44);
        }
        let mut file = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n",
            self.file.field, self.file.name
        );
        if let Some(media_type) = &self.file.media_type {
            file.push_str("Content-Type: ");
            file.push_str(media_type);
            file.push_str("\r\n");
        }
        file.push_str(&self.part_length(audio.len()));
        let file = [file.as_bytes(), b"\r\n", &audio, b"\r\n"].concat();
        let end = format!("--{BOUNDARY}--\r\n");
        [
            self.fields(&self.before),
            file,
            self.fields(&self.after),
            end.into(),
        ]
        .concat()
    }

    fn fields(&self, fields: &[(String, String)]) -> Vec<u8> {
        let parts = fields.iter().map(|(name, value)| {
            let length = self.part_length(value.len());
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{length}\r\n{value}\r\n"
            )
        });
        parts.collect::<String>().into_bytes()
    }

    /// The header line with the length of a part, for clients that send one.
    fn part_length(&self, bytes: usize) -> String {
        if self.has_part_lengths {
            format!("Content-Length: {bytes}\r\n")
        } else {
            String::new()
        }
    }
}

#[test]
fn requests_of_other_clients_get_the_answers_that_they_read() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/replay.json");
    let rows: Vec<Row> = serde_json::from_str(&fs::read_to_string(table).unwrap()).unwrap();
    let service = Settings::with_scripted_workers(1).start();
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");

    for row in rows {
        let name = format!("{} {} ({})", row.client, row.version, row.source);
        let headers = row.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<_> = headers
            .chain([("content-type", content_type.as_str())])
            .collect();
        let answer = service.client.post_with(&row.path, &headers, &row.body());

        assert_eq!(
            answer.status,
            row.expected.status,
            "{name}: {}",
            answer.text()
        );
        let found = answer.header("content-type").unwrap_or_default();
        assert!(
            found.starts_with(&row.expected.content_type),
            "{name}: {found}"
        );
        for pointer in &row.expected.json {
            let value = answer.json().pointer(pointer).cloned();
            assert!(
                value.is_some_and(|value| value != Value::Null),
                "{name}: no {pointer} in {}",
                answer.text()
            );
        }
        for part in &row.expected.contains {
            assert!(answer.text().contains(part), "{name}: {}", answer.text());
        }
    }
}
