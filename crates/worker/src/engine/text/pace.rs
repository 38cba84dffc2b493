//! Corrects words that are too fast to be spoken: where the attention of the decoder lags behind, one word gets the time
//! of several, and the last of them none. Works on times alone.

use std::ops::Range;

/// Share of the usual time for its letters below which a word's time is corrected.
const TOO_FAST: f64 = 0.5;
/// The same for a group of words whose times are corrected together.
const FAST: f64 = 0.85;
/// Usual seconds per letter.
const USUAL: Range<f64> = 0.04..0.3;

/// Divides the time of words that are too fast, together with neighbours that are too slow, in proportion to their letters. No time is
/// moved across a gap between two words, which is a pause.
pub(super) fn mend(places: &mut [Range<f64>], letters: &[usize]) {
    let Some(pace) = usual_pace(places, letters) else {
        return;
    };
    let expected = |words: Range<usize>| {
        pace * letters[words]
            .iter()
            .map(|count| (*count).max(1))
            .sum::<usize>() as f64
    };

    for word in 0..places.len() {
        if length(&places[word]) >= TOO_FAST * expected(word..word + 1) {
            continue;
        }
        let mut window = word..word + 1;
        while length(&(places[window.start].start..places[window.end - 1].end))
            < FAST * expected(window.clone())
        {
            let touches =
                |at: usize| at > 0 && at < places.len() && places[at].start <= places[at - 1].end;
            // Attention lags: the time that a word lacks went to the words before it.
            if touches(window.start) {
                window.start -= 1;
            } else if touches(window.end) {
                window.end += 1;
            } else {
                break;
            }
        }
        divide(&mut places[window.clone()], &letters[window]);
    }
}

/// The median of the seconds a letter takes.
fn usual_pace(places: &[Range<f64>], letters: &[usize]) -> Option<f64> {
    let mut seconds: Vec<f64> = places
        .iter()
        .zip(letters)
        .map(|(place, count)| length(place) / (*count).max(1) as f64)
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds
        .get(seconds.len() / 2)
        .map(|median| median.clamp(USUAL.start, USUAL.end))
}

fn length(place: &Range<f64>) -> f64 {
    place.end - place.start
}

/// Divides the time of words that follow each other by their letters.
pub(super) fn divide(places: &mut [Range<f64>], letters: &[usize]) {
    let (Some(first), Some(last)) = (places.first(), places.last()) else {
        return;
    };
    let (begin, whole) = (first.start, last.end - first.start);
    let total: usize = letters.iter().map(|count| (*count).max(1)).sum();
    let mut passed = 0;
    let mut start = begin;
    for (place, count) in places.iter_mut().zip(letters) {
        passed += (*count).max(1);
        let end = begin + whole * passed as f64 / total as f64;
        *place = start..end;
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(places: &[(f64, f64)], letters: &[usize], expected: &[(f64, f64)]) {
        let mut mended: Vec<_> = places.iter().map(|(start, end)| *start..*end).collect();
        mend(&mut mended, letters);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        let same = mended
            .iter()
            .zip(expected)
            .all(|(a, b)| close(a.start, b.0) && close(a.end, b.1));
        assert!(same, "{mended:?}");
    }

    #[test]
    fn a_word_without_time_gets_that_of_those_before_it() {
        check(
            &[(0.0, 0.4), (0.4, 1.2), (1.2, 1.6), (1.6, 1.6), (1.6, 2.0)],
            &[4, 4, 4, 4, 4],
            &[(0.0, 0.4), (0.4, 0.8), (0.8, 1.2), (1.2, 1.6), (1.6, 2.0)],
        );
    }

    #[test]
    fn time_is_not_taken_over_a_pause() {
        let apart = [(0.0, 0.4), (0.4, 0.8), (0.8, 1.6), (2.0, 2.0), (2.0, 2.4)];
        let mended = [(0.0, 0.4), (0.4, 0.8), (0.8, 1.6), (2.0, 2.2), (2.2, 2.4)];
        check(&apart, &[4, 4, 4, 4, 4], &mended);
    }

    #[test]
    fn words_at_an_even_pace_stay() {
        let even = [(0.0, 0.3), (0.3, 0.9), (0.9, 1.1)];
        check(&even, &[4, 8, 3], &even);
        check(&[], &[], &[]);
    }
}
