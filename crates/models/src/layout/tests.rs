//! What cues look like, and that nothing of the text is lost.

use super::*;
use crate::Word;

/// A segment from 10 s on. Each word is spoken for 0.3 s after a silence, given in tenths of a second: `hello|2`.
fn spoken(text: &str) -> Segment {
    let mut at = 10.0;
    let mut words = Vec::new();
    for word in text.split(' ') {
        let (word, silence) = word.split_once('|').unwrap_or((word, "0"));
        let start = at + silence.parse::<f64>().unwrap() / 10.0;
        at = start + 0.3;
        words.push(Word {
            word: word.to_owned(),
            start,
            end: at,
            probability: 1.0,
            speaker: None,
        });
    }
    let text: Vec<_> = words.iter().map(|word| word.word.clone()).collect();
    Segment {
        start: words[0].start,
        end: at,
        text: text.join(" "),
        words: Some(words),
        ..Segment::default()
    }
}

/// The same as an engine gives it that was not asked for words.
fn untimed(text: &str, end: f64) -> Segment {
    Segment {
        start: 10.0,
        end,
        text: text.to_owned(),
        ..Segment::default()
    }
}

/// Lines are joined by ` / `.
fn check(segments: &[Segment], layout: Layout, expected: &[&str]) {
    let cues = cues(segments, layout);
    let shown: Vec<_> = cues.iter().map(|cue| cue.lines.join(" / ")).collect();
    assert_eq!(shown, expected);

    let unspaced = |text: &str| {
        text.chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
    };
    let texts: String = segments
        .iter()
        .map(|segment| unspaced(&segment.text))
        .collect();
    let lines: String = cues
        .iter()
        .flat_map(|cue| &cue.lines)
        .map(|line| unspaced(line))
        .collect();
    assert_eq!(lines, texts, "nothing is lost");

    for pair in cues.windows(2) {
        assert!(
            pair[1].start - pair[0].end > 0.0839,
            "{pair:?} lie too close"
        );
    }
    for cue in &cues {
        assert!(
            cue.end > cue.start && cue.end - cue.start < 7.001,
            "{cue:?}"
        );
    }
}

fn narrow(width: u16, lines: u8) -> Layout {
    Layout {
        max_line_width: Some(width),
        max_line_count: Some(lines),
    }
}

#[test]
fn cues_end_with_sentences() {
    let text =
        "We went to the sea in May. It rained on every day that we were there. Nobody minded.";
    check(
        &[spoken(text)],
        Layout::default(),
        &[
            "We went to the sea in May.",
            "It rained on every day that / we were there. Nobody minded.",
        ],
    );
}

#[test]
fn a_long_sentence_is_cut_at_its_clauses() {
    let text = "When the committee had read the whole of the report, which took most of the afternoon, the chairman thanked \
                its authors.";
    check(
        &[spoken(text)],
        Layout::default(),
        &[
            "When the committee had read / the whole of the report,",
            "which took most of the afternoon, / the chairman thanked its authors.",
        ],
    );
}

#[test]
fn without_punctuation_cues_end_where_the_speaker_pauses() {
    let text = "so the first thing that you want to do|0 is|8 take the whole engine out and put it down on the bench";
    check(
        &[spoken(text)],
        Layout::default(),
        &[
            "so the first thing that you want to do",
            "is take the whole engine out / and put it down on the bench",
        ],
    );
}

#[test]
fn a_word_that_is_left_over_joins_its_sentence_across_segments() {
    let mut first = spoken("And that is what we agreed on the other");
    let mut second = spoken("day. Then everyone went home.");
    for word in second.words.iter_mut().flatten() {
        word.start += 2.7;
        word.end += 2.7;
    }
    second.start += 2.7;
    second.end += 2.7;
    first.end = 12.7;
    check(
        &[first, second],
        Layout::default(),
        &["And that is what we agreed on the / other day. Then everyone went home."],
    );
}

#[test]
fn a_long_silence_ends_a_cue() {
    check(
        &[spoken("Well, I|20 do not know.")],
        Layout::default(),
        &["Well,", "I do not know."],
    );
}

#[test]
fn a_short_sentence_stays_until_it_can_be_read() {
    let cues = cues(&[spoken("Yes. No|30 more.")], Layout::default());
    assert_eq!((cues[0].start, cues[0].end), (10.0, 11.0));

    // 40 columns take two seconds, and are spoken in half a second.
    let text = "Incomprehensibilities internationalisation";
    let cues = super::cues(&[spoken(text)], Layout::default());
    assert!((cues[0].end - cues[0].start - 2.1).abs() < 0.01, "{cues:?}");
}

