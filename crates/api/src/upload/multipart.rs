//! A recording among form fields, parts in any order.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::web::{self, Buf as _, BytesMut};
use steno_models::ProblemCode;

use super::Upload;
use crate::connection::{Connection, broken_body};
use crate::problem::ApiError;

/// Most parts of a body.
const MAX_PARTS: usize = 10_000;
/// Largest form field in bytes.
const MAX_FIELD_BYTES: usize = 64 * 1024;
/// Recordings of known speakers: larger than other fields, and with a limit of their own for one form.
const REFERENCES: &str = "known_speaker_references";
/// Most bytes of these fields: four of 1 MiB, with what is between them.
const MAX_REFERENCES_BYTES: usize = 4 * 1024 * 1024 + 1024;
/// How much is kept of the end of a field that is larger.
const KEPT_END_BYTES: usize = 4 * 1024;
/// Most bytes of fields and their names that are kept of one form.
const MAX_KEPT_BYTES: usize = 1024 * 1024;

/// What a form had besides its recording.
#[derive(Debug, Default)]
pub(crate) struct Form {
    /// The fields in order, with their names.
    pub(crate) fields: Vec<(String, FieldValue)>,
    /// How many recordings there were; only the first was kept.
    pub(crate) files: usize,
    /// Bytes of the recording that was kept.
    pub(crate) received: u64,
}

impl Form {
    /// A form with nothing but a recording of so many bytes.
    pub(crate) fn of_recording(received: u64) -> Self {
        Self {
            files: 1,
            received,
            ..Self::default()
        }
    }
}

/// The value of a form field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldValue {
    /// All of it.
    Text(String),
    /// It was larger than a field may be; this is its end.
    TooLong(String),
    /// It is not valid UTF-8.
    NotText,
}

impl FieldValue {
    /// The whole text, or what is wrong with the field.
    pub(crate) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::TooLong(_) => Err(format!(
                "longer than {MAX_FIELD_BYTES} bytes, or {MAX_REFERENCES_BYTES} bytes of all {REFERENCES} together"
            )),
            Self::NotText => Err("not valid UTF-8".to_owned()),
        }
    }
}

/// Streams the part `file` to disk and collects the others. `check` sees the fields that come before the recording: what is
/// wrong with them is said before the client has sent it all.
pub(crate) async fn receive_multipart(
    request: &HttpRequest,
    payload: web::Payload,
    upload: &mut Upload<'_>,
    check: impl AsyncFn(&Form) -> Result<(), ApiError>,
) -> Result<Form, ApiError> {
    let mut parts = Multipart::new(request.headers(), payload);
    let mut form = Form::default();
    let mut kept_bytes = 0;
    let mut reference_bytes = 0;
    let connection = Connection::of(request);

    while let Some(part) = upload.pace.next(&mut parts).await? {
        let mut part = part.map_err(|error| unreadable(&error, &connection))?;
        if form.fields.len() + form.files == MAX_PARTS {
            let detail =
                format!("a form may have at most {MAX_PARTS} parts, and this one has more");
            return Err(ApiError::invalid_option("form", detail));
        }
        let name = part.name().unwrap_or_default().to_owned();
        if upload.expected.fields.contains(&name.as_str()) {
            if form.files == 0 {
                check(&form).await?;
            }
            form.files += 1;
            receive_file(&mut part, upload, &connection, form.files == 1).await?;
        } else {
            let is_reference = name.trim_end_matches("[]") == REFERENCES;
            let (kept, max_field, max_kept) = if is_reference {
                let max = MAX_REFERENCES_BYTES;
                (&mut reference_bytes, max, max)
            } else {
                (&mut kept_bytes, MAX_FIELD_BYTES, MAX_KEPT_BYTES)
            };
            let max_bytes = max_field.min(max_kept.saturating_sub(*kept + name.len()));
            let value = receive_field(&mut part, upload, &connection, max_bytes).await?;
            *kept += name.len();
            if let FieldValue::Text(text) | FieldValue::TooLong(text) = &value {
                *kept += text.len();
            }
            if *kept > max_kept + KEPT_END_BYTES {
                let detail = format!(
                    "{} of a form may have at most {max_kept} bytes together, and they have more",
                    if is_reference {
                        REFERENCES
                    } else {
                        "the other fields"
                    }
                );
                return Err(ApiError::invalid_option("form", detail));
            }
            form.fields.push((name, value));
        }
    }
    form.received = upload.received;
    Ok(form)
}

/// Reads a recording to its end; one that is not `wanted` is dropped.
async fn receive_file(
    part: &mut Field,
    upload: &mut Upload<'_>,
    connection: &Connection,
    wanted: bool,
) -> Result<(), ApiError> {
    while let Some(chunk) = upload.pace.next(part).await? {
        let chunk = chunk.map_err(|error| unreadable(&error, connection))?;
        upload.note(chunk.len())?;
        if wanted {
            upload.take(&chunk).await?;
        }
    }
    Ok(())
}

async fn receive_field(
    part: &mut Field,
    upload: &mut Upload<'_>,
    connection: &Connection,
    max_bytes: usize,
) -> Result<FieldValue, ApiError> {
    let mut value = BytesMut::new();
    let mut too_long = false;

    while let Some(chunk) = upload.pace.next(part).await? {
        let chunk = chunk.map_err(|error| unreadable(&error, connection))?;
        upload.note(chunk.len())?;
        value.extend_from_slice(&chunk);
        too_long |= value.len() > max_bytes;
        if too_long && value.len() > KEPT_END_BYTES {
            value.advance(value.len() - KEPT_END_BYTES);
        }
    }

    if too_long {
        return Ok(FieldValue::TooLong(
            String::from_utf8_lossy(&value).into_owned(),
        ));
    }
    Ok(String::from_utf8(value.into()).map_or(FieldValue::NotText, FieldValue::Text))
}

fn unreadable(error: &MultipartError, connection: &Connection) -> ApiError {
    match error {
        MultipartError::Payload(_) => broken_body(connection),
        MultipartError::Incomplete => ApiError::new(
            ProblemCode::Malformed,
            "the multipart body has no closing boundary; send the recording again",
        ),
        _ => ApiError::new(
            ProblemCode::Malformed,
            "the multipart body cannot be read: each part needs a Content-Disposition with a name, and the boundary \
             must be the one in Content-Type",
        ),
    }
}
