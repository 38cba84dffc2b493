//! A recording among form fields, parts in any order.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::web::{self, BytesMut};
use steno_models::ProblemCode;

use super::{Upload, cut_short, text_of};
use crate::problem::ApiError;

/// Most parts of a body.
const MAX_PARTS: usize = 24;
/// Largest form field in bytes.
const MAX_FIELD_BYTES: usize = 64 * 1024;

/// What a form had besides its recording.
#[derive(Debug, Default)]
pub(crate) struct Form {
    /// The fields in order: name, and value or what is wrong with it.
    pub(crate) fields: Vec<(String, Result<String, String>)>,
    /// How many recordings there were; only the first was kept.
    pub(crate) files: usize,
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
    while let Some(part) = upload.pace.next(&mut parts).await? {
        let mut part = part.map_err(|error| unreadable(&error))?;
        if form.fields.len() + form.files == MAX_PARTS {
            let detail = format!("the form has more than {MAX_PARTS} parts");
            return Err(ApiError::new(ProblemCode::Malformed, detail));
        }
        let name = part.name().unwrap_or_default().to_owned();
        if name == "file" {
            if form.files == 0 {
                check(&form).await?;
            }
            form.files += 1;
            receive_file(&mut part, upload, form.files == 1).await?;
        } else {
            let value = receive_field(&mut part, upload).await?;
            form.fields.push((name, value));
        }
    }
    Ok(form)
}

/// Reads a recording to its end; one that is not `wanted` is dropped.
async fn receive_file(part: &mut Field, upload: &mut Upload<'_>, wanted: bool) -> Result<(), ApiError> {
    while let Some(chunk) = upload.pace.next(part).await? {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        upload.note(chunk.len())?;
        if wanted {
            upload.take(&chunk).await?;
        }
    }
    Ok(())
}

async fn receive_field(part: &mut Field, upload: &mut Upload<'_>) -> Result<Result<String, String>, ApiError> {
    let mut value = BytesMut::new();
    let mut too_long = false;
    while let Some(chunk) = upload.pace.next(part).await? {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        upload.note(chunk.len())?;
        too_long |= value.len() + chunk.len() > MAX_FIELD_BYTES;
        if !too_long {
            value.extend_from_slice(&chunk);
        }
    }
    if too_long {
        return Ok(Err(format!("longer than {MAX_FIELD_BYTES} bytes")));
    }
    Ok(text_of(value.freeze()).map_err(ToOwned::to_owned))
}

fn unreadable(error: &MultipartError) -> ApiError {
    match error {
        MultipartError::Incomplete | MultipartError::Payload(_) => cut_short(),
        _ => ApiError::new(
            ProblemCode::Malformed,
            "the multipart body cannot be read: each part needs a Content-Disposition with a name, and the boundary \
             must be the one in Content-Type",
        ),
    }
}
