//! Renderings of a transcript: what `?format=` picks. Pure text from a [`JobResult`], called by api and cli.

mod voices;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use self::voices::VoicedCue;
use crate::openai::{Granularities, VerboseTranscription};
use crate::{JobResult, Layout, Segment, Task};

/// A rendering of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Tab-separated start and end in milliseconds and text, a segment a line, as openai/whisper writes it.
    Tsv,
    /// Lyrics: each segment behind its start in minutes, seconds and hundredths.
    Lrc,
    /// Turns of speakers, a line each, as NIST's tools read them. Empty without `diarize`.
    Rttm,
}

impl Format {
    /// Every format, in the order they are documented.
    pub const ALL: [Self; 8] = [
        Self::Json,
        Self::VerboseJson,
        Self::Text,
        Self::Srt,
        Self::Vtt,
        Self::Tsv,
        Self::Lrc,
        Self::Rttm,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::VerboseJson => "verbose_json",
            Self::Text => "text",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Tsv => "tsv",
            Self::Lrc => "lrc",
            Self::Rttm => "rttm",
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
            Self::Text | Self::Lrc | Self::Rttm => "text/plain; charset=utf-8",
            Self::Srt => "application/x-subrip; charset=utf-8",
            Self::Vtt => "text/vtt; charset=utf-8",
            Self::Tsv => "text/tab-separated-values; charset=utf-8",
        }
    }

    /// The end of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json | Self::VerboseJson => "json",
            Self::Text => "txt",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Tsv => "tsv",
            Self::Lrc => "lrc",
            Self::Rttm => "rttm",
        }
    }
}

/// The transcript in a format. `Format::Json` gives the bare result; the api puts the job around it. `layout` is for
/// subtitles alone.
pub fn render(result: &JobResult, task: Task, format: Format, layout: Layout) -> String {
    match format {
        Format::Json => to_json(result),
        Format::VerboseJson => {
            let words = result
                .segments
                .iter()
                .any(|segment| segment.words.is_some());
            to_json(&VerboseTranscription::new(
                result,
                task,
                Granularities {
                    segments: true,
                    words,
                },
            ))
        }
        Format::Text => voices::text(result),
        Format::Srt => srt(&voices::cues(&result.segments, layout)),
        Format::Vtt => vtt(&voices::cues(&result.segments, layout)),
        Format::Tsv => tsv(&result.segments),
        Format::Lrc => lrc(&result.segments),
        Format::Rttm => voices::rttm(result),
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("these types have string keys and no failing parts")
}

fn srt(cues: &[VoicedCue]) -> String {
    let mut out = String::new();
    for (index, VoicedCue { speaker, cue }) in cues.iter().enumerate() {
        let (start, end) = (clock(cue.start, ','), clock(cue.end, ','));
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{}\n{start} --> {end}\n{}{}\n\n",
            index + 1,
            voices::prefix(speaker.as_deref()),
            cue.lines.join("\n")
        );
    }
    out
}

fn vtt(cues: &[VoicedCue]) -> String {
    let mut out = String::from("WEBVTT\n\n");
    for VoicedCue { speaker, cue } in cues {
        let (start, end) = (clock(cue.start, '.'), clock(cue.end, '.'));
        let text = escaped(&cue.lines.join("\n"));
        let voice = speaker
            .as_deref()
            .map_or_else(String::new, |name| format!("<v {}>", escaped(name)));
        let _ = write!(out, "{start} --> {end}\n{voice}{text}\n\n");
    }
    out
}

/// Text as `WebVTT` takes it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn tsv(segments: &[Segment]) -> String {
    let mut out = String::from("start\tend\ttext\n");
    for segment in segments {
        let _ = writeln!(
            out,
            "{}\t{}\t{}",
            to_ms(segment.start),
            to_ms(segment.end),
            one_line(&segment.text)
        );
    }
    out
}

