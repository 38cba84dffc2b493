//! How renderings show who speaks. Without speakers they are as they always were.

use std::fmt::Write as _;

use crate::layout::{self, Cue};
use crate::{JobResult, Layout, Segment, separator};

/// A subtitle and who speaks in it.
pub(super) struct VoicedCue<'a> {
    pub(super) speaker: Option<&'a str>,
    pub(super) cue: Cue,
}

/// `A: `, or nothing.
pub(super) fn prefix(speaker: Option<&str>) -> String {
    speaker.map_or_else(String::new, |speaker| format!("{speaker}: "))
}

/// The cues of a transcript. A cue has one speaker, whose name takes its place in the first line.
pub(super) fn cues(segments: &[Segment], layout: Layout) -> Vec<VoicedCue<'_>> {
    let mut cues = Vec::new();
    for own in segments.chunk_by(|left, right| left.speaker == right.speaker) {
        let speaker = own.first().and_then(|segment| segment.speaker.as_deref());
        let name = prefix(speaker).chars().count();
        let found = layout::cues(own, layout.narrower(name as u16));
        cues.extend(found.into_iter().map(|cue| VoicedCue { speaker, cue }));
    }
    cues
}

/// The text; with speakers a line for each turn of one.
pub(super) fn text(result: &JobResult) -> String {
    if result
        .segments
        .iter()
        .all(|segment| segment.speaker.is_none())
    {
        return format!("{}\n", result.text);
    }
    let mut out = String::new();
    for own in result
        .segments
        .chunk_by(|left, right| left.speaker == right.speaker)
    {
        let speaker = own.first().and_then(|segment| segment.speaker.as_deref());
        let mut line = String::new();
        for segment in own {
            line.push_str(separator(&line, &segment.text));
            line.push_str(&segment.text);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}{line}", prefix(speaker));
    }
    out
}

/// `SPEAKER recording 1 start length <NA> <NA> A <NA> <NA>`, in the order of time.
pub(super) fn rttm(result: &JobResult) -> String {
    let mut turns: Vec<(f64, f64, &str)> = result
        .speakers
        .iter()
        .flat_map(|speaker| {
            let turns = speaker.turns.iter();
            turns.map(|turn| (turn.start, turn.end, speaker.speaker.as_str()))
        })
        .collect();
    turns.sort_by(|left, right| left.0.total_cmp(&right.0));

    let mut out = String::new();
    for (start, end, name) in turns {
        let length = end - start;
        let name = name.split_whitespace().collect::<Vec<_>>().join("_");
        let _ = writeln!(
            out,
            "SPEAKER recording 1 {start:.3} {length:.3} <NA> <NA> {name} <NA> <NA>"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::{Format, JobResult, Layout, Segment, Speaker, Task, Turn, render};

    fn check(format: Format, expected: &str) {
        let segment = |start: f64, text: &str, speaker: &str| Segment {
            start,
            end: start + 1.0,
            text: text.to_owned(),
            speaker: Some(speaker.to_owned()),
            ..Segment::default()
        };
        let speaker = |name: &str, start: f64, end: f64| Speaker {
            speaker: name.to_owned(),
            seconds: end - start,
            turns: vec![Turn { start, end }],
        };
        let result = JobResult {
            text: "Hello. Who is there? Me.".to_owned(),
            speakers: vec![speaker("A", 0.0, 2.25), speaker("B", 2.0, 3.0)],
            segments: vec![
                segment(0.0, "Hello.", "A"),
                segment(1.0, "Who is there?", "A"),
                segment(2.0, "Me.", "B"),
            ],
            ..JobResult::default()
        };
        let layout = Layout::default();
        assert_eq!(render(&result, Task::Transcribe, format, layout), expected);
    }

    #[test]
    fn text_has_a_line_for_each_turn() {
        check(Format::Text, "A: Hello. Who is there?\nB: Me.\n");
    }

    #[test]
    fn subtitles_name_their_speaker() {
        check(
            Format::Srt,
            "1\n00:00:00,000 --> 00:00:02,000\nA: Hello. Who is there?\n\n\
             2\n00:00:02,000 --> 00:00:03,000\nB: Me.\n\n",
        );
        check(
            Format::Vtt,
            "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v A>Hello. Who is there?\n\n\
             00:00:02.000 --> 00:00:03.000\n<v B>Me.\n\n",
        );
    }

    #[test]
    fn rttm_has_every_turn() {
        check(
            Format::Rttm,
            "SPEAKER recording 1 0.000 2.250 <NA> <NA> A <NA> <NA>\n\
             SPEAKER recording 1 2.000 1.000 <NA> <NA> B <NA> <NA>\n",
        );
    }
}
