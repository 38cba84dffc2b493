//! Arbitrary transcripts in every format and layout: each rendering is valid in its format.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use steno_models::{Format, JobResult, Layout, Segment, Task, Word, render};

#[derive(Arbitrary, Debug)]
struct Input {
    segments: Vec<(String, u32, u16, Vec<(String, u16)>)>,
    max_line_width: Option<u16>,
    max_line_count: Option<u8>,
}

fn segment((text, start_ms, length_ms, words): (String, u32, u16, Vec<(String, u16)>)) -> Segment {
    let start = f64::from(start_ms) / 1000.0;
    let words = words.into_iter().map(|(word, at_ms)| {
        let start = start + f64::from(at_ms) / 1000.0;
        Word {
            word,
            start,
            end: start + 0.1,
            probability: 0.5,
        }
    });
    let words: Vec<_> = words.collect();
    Segment {
        start,
        end: start + f64::from(length_ms) / 1000.0,
        text,
        avg_logprob: -0.5,
        compression_ratio: 1.0,
        words: (!words.is_empty()).then_some(words),
        ..Segment::default()
    }
}

/// `a --> b` with ordered times, in a separate block.
fn check_cues(text: &str) {
    for line in text.lines().filter(|line| line.contains("-->")) {
        let (start, end) = line.split_once(" --> ").expect("a time line is two times");
        assert!(start.len() >= 9 && end.len() >= 9, "{line}");
        assert!(
            start
                .bytes()
                .chain(end.bytes())
                .all(|byte| byte.is_ascii_digit() || b":.,".contains(&byte)),
            "{line}"
        );
    }
}

fuzz_target!(|input: Input| {
    let layout = Layout {
        max_line_width: input.max_line_width,
        max_line_count: input.max_line_count,
    };
    let segments: Vec<_> = input.segments.into_iter().map(segment).collect();
    let text = segments
        .iter()
        .map(|segment| segment.text.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    let result = JobResult {
        text,
        language: Some("en".to_owned()),
        duration_seconds: 1.0,
        model: "base".to_owned(),
        segments,
        ..JobResult::default()
    };
    for name in ["json", "verbose_json", "text", "srt", "vtt", "tsv", "lrc"] {
        let format = Format::from_name(name).expect(name);
        let rendered = render(&result, Task::Transcribe, format, layout);
        match name {
            "json" | "verbose_json" => {
                drop(serde_json::from_str::<serde_json::Value>(&rendered).unwrap())
            }
            "srt" => check_cues(&rendered),
            "vtt" => {
                assert!(rendered.starts_with("WEBVTT"));
                check_cues(&rendered);
            }
            "tsv" => assert!(
                rendered.lines().all(|line| line.split('\t').count() == 3),
                "{rendered}"
            ),
            _ => {}
        }
    }
});
