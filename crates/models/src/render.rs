//! Renderings of a transcript: what `?format=` picks. Pure text from a [`JobResult`], called by api and cli.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{JobResult, Segment, Task, language_name};

/// A rendering of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The job's status with its result.
    Json,
    /// OpenAI's `verbose_json`: text and segments without the job around them.
    VerboseJson,
    /// The text alone.
    Text,
    /// `SubRip` subtitles.
    Srt,
    /// `WebVTT` subtitles.
    Vtt,
}

impl Format {
    /// Every format, in the order they are documented.
    pub const ALL: [Self; 5] = [Self::Json, Self::VerboseJson, Self::Text, Self::Srt, Self::Vtt];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::VerboseJson => "verbose_json",
            Self::Text => "text",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// The media type it is served as.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json | Self::VerboseJson => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Srt => "application/x-subrip; charset=utf-8",
            Self::Vtt => "text/vtt; charset=utf-8",
        }
    }

    /// The end of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json | Self::VerboseJson => "json",
            Self::Text => "txt",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }
}

/// The transcript in a format. `Format::Json` gives the bare result; the api puts the job around it.
pub fn render(result: &JobResult, task: Task, format: Format) -> String {
    match format {
        Format::Json => to_json(&json!(result)),
        Format::VerboseJson => to_json(&verbose_json(result, task)),
        Format::Text => format!("{}\n", result.text),
        Format::Srt => srt(&result.segments),
        Format::Vtt => vtt(&result.segments),
    }
}

fn to_json(value: &serde_json::Value) -> String {
    value.to_string()
}

/// The body of OpenAI's `verbose_json`. `seek` is always 0: spans are cut at pauses, not at Whisper's seek points.
fn verbose_json(result: &JobResult, task: Task) -> serde_json::Value {
    let segments: Vec<_> = result
        .segments
        .iter()
        .map(|segment| {
            json!({
                "id": segment.id,
                "seek": 0,
                "start": segment.start,
                "end": segment.end,
                "text": segment.text,
                "tokens": segment.tokens,
                "temperature": segment.temperature,
                "avg_logprob": segment.avg_logprob,
                "compression_ratio": segment.compression_ratio,
                "no_speech_prob": segment.no_speech_prob,
            })
        })
        .collect();
    json!({
        "task": task,
        "language": result.language.as_deref().map(|code| language_name(code).unwrap_or(code)),
        "duration": result.duration_seconds,
        "text": result.text,
        "segments": segments,
        "usage": {"type": "duration", "seconds": result.duration_seconds.ceil()},
    })
}

fn srt(segments: &[Segment]) -> String {
    let mut out = String::new();
    for (index, segment) in segments.iter().enumerate() {
        let (start, end) = (clock(segment.start, ','), clock(segment.end, ','));
        // Writing to a String cannot fail.
        let _ = write!(out, "{}\n{start} --> {end}\n{}\n\n", index + 1, cue_text(&segment.text));
    }
    out
}

fn vtt(segments: &[Segment]) -> String {
    let mut out = String::from("WEBVTT\n\n");
    for segment in segments {
        let (start, end) = (clock(segment.start, '.'), clock(segment.end, '.'));
        let text = cue_text(&segment.text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(out, "{start} --> {end}\n{text}\n\n");
    }
    out
}

/// A cue ends at an empty line, and `-->` begins a time line: neither may stand in its text.
fn cue_text(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("-->", "->")
}

/// `HH:MM:SS` and milliseconds after `separator`. Hours grow past 99 where they must.
fn clock(seconds: f64, separator: char) -> String {
    let ms = (seconds * 1000.0).round().max(0.0) as u64;
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{separator}{:03}", ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(id: u32, start: f64, end: f64, text: &str) -> Segment {
        Segment {
            id,
            start,
            end,
            text: text.to_owned(),
            avg_logprob: -0.25,
            compression_ratio: 1.5,
            no_speech_prob: 0.5,
            temperature: 0.0,
            tokens: vec![1, 2],
            words: None,
        }
    }

    fn result() -> JobResult {
        JobResult {
            text: "Hello there. A < B & C".to_owned(),
            language: Some("en".to_owned()),
            language_probability: Some(0.99),
            duration_seconds: 36_005.25,
            model: "base".to_owned(),
            segments: vec![segment(0, 0.0, 1.5, "Hello there."), segment(1, 3599.9996, 36_001.25, "A < B & C")],
        }
    }

    fn check(format: Format, expected: &str) {
        assert_eq!(render(&result(), Task::Transcribe, format), expected);
    }

    #[test]
    fn text_is_one_line() {
        check(Format::Text, "Hello there. A < B & C\n");
    }

    #[test]
    fn srt_hours_do_not_wrap() {
        check(
            Format::Srt,
            "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n01:00:00,000 --> 10:00:01,250\nA < B & C\n\n",
        );
    }

    #[test]
    fn vtt_starts_with_its_name_and_escapes_markup() {
        check(
            Format::Vtt,
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello there.\n\n\
             01:00:00.000 --> 10:00:01.250\nA &lt; B &amp; C\n\n",
        );
    }

    #[test]
    fn a_cue_cannot_forge_another() {
        assert_eq!(cue_text("a\n\n2\n00:00 --> 00:01\nb"), "a 2 00:00 -> 00:01 b");
    }

    #[test]
    fn verbose_json_has_the_ten_fields_of_a_segment() {
        let json: serde_json::Value =
            serde_json::from_str(&render(&result(), Task::Transcribe, Format::VerboseJson)).unwrap();
        assert_eq!(json["language"], "english");
        assert_eq!(json["task"], "transcribe");
        assert_eq!(json["segments"][0].as_object().unwrap().len(), 10);
        assert_eq!(json["usage"]["seconds"], 36_006.0);
    }

    #[test]
    fn formats_are_found_by_their_name() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.as_str()), Some(format));
            assert_eq!(serde_json::to_value(format).unwrap(), format.as_str());
        }
        assert_eq!(Format::from_name("docx"), None);
    }
}
