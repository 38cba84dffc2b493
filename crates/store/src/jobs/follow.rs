//! Following a job: its status, and the segments that have come since the last look.
//!
//! Segments are told in the order of the recording: those of a span only when all spans before it are done. So a number of
//! segments says exactly what a client has, also after the job has completed and its tasks are gone.

use steno_models::{JobId, JobStatus, Segment, TranscribeRequest};

use crate::jobs::get::{JobLookup, lookup};
use crate::sqlite::Tx;
use crate::{Now, Store, StoreError};

/// What a follower has been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Segments, from the start of the recording.
    pub segments: usize,
    /// Spans that all these segments are of; 0 where it is not known. Saves reading them again.
    pub spans: u32,
}

/// A job, and what is new about it.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The job, with its result if it is completed.
    pub status: JobStatus,
    /// What was asked for.
    pub options: TranscribeRequest,
    /// Segments after those told before, with the ids they will have in the result.
    pub segments: Vec<Segment>,
    /// What is told now.
    pub told: Told,
}

impl Store {
    /// The job and its segments after those `told`; the inner error is what is left of a job that was deleted. `None` for an
    /// id that never was or that has been forgotten, and for a job of another than `owner`, if one is named.
    pub fn follow_job(
        &self,
        now: Now,
        owner: Option<&str>,
        job_id: JobId,
        told: Told,
    ) -> Result<Option<Result<Followed, steno_models::Tombstone>>, StoreError> {
        self.read(|tx| {
            let (status, options) = match lookup(tx, now, owner, job_id)? {
                None => return Ok(None),
                Some(JobLookup::Deleted(tombstone)) => return Ok(Some(Err(tombstone))),
                Some(JobLookup::Job(status, options)) => (status, options),
            };
            let (segments, told) = match &status.result {
                Some(result) => {
                    let new = result
                        .segments
                        .get(told.segments..)
                        .unwrap_or_default()
                        .to_vec();
                    (
                        new,
                        Told {
                            segments: result.segments.len().max(told.segments),
                            ..told
                        },
                    )
                }
                None => new_segments(tx, job_id, told)?,
            };
            Ok(Some(Ok(Followed {
                status,
                options,
                segments,
                told,
            })))
        })
    }
}

fn new_segments(
    tx: &Tx<'_>,
    job_id: JobId,
    told: Told,
) -> Result<(Vec<Segment>, Told), StoreError> {
    let mut id = if told.spans == 0 { 0 } else { told.segments };
    let mut told = told;
    let mut segments = Vec::new();
    for span in tx.done_segments(job_id, told.spans)? {
        for mut segment in span {
            if id >= told.segments {
                segment.id = id as u32;
                segments.push(segment);
            }
            id += 1;
        }
        told.spans += 1;
    }
    told.segments = told.segments.max(id);
    Ok((segments, told))
}
