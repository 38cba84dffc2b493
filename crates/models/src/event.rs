//! The events of a job, as `GET /transcribe/{job_id}/events` sends them.

use serde::{Deserialize, Serialize};

use crate::{FetchStatus, JobStatus, Segment, Speaker};

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobProgress {
    /// Speech transcribed over speech found, 0 to 1.
    pub progress: f64,
    /// Expected seconds until the end; `None` while not known.
    pub eta_seconds: Option<f64>,
}

/// Who says what, once that is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SpeakerLabels {
    /// The speakers, in the order of their first words.
    pub speakers: Vec<Speaker>,
    /// Every segment of the result with its speaker. They replace those that were sent before.
    pub segments: Vec<Segment>,
}

/// One event. Its name goes in the `event:` line, its content as JSON in the `data:` line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum JobEvent {
    /// `completed` and `failed`: how the job ended. Without the result: that is what a retrieval is for.
    /// `status`: the job's new status.
    Status(Box<JobStatus>),
    /// `segment`: the next piece of the transcript, in the order of the recording.
    Segment(Segment),
    /// `speakers`: who says what; sent once, before `completed`.
    Speakers(SpeakerLabels),
    /// `progress`: how far it is.
    Progress(JobProgress),
    /// `fetch`: how far the download of its recording is.
    Fetch(FetchStatus),
}

impl JobEvent {
    /// The name of the event.
    pub fn name(&self) -> &'static str {
        use crate::Status::{Completed, Failed, Pending, Processing};
        match self {
            Self::Status(job) => match job.status {
                Pending | Processing => "status",
                Completed => "completed",
                Failed => "failed",
            },
            Self::Segment(_) => "segment",
            Self::Speakers(_) => "speakers",
            Self::Progress(_) => "progress",
            Self::Fetch(_) => "fetch",
        }
    }
}