fn lrc(segments: &[Segment]) -> String {
    let mut out = String::new();
    for segment in segments {
        let hundredths = (segment.start * 100.0).round().max(0.0) as u64;
        let (minutes, seconds) = (hundredths / 6000, hundredths / 100 % 60);
        let _ = writeln!(
            out,
            "[{minutes:02}:{seconds:02}.{:02}]{}",
            hundredths % 100,
            one_line(&segment.text)
        );
    }
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn to_ms(seconds: f64) -> u64 {
    (seconds * 1000.0).round().max(0.0) as u64
}

/// `HH:MM:SS` and milliseconds after `separator`. Hours grow past 99 where they must.
fn clock(seconds: f64, separator: char) -> String {
    let ms = to_ms(seconds);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!(
        "{hours:02}:{minutes:02}:{seconds:02}{separator}{:03}",
        ms % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Coverage, Gap, GapReason, Warning, WarningCode, Word};

    fn segment(id: u32, start: f64, end: f64, text: &str) -> Segment {
        let words = text.split(' ').enumerate().map(|(index, word)| Word {
            word: word.to_owned(),
            start: start + index as f64 * 0.25,
            end: start + index as f64 * 0.25 + 0.2,
            probability: 0.75,
            speaker: None,
        });
        Segment {
            id,
            start,
            end,
            text: text.to_owned(),
            language: None,
            speaker: None,
            avg_logprob: -0.25,
            compression_ratio: 1.5,
            no_speech_prob: 0.5,
            temperature: 0.0,
            tokens: vec![1, 2],
            words: Some(words.collect()),
        }
    }

    fn result() -> JobResult {
        JobResult {
            text: "Hello there. A < B & C 真っ昼間なのに、暗い。".to_owned(),
            language: Some("en".to_owned()),
            languages: Vec::new(),
            language_probability: Some(0.75),
            duration_seconds: 36_005.25,
            model: "base".to_owned(),
            coverage: Some(Coverage {
                speech_seconds: 8.25,
                transcribed_seconds: 6.25,
                gaps: vec![Gap {
                    start: 1.5,
                    end: 3.5,
                    reason: GapReason::NoWords,
                }],
            }),
            warnings: vec![
                Warning::new(WarningCode::Truncated, "cut off"),
                Warning::at(WarningCode::SpeechNotTranscribed, "2.0 s", 1.5, 3.5),
            ],
            speakers: Vec::new(),
            segments: vec![
                segment(0, 0.0, 1.5, "Hello there."),
                segment(1, 3599.9996, 3605.5, "A < B & C"),
                segment(2, 36_000.125, 36_001.25, "真っ昼間なのに、暗い。"),
            ],
        }
    }

    /// The file `snapshots/<name>` holds what is expected, byte for byte.
    fn check(format: Format, layout: Layout, expected: &str) {
        assert_eq!(
            render(&result(), Task::Transcribe, format, layout),
            expected
        );
    }

    #[test]
    fn every_format_is_as_expected() {
        let plain = Layout::default();
        check(Format::Text, plain, include_str!("snapshots/text.txt"));
        check(Format::Srt, plain, include_str!("snapshots/srt.srt"));
        check(Format::Vtt, plain, include_str!("snapshots/vtt.vtt"));
        check(Format::Tsv, plain, include_str!("snapshots/tsv.tsv"));
        check(Format::Lrc, plain, include_str!("snapshots/lrc.lrc"));
        check(
            Format::Json,
            plain,
            include_str!("snapshots/json.json").trim_end(),
        );

        check(
            Format::VerboseJson,
            plain,
            include_str!("snapshots/verbose_json.json").trim_end(),
        );

        let unbroken = Layout {
            max_line_width: Some(0),
            max_line_count: None,
        };
        check(
            Format::Srt,
            unbroken,
            include_str!("snapshots/segments.srt"),
        );

        check(
            Format::Vtt,
            unbroken,
            include_str!("snapshots/segments.vtt"),
        );

        let narrow = Layout {
            max_line_width: Some(10),
            max_line_count: Some(2),
        };
        check(Format::Srt, narrow, include_str!("snapshots/narrow.srt"));

        check(Format::Vtt, narrow, include_str!("snapshots/narrow.vtt"));
    }

    #[test]
    fn verbose_json_has_the_ten_fields_of_a_segment() {
        let json = render(
            &result(),
            Task::Transcribe,
            Format::VerboseJson,
            Layout::default(),
        );
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["language"], "english");
        assert_eq!(json["task"], "transcribe");
        assert_eq!(json["segments"][0].as_object().unwrap().len(), 10);
        assert_eq!(json["words"][0].as_object().unwrap().len(), 3);
        assert_eq!(json["usage"]["seconds"], 36_006);
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
