//! Cuts a segment into parts: where the speaker changes, or where another channel speaks in between.

use crate::{Segment, Word};

/// Cuts a segment into one part for each group of its words. No group is empty. Their tokens are
/// not known.
pub(crate) fn cut(segment: &Segment, groups: Vec<Vec<Word>>) -> Vec<Segment> {
    let texts = texts(&segment.text, &groups);
    let parts = groups.into_iter().zip(texts);
    parts
        .map(|(words, text)| Segment {
            start: words.first().map_or(segment.start, |word| word.start),
            end: words.last().map_or(segment.end, |word| word.end),
            text,
            tokens: Vec::new(),
            words: Some(words),
            ..segment.clone()
        })
        .collect()
}

/// The text of each part. It ends where the first word of the next part starts, so that spacing is unchanged.
fn texts(text: &str, groups: &[Vec<Word>]) -> Vec<String> {
    let mut starts = Vec::new();
    let mut from = 0;
    for words in groups {
        let mut start = None;
        for word in words {
            let place = text[from..].find(&word.word).map_or(from, |at| from + at);
            start = start.or(Some(place));
            from = (place + word.word.len()).min(text.len());
            while !text.is_char_boundary(from) {
                from += 1;
            }
        }
        starts.push(start.unwrap_or(from));
    }

    if let Some(first) = starts.first_mut() {
        *first = 0;
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let cuts = starts.iter().zip(ends);
    cuts.map(|(start, end)| text[*start..end].trim().to_owned())
        .collect()
}
