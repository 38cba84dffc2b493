//! A recording among form fields, parts in any order.

use std::fmt;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::web::{self, Buf as _, BytesMut};
use steno_models::ProblemCode;

use super::Upload;
use super::form_memory::FormShare;
use crate::connection::{Connection, broken_body};
use crate::problem::{ApiError, RETRY_FULL_S};

/// Most parts of a body.
const MAX_PARTS: usize = 10_000;
/// How much is kept of the end of a field that is larger than allowed.
const KEPT_END_BYTES: usize = 4 * 1024;
/// What a field takes besides its name and value.
const FIELD_BYTES: usize = 128;
/// Recordings of known speakers have limits of their own: up to four of 1 MiB, with separators.
const REFERENCES: Limits = Limits {
    name: "known_speaker_references",
    field_bytes: 4 * 1024 * 1024 + 1024,
    form_bytes: 4 * 1024 * 1024 + 1024,
};
const OTHER_FIELDS: Limits = Limits {
    name: "the other fields",
    field_bytes: 64 * 1024,
    form_bytes: 1024 * 1024,
};

/// Limits of some fields of a form.
struct Limits {
    /// What the fields are called in an error.
    name: &'static str,
    /// Bytes of one of them.
    field_bytes: usize,
    /// Bytes of all of them and of their names.
    form_bytes: usize,
}

/// What a form had besides its recording.
#[derive(Debug, Default)]
pub(crate) struct Form {
    /// The fields in order, with their names.
    pub(crate) fields: Vec<(String, FieldValue)>,
    /// How many recordings there were; only the first was kept.
    pub(crate) files: usize,
    /// Bytes of the recording that was kept.
    pub(crate) received: u64,
    /// The memory that the fields take.
    pub(crate) _share: FormShare,
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
    /// It was larger than a field may be.
    TooLong {
        /// Its end.
        end: String,
        /// The limit that it has exceeded.
        limit: Limit,
    },
    /// It is not valid UTF-8.
    NotText,
}

/// Limits of a field, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Of the field itself.
    Field(usize),
    /// Of the field and those before it that count together.
    Form(usize),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(bytes) => write!(f, "longer than {bytes} bytes"),
            Self::Form(bytes) => write!(
                f,
                "together with the fields before it, longer than {bytes} bytes"
            ),
        }
    }
}

impl FieldValue {
    /// The whole text, or what is wrong with the field.
    pub(crate) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::TooLong { limit, .. } => Err(limit.to_string()),
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
    let mut kept = Kept::new(upload.state.form_memory.share());
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
            let value = kept.receive(&name, &mut part, upload, &connection).await?;
            form.fields.push((name, value));
        }
    }
    Ok(Form {
        received: upload.received,
        _share: kept.share,
        ..form
    })
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

/// What is kept of the fields of one form, in bytes.
struct Kept {
    fields: usize,
    references: usize,
    others: usize,
    share: FormShare,
}

impl Kept {
    fn new(share: FormShare) -> Self {
        Self {
            fields: 0,
            references: 0,
            others: 0,
            share,
        }
    }

    /// Reads a field. Of one that is too long, only the end is kept.
    async fn receive(
        &mut self,
        name: &str,
        part: &mut Field,
        upload: &mut Upload<'_>,
        connection: &Connection,
    ) -> Result<FieldValue, ApiError> {
        let is_reference = name.trim_end_matches("[]") == REFERENCES.name;
        let limits = if is_reference {
            &REFERENCES
        } else {
            &OTHER_FIELDS
        };
        let is_first = *self.bytes_of(is_reference) == 0;
        self.fields += 1;
        *self.bytes_of(is_reference) += name.len();
        let left = limits
            .form_bytes
            .saturating_sub(*self.bytes_of(is_reference));
        let max_bytes = left.min(limits.field_bytes);

        let (value, is_too_long) = self.read(part, upload, connection, max_bytes).await?;

        *self.bytes_of(is_reference) += value.len();
        if *self.bytes_of(is_reference) > limits.form_bytes + KEPT_END_BYTES {
            let detail = format!(
                "{} of a form may have at most {} bytes together, and they have more",
                limits.name, limits.form_bytes
            );
            return Err(ApiError::invalid_option("form", detail));
        }
        if is_too_long {
            let end = String::from_utf8_lossy(&value).into_owned();
            let limit = if !is_first && left < limits.field_bytes {
                Limit::Form(limits.form_bytes)
            } else {
                Limit::Field(limits.field_bytes)
            };
            return Ok(FieldValue::TooLong { end, limit });
        }
        Ok(String::from_utf8(value.into()).map_or(FieldValue::NotText, FieldValue::Text))
    }

    /// Reads the value of a field, or the end of one that has more than `max_bytes`. Returns whether it has more.
    async fn read(
        &mut self,
        part: &mut Field,
        upload: &mut Upload<'_>,
        connection: &Connection,
        max_bytes: usize,
    ) -> Result<(BytesMut, bool), ApiError> {
        let before = self.references + self.others + self.fields * FIELD_BYTES;
        if !self.share.cover(before) {
            return Err(too_many_large_forms());
        }
        let mut value = BytesMut::new();
        let mut is_too_long = false;

        while let Some(chunk) = upload.pace.next(part).await? {
            let chunk = chunk.map_err(|error| unreadable(&error, connection))?;
            upload.note(chunk.len())?;
            value.extend_from_slice(&chunk);
            is_too_long |= value.len() > max_bytes;
            if is_too_long && value.len() > KEPT_END_BYTES {
                value.advance(value.len() - KEPT_END_BYTES);
            }
            if !self.share.cover(before + value.len()) {
                return Err(too_many_large_forms());
            }
        }
        Ok((value, is_too_long))
    }

    fn bytes_of(&mut self, is_reference: bool) -> &mut usize {
        if is_reference {
            &mut self.references
        } else {
            &mut self.others
        }
    }
}

fn too_many_large_forms() -> ApiError {
    let detail = "too many uploads with large form fields are in progress; try again later, or send fewer known_speaker_references";
    ApiError::new(ProblemCode::TooManyConnections, detail).retry_after(RETRY_FULL_S)
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
