//! The download of a recording that was submitted by its address, as the client of the job sees it.

use serde::{Deserialize, Serialize};

/// Where a download is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FetchState {
    /// It waits for a courier.
    Waiting,
    /// A courier is downloading it.
    Downloading,
    /// An attempt has failed, and another follows.
    Retrying,
}

/// The download of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FetchStatus {
    /// Where it is in its life.
    pub state: FetchState,
    /// Bytes received.
    pub bytes: u64,
    /// Bytes of the whole recording; `None` if the server has not announced them.
    pub total: Option<u64>,
    /// Why it does not go on: `no_courier` where no courier runs, or the reason for which the last attempt failed.
    pub problem: Option<String>,
}
