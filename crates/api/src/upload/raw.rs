//! A recording that is the whole body.

use actix_web::web;
use futures_util::StreamExt as _;

use super::{Upload, cut_short, next_within};
use crate::problem::ApiError;

/// Streams the body to disk.
pub(crate) async fn receive_raw(mut payload: web::Payload, upload: &mut Upload<'_>) -> Result<(), ApiError> {
    while let Some(chunk) = next_within(upload.state, payload.next()).await? {
        upload.take(&chunk.map_err(|_| cut_short())?).await?;
    }
    Ok(())
}
