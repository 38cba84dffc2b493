//! `GET /transcribe/{job_id}/events`: what happens to a job, as it happens.
//!
//! The id of an event says what its client has: how far the job was, and how many segments. So a client that resumes gets
//! the remaining events from the database, whichever process it used before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use steno_models::{FetchStatus, JobEvent, JobProgress, JobStatus, Problem, SpeakerLabels, Status};

use crate::auth::Owner;
use crate::extract::JobPath;
use crate::follow::{Follower, Step};
use crate::job_log::Snapshot;
use crate::openapi::{GoneProblem, JobMessage};
use crate::problem::ApiError;
use crate::sse;
use crate::state::ApiState;

/// How long a stream lasts at most: no client keeps its connection for ever.
const STREAM_LIFE: Duration = Duration::from_secs(1800);

/// Follow a job.
///
/// Server-sent events: `status` when it begins, `fetch` while its recording is downloaded, `segment` for each piece of the
/// transcript in order, `progress`, and at the end `speakers`, if they were asked for, and `completed` or `failed`. A comment
/// at least every 15 s. Never a retrieval: fetch the result afterwards. After a
/// broken connection, send the last `id` as `Last-Event-ID` to get the remaining events.
#[utoipa::path(
    get,
    path = "/transcribe/{job_id}/events",
    tag = "jobs",
    params(
        ("job_id" = uuid::Uuid, Path, description = "The job", example = "7f2c1c9e-6a51-4c1b-9c58-0f3c2a1f7f10"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event you have", example = "2-17"),
    ),
    responses(
        (status = 200, description = "The events", body = JobMessage, content_type = "text/event-stream"),
        (status = 204, description = "You have every event"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`gone`", body = GoneProblem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_options`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn follow_job(
    job: JobPath,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let JobPath(job_id) = job;
    let mut view = ClientView::after(last_event_id(&request)?);
    if view.stage == 3 {
        // Clients that reconnect by themselves stop at this (HTML, 9.2.3).
        return Ok(HttpResponse::NoContent().finish());
    }
    let mut changes = Follower::new(state, Owner::of(&request), job_id);
    // The first look is made before the answer begins: a job that is not there is a problem, not an empty stream.
    match changes.next().await? {
        Step::Gone(tombstone) => return Err(ApiError::gone(*tombstone)),
        Step::News(news) => view.send(&news),
        Step::Silence | Step::Stopping => {}
    }

    let began = Instant::now();
    let events = stream::unfold((changes, view), move |(mut changes, mut view)| async move {
        loop {
            if let Some(event) = view.next_event(&changes).await {
                return Some((Ok::<_, ApiError>(event), (changes, view)));
            }
            // A client whose stream has lasted long enough resumes it, as after a broken connection.
            if view.ended || began.elapsed() >= STREAM_LIFE {
                return None;
            }
            match changes.next().await {
                Ok(Step::News(news)) => view.send(&news),
                Ok(Step::Silence) => view.before.push_back(sse::KEEP_ALIVE),
                // The client comes back, to this server when it is up again or to the answer that says what happened.
                Ok(Step::Gone(_) | Step::Stopping) | Err(_) => return None,
            }
        }
    });
    Ok(sse::response().streaming(Box::pin(events)))
}

/// Answers `HEAD`: whether the job is there. No event is waited for.
pub(crate) async fn head_events(
    job: JobPath,
    owner: Owner,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let mut changes = Follower::new(state, owner, job.0);
    match changes.next().await? {
        Step::Gone(tombstone) => Err(ApiError::gone(*tombstone)),
        _ => Ok(sse::response().finish()),
    }
}

/// Reads the id of the last event that the client has: the stage of the job (0 to 3), and the number of segments sent.
fn last_event_id(request: &HttpRequest) -> Result<(u8, usize), ApiError> {
    let Some(value) = request.headers().get("last-event-id") else {
        return Ok((0, 0));
    };
    let parse = || {
        let (stage, segments) = value.to_str().ok()?.split_once('-')?;
        Some((
            stage.parse().ok().filter(|stage| *stage <= 3)?,
            segments.parse().ok()?,
        ))
    };
    parse().ok_or_else(|| {
        ApiError::invalid_option("Last-Event-ID", "not the id of an event of this stream")
    })
}

/// What a client has been sent, and what it is to be sent next: events before the segments, a range of segments, and
/// events after them. Segments are read one by one, so that a slow client holds no copy of the transcript.
#[derive(Debug, Default)]
struct ClientView {
    /// 0 nothing, 1 that the job is pending, 2 that it is processed, 3 how it ended.
    stage: u8,
    /// Segments that were sent.
    segments: usize,
    /// Segments that are known.
    known: usize,
    progress: f64,
    fetch: Option<FetchStatus>,
    before: VecDeque<Bytes>,
    after: VecDeque<Bytes>,
    ended: bool,
}

impl ClientView {
    fn after((stage, segments): (u8, usize)) -> Self {
        Self {
            stage,
            segments,
            ..Self::default()
        }
    }

    /// The next event that is due.
    async fn next_event(&mut self, changes: &Follower) -> Option<Bytes> {
        if let Some(event) = self.before.pop_front() {
            return Some(event);
        }
        while self.segments < self.known {
            let piece = changes.piece(self.segments).await;
            self.segments += 1;
            if let Some(piece) = piece {
                let id = event_id(self.stage, self.segments);
                return Some(sse::event_of_json("segment", Some(&id), &piece.json));
            }
        }
        self.after.pop_front()
    }

    /// Notes what is new. The events that were due before have been sent.
    fn send(&mut self, news: &Snapshot) {
        let status = &news.status;
        let stage = match status.status {
            Status::Pending => 1,
            Status::Processing => 2,
            Status::Completed | Status::Failed => 3,
        };
        self.known = news.pieces.max(self.segments);
        self.ended = stage == 3;

        if stage < 3 && stage > self.stage {
            self.stage = stage;
            let event = JobEvent::Status(Box::new(JobStatus::clone(status)));
            let id = event_id(stage, self.segments);
            self.before
                .push_back(sse::event(event.name(), Some(&id), &event));
        }
        if status.fetch.is_some() && status.fetch != self.fetch {
            self.fetch.clone_from(&status.fetch);
            let event = status.fetch.clone().map(JobEvent::Fetch);
            let id = event_id(self.stage, self.segments);
            self.before
                .extend(event.map(|event| sse::event(event.name(), Some(&id), &event)));
        }
        // Skip an unchanged value (bitwise comparison).
        if stage == 2 && status.progress.to_bits() != self.progress.to_bits() {
            self.progress = status.progress;
            let event = JobEvent::Progress(JobProgress {
                progress: status.progress,
                eta_seconds: status.eta_seconds,
            });
            let id = event_id(self.stage, self.known);
            self.after
                .push_back(sse::event(event.name(), Some(&id), &event));
        }
        if let Some(labels) = labels(news) {
            let id = event_id(self.stage, self.known);
            self.after
                .push_back(sse::event(labels.name(), Some(&id), &labels));
        }
        if self.ended {
            let event = JobEvent::Status(Box::new(JobStatus::clone(status)));
            let id = event_id(stage, self.known);
            self.after
                .push_back(sse::event(event.name(), Some(&id), &event));
        }
    }
}

/// The speakers and the labelled segments of a completed job.
fn labels(news: &Snapshot) -> Option<JobEvent> {
    let result = news.result.as_ref()?;
    let has_speakers = !result.speakers.is_empty();
    has_speakers.then(|| {
        JobEvent::Speakers(SpeakerLabels {
            speakers: result.speakers.clone(),
            segments: result.segments.clone(),
        })
    })
}

/// What a client sends as `Last-Event-ID` after an event.
fn event_id(stage: u8, segments: usize) -> String {
    format!("{stage}-{segments}")
}
