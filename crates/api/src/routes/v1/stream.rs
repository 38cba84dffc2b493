//! `stream=true`: the text as it is found.

use std::collections::VecDeque;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::stream;
use steno_models::openai::{StreamEvent, Usage, languages_of};
use steno_models::separator;
use steno_store::{Followed, Told};

use crate::auth::Owner;
use crate::follow::{Follower, Step};
use crate::problem::ApiError;
use crate::retrieval::Delivery;
use crate::sse;

/// What of the text the client has, and what it is to be sent next.
struct Streamer {
    delivery: Delivery,
    follower: Follower,
    text: String,
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
pub(super) async fn answer(delivery: Delivery, owner: Owner) -> Result<HttpResponse, ApiError> {
    let job_id = delivery.job_id;
    let follower = Follower::new(delivery.state.clone(), owner, job_id, Told::default());
    let mut streamer = Streamer {
        delivery,
        follower,
        text: String::new(),
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
    /// Waits for more.
    async fn advance(&mut self) -> Result<(), ApiError> {
        match self.follower.next().await? {
            Step::Silence => self.unsent.push_back(sse::KEEP_ALIVE),
            Step::Stopping => return Err(ApiError::stopping()),
            Step::Gone(tombstone) => return Err(ApiError::gone(*tombstone)),
            Step::News(news) => self.tell(*news)?,
        }
        Ok(())
    }

    fn tell(&mut self, news: Followed) -> Result<(), ApiError> {
        for segment in &news.segments {
            let delta = format!("{}{}", separator(&self.text, &segment.text), segment.text);
            self.text.push_str(&delta);
            self.push(&StreamEvent::Delta { delta });
        }
        if let Some(error) = news.status.error {
            return Err(ApiError::of_job(error));
        }
        if let Some(result) = &news.status.result {
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