#[test]
fn without_word_times_the_time_is_shared_by_letters() {
    let layout = narrow(8, 2);
    let text = "aaaa bbbb cccc dddd eeee";
    let found: Vec<_> = cues(&[untimed(text, 20.0)], layout)
        .iter()
        .map(|cue| (cue.start, cue.end, cue.lines.len()))
        .collect();
    assert_eq!(
        found,
        [(10.0, 11.916, 1), (12.0, 15.916, 2), (16.0, 20.0, 2)]
    );
}

#[test]
fn an_edited_segment_keeps_the_times_of_its_words() {
    let mut segment = spoken("There is a house. On|40 a hill.");
    segment.text = "There is a big house. On a hill.".to_owned();
    let cues = cues(&[segment], Layout::default());
    assert_eq!(cues.len(), 2, "{cues:?}");
    assert!((cues[1].start - 15.2).abs() < 0.01, "{cues:?}");
}

#[test]
fn lines_are_balanced_and_rather_end_after_punctuation() {
    let lines = |text: &str, width| {
        cues(&[untimed(text, 14.0)], narrow(width, 10))[0]
            .lines
            .join(" / ")
    };
    assert_eq!(lines("one two three four", 9), "one two / three / four");
    assert_eq!(
        lines("He came, saw and won it all", 16),
        "He came, saw / and won it all"
    );
    assert_eq!(lines("short", 20), "short");
    assert_eq!(
        lines("incomprehensibilities are long", 10),
        "incomprehensibilities / are long"
    );
}

#[test]
fn wide_characters_take_two_columns_and_keep_their_punctuation() {
    check(
        &[untimed("真っ昼間なのに、電柱に。", 14.0)],
        narrow(10, 3),
        &["真っ昼間 / なのに、 / 電柱に。"],
    );
    let cues = cues(&[untimed("彼は「はい」と言った", 14.0)], narrow(8, 9));
    for line in &cues[0].lines {
        assert!(
            !line.starts_with(['」', '。']) && !line.ends_with('「'),
            "{line}"
        );
    }
}

#[test]
fn a_script_without_spaces_is_broken_where_it_is_longer_than_a_line() {
    let text = "ฉันไปตลาดกับเพื่อนของฉันเมื่อวานนี้และเราซื้อผลไม้มากมายสำหรับครอบครัวของเรา";
    for cue in cues(&[untimed(text, 16.0)], Layout::default()) {
        for line in cue.lines {
            assert!(
                unicode_width::UnicodeWidthStr::width(line.as_str()) <= 42,
                "{line}"
            );
        }
    }
}

#[test]
fn width_0_makes_each_segment_one_cue_of_one_line() {
    let long =
        "A segment that is a good deal longer than one line of forty-two columns can be. And more.";
    let layout = Layout {
        max_line_width: Some(0),
        max_line_count: None,
    };
    let found = cues(&[untimed(long, 25.0), untimed(" ", 26.0)], layout);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lines, [long]);
    assert_eq!((found[0].start, found[0].end), (10.0, 25.0));
}

#[test]
fn times_stay_in_order_where_segments_overlap() {
    let first = untimed("One sentence that takes some time.", 20.0);
    let mut second = untimed("Another one that begins before.", 18.0);
    second.start = 9.0;
    let found = cues(&[first, second], Layout::default());
    for pair in found.windows(2) {
        assert!(pair[1].start > pair[0].end, "{found:?}");
    }
}

#[test]
fn no_text_begins_a_time_line() {
    for text in ["-->", "---->", "a\n-->\nb", "<!----->"] {
        assert!(!cue_text(text).contains("-->"), "{text}");
    }
    assert_eq!(
        cue_text("a\n\n2\n00:00 --> 00:01\nb"),
        "a 2 00:00 -> 00:01 b"
    );
}

#[test]
fn a_text_without_pauses_is_laid_out_in_time_that_grows_with_its_length() {
    // Widest and longest cues, and all words at once: nothing but the size ends a cue.
    let text = "a ".repeat(20_000);
    let cues = cues(&[untimed(&text, 10.0)], narrow(200, 10));
    assert!(cues.len() >= 20_000 / 1000, "{}", cues.len());
}
