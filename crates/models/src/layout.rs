//! Laying text out as subtitles: cues of a few lines, broken at spaces and punctuation and never inside a word.
//!
//! Called by the renderings. Width is counted in columns: characters of Chinese, Japanese and Korean take two.

use crate::Segment;

/// How subtitles are laid out. Without a width a segment is one cue of one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Most columns of a line. A longer word gets a line to itself.
    pub max_line_width: Option<u16>,
    /// Most lines of a cue; what does not fit becomes further cues of the segment.
    pub max_line_count: Option<u8>,
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

/// A piece of text that is not broken, and the columns it takes.
struct Atom<'a> {
    text: &'a str,
    columns: usize,
    /// Whether a space stands before it in the text.
    spaced: bool,
}

/// The cues of a transcript, in order.
pub(crate) fn cues(segments: &[Segment], layout: Layout) -> Vec<Cue> {
    let mut cues = Vec::with_capacity(segments.len());
    for segment in segments {
        let text = cue_text(&segment.text);
        if text.is_empty() {
            continue;
        }
        let Some(width) = layout.max_line_width else {
            cues.push(Cue {
                start: segment.start,
                end: segment.end,
                lines: vec![text],
            });
            continue;
        };
        let lines = break_lines(&text, usize::from(width));
        let per_cue = layout
            .max_line_count
            .map_or(lines.len(), usize::from)
            .max(1);
        share_time(segment, &lines, per_cue, &mut cues);
    }
    cues
}

/// A cue ends at an empty line, and `-->` begins a time line: neither may stand in its text.
fn cue_text(text: &str) -> String {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Once more where a dash before it makes another: `--->`.
    while text.contains("-->") {
        text = text.replace("-->", "->");
    }
    text
}

/// Splits a segment's lines into cues. A cue starts when its first word does, if the words' times are known; else the
/// segment's time is shared by the length of the text.
fn share_time(segment: &Segment, lines: &[String], per_cue: usize, cues: &mut Vec<Cue>) {
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    let total: usize = lines.iter().map(|line| letters(line)).sum();
    let mut before = 0;
    let mut start = segment.start;
    let chunks: Vec<_> = lines.chunks(per_cue).collect();
    for (index, chunk) in chunks.iter().enumerate() {
        before += chunk.iter().map(|line| letters(line)).sum::<usize>();
        let end = if index + 1 == chunks.len() {
            segment.end
        } else {
            let shared =
                segment.start + (segment.end - segment.start) * before as f64 / total.max(1) as f64;
            next_word_start(segment, before)
                .unwrap_or(shared)
                .clamp(start, segment.end.max(start))
        };
        cues.push(Cue {
            start,
            end,
            lines: chunk.to_vec(),
        });
        start = end;
    }
}

/// When the word that begins after `letters` letters of the segment is spoken.
fn next_word_start(segment: &Segment, letters: usize) -> Option<f64> {
    let mut passed = 0;
    for word in segment.words.as_deref()? {
        if passed >= letters {
            return Some(word.start);
        }
        passed += word.word.chars().filter(|c| !c.is_whitespace()).count();
    }
    None
}

/// Lines of at most `width` columns. Of the places where a line may end, one after punctuation is taken if the line is
/// then at least half full.
fn break_lines(text: &str, width: usize) -> Vec<String> {
    let atoms = atoms(text);
    let mut lines = Vec::new();
    let mut first = 0;
    while first < atoms.len() {
        let mut columns = 0;
        let mut fits = first;
        let mut pause = None;
        while fits < atoms.len() {
            let space = usize::from(fits > first && atoms[fits].spaced);
            if fits > first && columns + space + atoms[fits].columns > width {
                break;
            }
            columns += space + atoms[fits].columns;
            fits += 1;
            if columns * 2 >= width && atoms[fits - 1].text.ends_with(is_pause) {
                pause = Some(fits);
            }
        }
        let end = if fits == atoms.len() {
            fits
        } else {
            pause.unwrap_or(fits)
        };
        let mut line = String::new();
        for (index, atom) in atoms[first..end].iter().enumerate() {
            if index > 0 && atom.spaced {
                line.push(' ');
            }
            line.push_str(atom.text);
        }
        lines.push(line);
        first = end;
    }
    lines
}

/// Words between spaces; inside them, a wide character may be broken off unless punctuation follows it.
fn atoms(text: &str) -> Vec<Atom<'_>> {
    let mut atoms: Vec<Atom<'_>> = Vec::new();
    for word in text.split(' ') {
        let mut spaced = true;
        let mut start = 0;
        let mut previous: Option<char> = None;
        for (at, c) in word.char_indices() {
            let breakable = previous.is_some_and(|before| {
                (is_wide(before) || is_wide(c)) && !is_closing(c) && !is_opening(before)
            });
            if breakable {
                atoms.push(atom(&word[start..at], spaced));
                (start, spaced) = (at, false);
            }
            previous = Some(c);
        }
        atoms.push(atom(&word[start..], spaced));
    }
    atoms
}

