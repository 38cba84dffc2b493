//! Webhooks as their receivers see them, and what became of them as the job's client sees it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{JobError, JobId, Status, Timestamp};

/// What a webhook reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CallbackEvent {
    /// The job has its result.
    #[serde(rename = "transcription.completed")]
    Completed,
    /// The job failed.
    #[serde(rename = "transcription.failed")]
    Failed,
}

impl CallbackEvent {
    /// Every event.
    pub const ALL: [Self; 2] = [Self::Completed, Self::Failed];

    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "transcription.completed",
            Self::Failed => "transcription.failed",
        }
    }

    /// From the word on the wire. The prefix may be left out.
    pub fn from_word(word: &str) -> Option<Self> {
        let full = |event: &Self| event.as_str() == word;
        let short = |event: &Self| event.as_str().strip_prefix("transcription.") == Some(word);

        Self::ALL
            .into_iter()
            .find(|event| full(event) || short(event))
    }
}

/// The body of a webhook. It has no transcript: the receiver reads the result with its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookBody {
    /// What happened.
    #[serde(rename = "type")]
    pub event: CallbackEvent,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The job it happened to.
    pub data: WebhookJob,
}

/// The job of a webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookJob {
    /// The job's id.
    pub job_id: JobId,
    /// `completed` or `failed`.
    pub status: Status,
    /// ISO 639-1 code, as asked for or as detected.
    pub language: Option<String>,
    /// Length of the recording in seconds.
    pub duration_seconds: Option<f64>,
    /// When the job was accepted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it is deleted at the latest.
    pub ttl_deadline: Timestamp,
    /// Why it failed.
    pub error: Option<JobError>,
    /// What the client attached, unchanged.
    pub metadata: Option<Map<String, Value>>,
}

/// The status of the delivery of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is sent, or sent again, at `next_attempt_at`.
    Pending,
    /// The receiver answered with a 2xx.
    Delivered,
    /// It is not sent again.
    Failed,
}

impl DeliveryStatus {
    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// The delivery of one webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// The header `webhook-id` of every attempt.
    pub webhook_id: String,
    /// What it reports.
    pub event: CallbackEvent,
    /// Its status.
    pub status: DeliveryStatus,
    /// Attempts so far.
    pub attempts: u32,
    /// When the last attempt ended.
    pub last_attempt_at: Option<Timestamp>,
    /// When it is sent next.
    pub next_attempt_at: Option<Timestamp>,
    /// Status that the receiver last answered with.
    pub response_status: Option<u16>,
    /// The stable reason why the last attempt failed.
    pub reason: Option<String>,
}

/// The answer to `GET /transcribe/{job_id}/deliveries`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryList {
    /// The job's webhooks; none before it ends, or without `callback_url`.
    pub deliveries: Vec<Delivery>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_on_the_wire_equal_words_in_the_database() {
        for event in CallbackEvent::ALL {
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
            assert_eq!(CallbackEvent::from_word(event.as_str()), Some(event));
        }
        assert_eq!(
            CallbackEvent::from_word("failed"),
            Some(CallbackEvent::Failed)
        );
        assert_eq!(CallbackEvent::from_word("started"), None);
        for status in [
            DeliveryStatus::Pending,
            DeliveryStatus::Delivered,
            DeliveryStatus::Failed,
        ] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
