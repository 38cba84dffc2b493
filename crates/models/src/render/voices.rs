//! How renderings show who speaks. Without speakers they are as they always were.

use std::fmt::Write as _;

use crate::layout::{self, Cue};
use crate::speakers::MAX_NAME_CHARS;
use crate::{JobResult, Layout, Segment, separator};

/// A subtitle and who speaks in it.
pub(super) struct VoicedCue {
    /// As [`shown_name`] gives it.
    pub(super) speaker: Option<String>,
    pub(super) cue: Cue,
}

/// The name of who speaks in segments of one speaker, as renderings may show it: short, on one line and without `-->`,
/// because `POST /render` takes any name.
fn shown_name(segments: &[Segment]) -> Option<String> {
    let name = segments.first()?.speaker.as_deref()?;
    clean(name)
}

/// `None` if nothing is left of it.
fn clean(name: &str) -> Option<String> {
    let printable = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = printable.take(MAX_NAME_CHARS).collect();
    Some(layout::cue_text(&short)).filter(|name| !name.is_empty())
}

/// `A: `, or nothing.
pub(super) fn prefix(speaker: Option<&str>) -> String {
    speaker.map_or_else(String::new, |speaker| format!("{speaker}: "))
}

/// The cues of a transcript. A cue has one speaker, whose name takes its place in the first line.
pub(super) fn cues(segments: &[Segment], layout: Layout) -> Vec<VoicedCue> {
    let mut cues = Vec::new();
    for own in segments.chunk_by(|left, right| left.speaker == right.speaker) {
        let speaker = shown_name(own);
        let name = prefix(speaker.as_deref()).chars().count();
        let found = layout::cues(own, layout.narrower(name as u16));
        let voiced = found.into_iter().map(|cue| VoicedCue {
            speaker: speaker.clone(),
            cue,
        });
        cues.extend(voiced);
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
        let speaker = shown_name(own);
        let mut line = String::new();
        for segment in own {
            line.push_str(separator(&line, &segment.text));
            line.push_str(&segment.text);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}{line}", prefix(speaker.as_deref()));
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
        let name = clean(name).unwrap_or_else(|| "<NA>".to_owned());
        let name = name.replace(' ', "_");
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
        check_names("A", "B", format, expected);
    }

    fn check_names(first: &str, second: &str, format: Format, expected: &str) {
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
            speakers: vec![speaker(first, 0.0, 2.25), speaker(second, 2.0, 3.0)],
            segments: vec![
                segment(0.0, "Hello.", first),
                segment(1.0, "Who is there?", first),
                segment(2.0, "Me.", second),
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

    #[test]
    fn no_name_breaks_a_format() {
        let hostile = "Ann\r\n\n1 --> <b>&\u{2028}\0";
        let blank = " \n\t";
        check_names(
            hostile,
            blank,
            Format::Srt,
            "1\n00:00:00,000 --> 00:00:02,000\n\
             Ann 1 -> <b>&: Hello. Who is there?\n\n\
             2\n00:00:02,000 --> 00:00:03,000\nMe.\n\n",
        );
        check_names(
            hostile,
            blank,
            Format::Vtt,
            "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n\
             <v Ann 1 -&gt; &lt;b&gt;&amp;>Hello. Who is there?\n\n\
             00:00:02.000 --> 00:00:03.000\nMe.\n\n",
        );
        check_names(
            hostile,
            blank,
            Format::Text,
            "Ann 1 -> <b>&: Hello. Who is there?\nMe.\n",
        );
        check_names(
            hostile,
            blank,
            Format::Rttm,
            "SPEAKER recording 1 0.000 2.250 <NA> <NA> Ann_1_->_<b>& <NA> <NA>\n\
             SPEAKER recording 1 2.000 1.000 <NA> <NA> <NA> <NA> <NA>\n",
        );
    }

    #[test]
    fn a_long_name_does_not_fill_every_subtitle() {
        let long = "x".repeat(100_000);
        let shown = "x".repeat(64);
        let expected = format!("{shown}: Hello. Who is there?\nB: Me.\n");
        check_names(&long, "B", Format::Text, &expected);
    }
}
