//! `response_format=diarized_json`: the segments with their speakers.
//!
//! Source: <https://platform.openai.com/docs/api-reference/audio/diarized-json-object>.

use serde::{Deserialize, Serialize};

use super::Usage;
use crate::{JobResult, Segment, Task, Warning};

/// The type of a segment with its speaker, which is also the name of its event.
pub(super) const SEGMENT_TYPE: &str = "transcript.text.segment";
/// The speaker where speakers could not be distinguished: clients expect a text.
const UNKNOWN: &str = "unknown";

/// `response_format=diarized_json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiarizedTranscription {
    /// `transcribe` or `translate`.
    pub task: Task,
    /// Length of the recording in seconds.
    pub duration: f64,
    /// The whole text.
    pub text: String,
    /// The segments, each with one speaker.
    pub segments: Vec<DiarizedSegment>,
    /// Length of the recording.
    pub usage: Usage,
    /// What the client should know about this result, if anything. Not part of OpenAI's answer; its clients ignore it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A segment of `diarized_json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiarizedSegment {
    /// Always `transcript.text.segment`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name in this answer.
    #[serde(flatten)]
    pub spoken: SpokenSegment,
}

/// Who says what, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SpokenSegment {
    /// Its name in this answer, as `seg_0`.
    pub id: String,
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// The text.
    pub text: String,
    /// `A`, `B` and so on, or a name; `unknown` where speakers could not be distinguished.
    pub speaker: String,
}

impl DiarizedTranscription {
    /// The body for a result.
    pub fn new(result: &JobResult, task: Task) -> Self {
        let segments = result.segments.iter().map(|segment| DiarizedSegment {
            kind: SEGMENT_TYPE.to_owned(),
            spoken: SpokenSegment::new(segment),
        });
        Self {
            task,
            duration: result.duration_seconds,
            text: result.text.clone(),
            segments: segments.collect(),
            usage: Usage::of(result),
            warnings: result.warnings.clone(),
        }
    }
}

impl SpokenSegment {
    /// A segment of a result.
    pub fn new(segment: &Segment) -> Self {
        let speaker = segment.speaker.as_deref().unwrap_or(UNKNOWN);
        Self {
            id: format!("seg_{}", segment.id),
            start: segment.start,
            end: segment.end,
            text: segment.text.clone(),
            speaker: speaker.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_openai_s_fields() {
        let segment = Segment {
            id: 3,
            start: 1.5,
            end: 2.0,
            text: "Yes.".to_owned(),
            speaker: Some("B".to_owned()),
            ..Segment::default()
        };
        let result = JobResult {
            segments: vec![segment, Segment::default()],
            ..JobResult::default()
        };
        let body = DiarizedTranscription::new(&result, Task::Transcribe);
        let json = serde_json::to_value(&body).unwrap();

        assert_eq!(
            json["segments"][0],
            serde_json::json!({"type": "transcript.text.segment", "id": "seg_3", "start": 1.5, "end": 2.0,
                "text": "Yes.", "speaker": "B"})
        );
        assert_eq!(json["segments"][1]["speaker"], "unknown");
        assert_eq!(json["task"], "transcribe");
    }
}
