//! Lays a transcript out as subtitles that people can read: cues of a few short lines, cut where the speech pauses.
//!
//! Called by the renderings. Width is counted in columns: characters of Chinese, Japanese and Korean take two.

mod cues;
mod lines;
mod pieces;

use crate::Segment;

/// Columns of a line where the request names none.
const DEFAULT_LINE_WIDTH: u16 = 42;
/// Lines of a cue where the request names none.
const DEFAULT_LINE_COUNT: u8 = 2;

/// How subtitles are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Most columns of a line; `None` is 42. A longer word gets a line to itself. 0 makes every segment one cue of one line.
    pub max_line_width: Option<u16>,
    /// Most lines of a cue; `None` is 2.
    pub max_line_count: Option<u8>,
}

impl Layout {
    /// Leaves room for so many columns in every line.
    pub(crate) fn narrower(self, columns: u16) -> Self {
        match self.max_line_width.unwrap_or(DEFAULT_LINE_WIDTH) {
            // A segment is one line, however long.
            0 => self,
            _ if columns == 0 => self,
            width => Self {
                max_line_width: Some(width.saturating_sub(columns).max(1)),
                ..self
            },
        }
    }
}

/// A subtitle: text that is shown from `start` to `end`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cue {
    /// Seconds from the start of the recording.
    pub(crate) start: f64,
    /// Seconds from the start of the recording.
    pub(crate) end: f64,
    /// Without empty lines.
    pub(crate) lines: Vec<String>,
}

/// The cues of a transcript, in order.
pub(crate) fn cues(segments: &[Segment], layout: Layout) -> Vec<Cue> {
    let width = layout.max_line_width.unwrap_or(DEFAULT_LINE_WIDTH);
    let count = layout.max_line_count.unwrap_or(DEFAULT_LINE_COUNT);
    if width == 0 {
        return segment_cues(segments);
    }

    let size = cues::Size {
        columns: usize::from(width),
        lines: usize::from(count.max(1)),
    };
    cues::cut(&pieces::of(segments, size.columns), size)
}

/// One cue for each segment, on one line.
fn segment_cues(segments: &[Segment]) -> Vec<Cue> {
    segments
        .iter()
        .map(|segment| Cue {
            start: segment.start,
            end: segment.end,
            lines: vec![cue_text(&segment.text)],
        })
        .filter(|cue| !cue.lines[0].is_empty())
        .collect()
}

/// A cue ends at an empty line, and `-->` begins a time line: neither may stand in its text.
pub(crate) fn cue_text(text: &str) -> String {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Again, because a dash before it makes another: `--->`.
    while text.contains("-->") {
        text = text.replace("-->", "->");
    }
    text
}

#[cfg(test)]
mod tests;
