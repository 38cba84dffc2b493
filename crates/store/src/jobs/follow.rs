//! Following a job: its status, and the segments that have come since the last look.
//!
//! Segments are sent in the order of the recording: those of a span only when all spans before it are done. So a number of
//! segments says exactly what a client has, also after the job has completed and its tasks are gone.

use steno_models::{JobId, JobStatus, Segment, TranscribeRequest};

use crate::jobs::get::{JobLookup, lookup};
use crate::tx::Tx;
use crate::{Now, Store, StoreError};

/// What a follower has been sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Segments, from the start of the recording.
    pub segments: usize,
    /// Spans that all these segments are of; 0 where it is not known. Saves reading them again.
    pub spans: u32,
    /// Where the last of them ends, in milliseconds; 0 where it is not known.
    pub end_ms: u64,
}

/// A job, and what is new about it.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The job, with its result if it is completed.
    pub status: JobStatus,
    /// What was asked for.
    pub options: TranscribeRequest,
    /// Segments after those sent before, with the ids they will have in the result.
    pub segments: Vec<Segment>,
    /// What is sent now.
    pub sent: Sent,
}

impl Store {
    /// The job and its segments after those `sent`; the inner error is what is left of a job that was deleted. `None` for an
    /// id that never was or that has been forgotten, and for a job of another than `owner`, if one is named.
    pub fn follow_job(
        &self,
        now: Now,
        owner: Option<&str>,
        job_id: JobId,
        sent: Sent,
    ) -> Result<Option<Result<Followed, steno_models::Tombstone>>, StoreError> {
        self.read(|tx| {
            let (status, options) = match lookup(tx, now, owner, job_id)? {
                None => return Ok(None),
                Some(JobLookup::Deleted(tombstone)) => return Ok(Some(Err(tombstone))),
                Some(JobLookup::Job(status, options)) => (status, options),
            };

            let (segments, sent) = match &status.result {
                Some(result) if options.diarize && sent.end_ms > 0 => {
                    segments_after(&result.segments, sent)
                }
                Some(result) => {
                    let new = result
                        .segments
                        .get(sent.segments..)
                        .unwrap_or_default()
                        .to_vec();
                    (
                        new,
                        Sent {
                            segments: result.segments.len().max(sent.segments),
                            ..sent
                        },
                    )
                }
                // The channels are merged at the end.
                None if options.splits_channels() => (Vec::new(), sent),
                None => new_segments(tx, job_id, sent)?,
            };

            Ok(Some(Ok(Followed {
                status,
                options,
                segments,
                sent,
            })))
        })
    }
}

/// The segments after the end of those sent. Diarization has split segments in the meantime, so
/// their numbers cannot be compared.
fn segments_after(all: &[Segment], sent: Sent) -> (Vec<Segment>, Sent) {
    let is_new = |segment: &&Segment| ms(segment.start) >= sent.end_ms;
    let new: Vec<Segment> = all
        .iter()
        .filter(is_new)
        .zip(sent.segments as u32..)
        .map(|(segment, id)| Segment {
            id,
            ..segment.clone()
        })
        .collect();
    let sent = Sent {
        segments: sent.segments + new.len(),
        end_ms: all.last().map_or(sent.end_ms, |last| ms(last.end)),
        ..sent
    };
    (new, sent)
}

fn ms(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

fn new_segments(
    tx: &Tx<'_>,
    job_id: JobId,
    sent: Sent,
) -> Result<(Vec<Segment>, Sent), StoreError> {
    let mut id = if sent.spans == 0 { 0 } else { sent.segments };
    let mut sent = sent;
    let mut segments = Vec::new();
    for span in tx.done_segments(job_id, sent.spans)? {
        for mut segment in span {
            sent.end_ms = sent.end_ms.max(ms(segment.end));
            if id >= sent.segments {
                segment.id = id as u32;
                segments.push(segment);
            }
            id += 1;
        }
        sent.spans += 1;
    }
    sent.segments = sent.segments.max(id);
    Ok((segments, sent))
}
