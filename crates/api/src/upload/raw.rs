//! A recording that is the whole body.

use actix_web::{HttpRequest, web};

use super::{Form, Upload};
use crate::connection::{Connection, broken_body};
use crate::problem::ApiError;

/// Streams the body to disk. It is a form without fields.
pub(crate) async fn receive_raw(
    request: &HttpRequest,
    mut payload: web::Payload,
    upload: &mut Upload<'_>,
) -> Result<Form, ApiError> {
    while let Some(chunk) = upload.pace.next(&mut payload).await? {
        let chunk = chunk.map_err(|_| broken_body(&Connection::of(request)))?;
        upload.note(chunk.len())?;
        upload.take(&chunk).await?;
    }
    Ok(Form::of_recording(upload.received))
}
