//! The messages of signals, and which processes receive them.

use std::fmt;

use steno_models::JobId;

use crate::ClaimId;

/// A kind of process that receives messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Processes that claim tasks.
    Workers,
    /// Processes whose clients wait for jobs.
    Apis,
    /// Processes that send webhooks.
    Couriers,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeMessage {
    /// There is work to claim. To workers.
    Work,
    /// The job of this claim was deleted: stop. To workers.
    Cancel(ClaimId),
    /// The job changed in a way its client may wait for, or has a webhook to send. To apis and couriers.
    Changed(JobId),
    /// Messages may have been missed: anything may have changed. To all.
    Missed,
}

impl WakeMessage {
    /// The kinds of process it is for.
    pub(crate) fn audience(self) -> &'static [Audience] {
        match self {
            Self::Work | Self::Cancel(_) => &[Audience::Workers],
            Self::Changed(_) => &[Audience::Apis, Audience::Couriers],
            Self::Missed => &[Audience::Workers, Audience::Apis, Audience::Couriers],
        }
    }

    /// Reads what `Display` has written. `None` for what this version does not know.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_at_checked(1)? {
            ("W", "") => Some(Self::Work),
            ("M", "") => Some(Self::Missed),
            ("C", claim) => claim.parse().ok().map(Self::Cancel),
            ("J", job) => job.parse().ok().map(Self::Changed),
            _ => None,
        }
    }
}

impl fmt::Display for WakeMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work => f.write_str("W"),
            Self::Missed => f.write_str("M"),
            Self::Cancel(claim) => write!(f, "C{claim}"),
            Self::Changed(job) => write!(f, "J{job}"),
        }
    }
}
