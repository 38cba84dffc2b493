//! `stream=true`: the text as it is found.

use std::collections::VecDeque;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::stream;
use steno_models::openai::{SpokenSegment, StreamEvent, Usage, languages_of};
use steno_models::{Segment, separator};

use crate::auth::Owner;
use crate::follow::{Follower, Step};
use crate::job_log::{Piece, Snapshot};
use crate::problem::ApiError;
use crate::retrieval::Delivery;
use crate::sse;

/// What is streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The text, as it is found.
    Text,
    /// The text, once the job has ended.
    TextAtEnd,
    /// The text and the segments with their speakers, once the job has ended.
    Segments,
}

/// What of the text the client has, and what it is to be sent next.
struct Streamer {
    delivery: Delivery,
    follower: Follower,
    content: Content,
    /// Pieces of the transcript that were sent, and those that are known.
    sent: usize,
    known: usize,
    /// The last text that was sent.
    last: Option<Arc<Piece>>,
    /// The end of the job, once all its pieces are known.
    ending: Option<Snapshot>,
    unsent: VecDeque<Bytes>,
    /// How the stream ends, once that is known.
    end: Option<End>,
}

/// How a stream ends.
enum End {
    /// With the whole text.
    Whole,
    /// With an error.
    Broken,
}

/// Streams the text of a job; its last byte counts as retrieval.
pub(super) async fn answer(
    delivery: Delivery,
    owner: Owner,
    content: Content,
) -> Result<HttpResponse, ApiError> {
    let job_id = delivery.job_id;
    let follower = Follower::new(delivery.state.clone(), owner, job_id);
    let mut streamer = Streamer {
        delivery,
        follower,
        content,
        sent: 0,
        known: 0,
        last: None,
        ending: None,
        unsent: VecDeque::new(),
        end: None,
    };

    // Until there is something to send the status is open: a recording that cannot be read is a plain error.
    while streamer.unsent.is_empty() {
        streamer.advance().await?;
    }
    let events = stream::unfold(streamer, |mut streamer| async move {
        while streamer.unsent.is_empty() && streamer.end.is_none() {
            if let Err(error) = streamer.advance().await {
                // OpenAI's clients raise it. Asked again, they are attached to the same job.
                streamer
                    .unsent
                    .push_back(sse::event("error", None, &error.to_openai().1));
                streamer.end = Some(End::Broken);
            }
        }
        let Some(event) = streamer.unsent.pop_front() else {
            if let Some(End::Whole) = streamer.end {
                streamer.delivery.mark_at_arrival().await;
            }
            return None;
        };
        Some((Ok::<_, ApiError>(event), streamer))
    });

    let mut response = sse::response();
    response.insert_header(("x-job-id", job_id.to_string()));

    Ok(response.streaming(Box::pin(events)))
}

impl Streamer {
    /// Makes the next event, or waits for more.
    async fn advance(&mut self) -> Result<(), ApiError> {
        if self.sent < self.known {
            let piece = self.follower.piece(self.sent).await;
            self.sent += 1;
            if let Some(piece) = piece {
                self.send(piece);
            }
            return Ok(());
        }
        if let Some(snapshot) = self.ending.take() {
            return self.finish(&snapshot);
        }

        match self.follower.next().await? {
            Step::Silence => self.unsent.push_back(sse::KEEP_ALIVE),
            Step::Stopping => return Err(ApiError::stopping()),
            Step::Gone(tombstone) => return Err(ApiError::gone(*tombstone)),
            Step::News(snapshot) => {
                if self.content == Content::Text {
                    self.known = snapshot.pieces;
                }
                if snapshot.status.status.is_terminal() {
                    self.ending = Some(snapshot);
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, piece: Arc<Piece>) {
        let before = self.last.as_ref().map_or("", |last| last.text.as_str());
        let delta = format!("{}{}", separator(before, &piece.text), piece.text);
        self.push(&StreamEvent::Delta { delta });
        if !piece.text.is_empty() {
            self.last = Some(piece);
        }
    }

    /// Sends the whole text, and each segment with its speaker if that was asked for.
    fn send_labelled(&mut self, segments: &[Segment]) {
        let mut before = "";
        for segment in segments {
            let delta = format!("{}{}", separator(before, &segment.text), segment.text);
            self.push(&StreamEvent::Delta { delta });
            if self.content == Content::Segments {
                self.push(&StreamEvent::Segment(SpokenSegment::new(segment)));
            }
            if !segment.text.is_empty() {
                before = &segment.text;
            }
        }
    }

    fn finish(&mut self, snapshot: &Snapshot) -> Result<(), ApiError> {
        if let Some(error) = &snapshot.status.error {
            return Err(ApiError::of_job(error.clone()));
        }
        if let Some(result) = &snapshot.result {
            if self.content != Content::Text {
                self.send_labelled(&result.segments);
            }
            self.push(&StreamEvent::Done {
                text: result.text.clone(),
                languages: languages_of(result),
                usage: Usage::in_tokens(result),
            });
            self.unsent.push_back(sse::DONE);
            self.end = Some(End::Whole);
        }
        Ok(())
    }

    fn push(&mut self, event: &StreamEvent) {
        self.unsent.push_back(sse::event(event.name(), None, event));
    }
}