fn atom(text: &str, spaced: bool) -> Atom<'_> {
    Atom {
        text,
        columns: unicode_width::UnicodeWidthStr::width(text),
        spaced,
    }
}

/// Characters of scripts without spaces between words; a line may end after each.
fn is_wide(c: char) -> bool {
    unicode_width::UnicodeWidthChar::width(c) == Some(2)
}

/// Punctuation that a line must not begin with.
fn is_closing(c: char) -> bool {
    matches!(
        c,
        '。' | '、'
            | '，'
            | '．'
            | '！'
            | '？'
            | '：'
            | '；'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
            | '〉'
            | '”'
            | '’'
            | 'ー'
            | '…'
            | '%'
            | '.'
            | ','
            | '!'
            | '?'
            | ':'
            | ';'
            | ')'
            | ']'
            | '}'
    )
}

/// Punctuation that a line must not end with.
fn is_opening(c: char) -> bool {
    matches!(
        c,
        '「' | '『' | '（' | '【' | '《' | '〈' | '“' | '‘' | '(' | '[' | '{'
    )
}

/// Where a reader pauses.
fn is_pause(c: char) -> bool {
    matches!(
        c,
        '.' | ',' | '!' | '?' | ';' | ':' | '。' | '、' | '，' | '！' | '？' | '；' | '：' | '…'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;

    fn check(text: &str, width: usize, expected: &[&str]) {
        let lines = break_lines(text, width);
        assert_eq!(lines, expected);
        let unspaced = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
        assert_eq!(unspaced(&lines.concat()), unspaced(text), "nothing is lost");
    }

    #[test]
    fn no_text_begins_a_time_line() {
        for text in ["-->", "---->", "a\n-->\nb", "<!----->"] {
            assert!(!cue_text(text).contains("-->"), "{text}");
        }
    }

    #[test]
    fn lines_break_at_spaces_and_rather_after_punctuation() {
        check("one two three four", 9, &["one two", "three", "four"]);
        check("Yes, of course we do", 12, &["Yes, of", "course we do"]);
        check(
            "He came, saw and won it all",
            13,
            &["He came,", "saw and won", "it all"],
        );
        check(
            "incomprehensibilities are long",
            10,
            &["incomprehensibilities", "are long"],
        );
        check("short", 20, &["short"]);
    }

    #[test]
    fn wide_characters_take_two_columns_and_keep_their_punctuation() {
        check(
            "真っ昼間なのに、電柱に。",
            10,
            &["真っ昼間な", "のに、", "電柱に。"],
        );
        check(
            "彼は「はい」と言った",
            6,
            &["彼は", "「は", "い」と", "言った"],
        );
    }

    fn segment(text: &str, words: Option<Vec<Word>>) -> Segment {
        Segment {
            id: 0,
            start: 10.0,
            end: 20.0,
            text: text.to_owned(),
            language: None,
            avg_logprob: 0.0,
            compression_ratio: 1.0,
            no_speech_prob: 0.0,
            temperature: 0.0,
            tokens: Vec::new(),
            words,
        }
    }

    fn times(cues: &[Cue]) -> Vec<(f64, f64, usize)> {
        cues.iter()
            .map(|cue| (cue.start, cue.end, cue.lines.len()))
            .collect()
    }

    #[test]
    fn what_does_not_fit_a_cue_becomes_the_next_in_its_own_time() {
        let layout = Layout {
            max_line_width: Some(8),
            max_line_count: Some(2),
        };
        let cues_of = |segment| cues(&[segment], layout);
        let text = "aaaa bbbb cccc dddd eeee";
        assert_eq!(
            times(&cues_of(segment(text, None))),
            [(10.0, 14.0, 2), (14.0, 18.0, 2), (18.0, 20.0, 1)]
        );
        let word = |word: &str, start: f64| Word {
            word: word.to_owned(),
            start,
            end: start + 0.5,
            probability: 1.0,
        };
        let words = ["aaaa", "bbbb", "cccc", "dddd", "eeee"]
            .iter()
            .zip([10.0, 11.0, 12.0, 17.0, 19.0]);
        let words = words.map(|(text, start)| word(text, start)).collect();
        assert_eq!(
            times(&cues_of(segment(text, Some(words)))),
            [(10.0, 12.0, 2), (12.0, 19.0, 2), (19.0, 20.0, 1)]
        );
    }

    #[test]
    fn a_cue_cannot_forge_another() {
        assert_eq!(
            cue_text("a\n\n2\n00:00 --> 00:01\nb"),
            "a 2 00:00 -> 00:01 b"
        );
    }
}
