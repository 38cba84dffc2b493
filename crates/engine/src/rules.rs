//! Which token may come next: Whisper's rules for timestamps and suppressed tokens, as `whisper_process_logits` of
//! whisper.cpp applies them.

use rten_simd::SimdOp as _;
use rten_vecmath::MaxNum;

use crate::kernels::exponential_sum;
use crate::vocabulary::{Token, Vocabulary};

/// The first timestamp is at most this many steps of 0.02 s: 1 s.
const LATEST_FIRST: Token = 50;

/// What the rules need to know of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The last token.
    pub(crate) last: Option<Token>,
    /// The one before it.
    pub(crate) before_last: Option<Token>,
    /// The last timestamp that is later than 0.
    pub(crate) timestamp: Option<Token>,
}

/// The probabilities of the tokens that may come next.
pub(crate) struct Next<'a> {
    /// Minus infinity where a token may not come.
    pub(crate) logits: &'a [f32],
    /// What turns a logit into the logarithm of a probability.
    log_sum: f32,
}

impl Next<'_> {
    pub(crate) fn logprob(&self, token: Token) -> f32 {
        self.logits[token as usize] - self.log_sum
    }
}

impl Place {
    pub(crate) fn advance(&mut self, token: Token, vocabulary: &Vocabulary) {
        self.before_last = self.last.replace(token);
        if token > vocabulary.special().first_timestamp {
            self.timestamp = Some(token);
        }
    }
}

/// Applies the rules to the logits that follow a text.
pub(crate) fn restrict<'a>(
    logits: &'a mut [f32],
    place: Place,
    temperature: f32,
    vocabulary: &Vocabulary,
) -> Next<'a> {
    let special = vocabulary.special();
    let first_timestamp = special.first_timestamp as usize;
    if temperature > 0.0 {
        for logit in &mut *logits {
            *logit /= temperature;
        }
    }

    for token in vocabulary.suppressed() {
        forbid(&mut logits[*token as usize..=*token as usize]);
    }
    let is_timestamp = |token: Token| token >= special.first_timestamp;
    match place.last {
        None => {
            forbid(&mut logits[special.end as usize..=special.end as usize]);
            if let Some(space) = vocabulary.space() {
                forbid(&mut logits[space as usize..=space as usize]);
            }
            let latest = first_timestamp + LATEST_FIRST as usize;
            forbid(&mut logits[latest + 1..]);
        }
        // Timestamps come in pairs, but for the first and the last.
        Some(last) if is_timestamp(last) => {
            if place.before_last.is_none_or(is_timestamp) {
                forbid(&mut logits[first_timestamp..]);
            } else {
                forbid(&mut logits[..special.end as usize]);
            }
        }
        Some(_) => {}
    }
    if let Some(timestamp) = place.timestamp {
        forbid(&mut logits[first_timestamp..timestamp as usize]);
    }

    let (text, timestamps) = logits.split_at(first_timestamp);
    let best_text = largest(text);
    let best_timestamp = largest(timestamps);
    let best = best_text.max(best_timestamp);
    let text_sum = exponential_sum(text, best);
    let timestamp_sum = exponential_sum(timestamps, best);
    let log_sum = (text_sum + timestamp_sum).ln() + best;
    // Where timestamps are likelier together than any other token, one of them comes.
    if timestamp_sum > 0.0 && timestamp_sum.ln() + best > best_text {
        forbid(&mut logits[..first_timestamp]);
    }
    Next { logits, log_sum }
}

/// Probabilities of some tokens among themselves.
pub(crate) fn softmax(logits: &[f32]) -> Vec<f32> {
    let best = largest(logits);
    let sum = exponential_sum(logits, best);
    logits
        .iter()
        .map(|logit| (logit - best).exp() / sum)
        .collect()
}

fn forbid(logits: &mut [f32]) {
    logits.fill(f32::NEG_INFINITY);
}

/// The largest of some logits.
pub(crate) fn largest(logits: &[f32]) -> f32 {
    MaxNum::new(logits).dispatch()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(vec![b" ".to_vec(), b"a".to_vec(), b"(".to_vec()], 51_865)
    }

    /// The tokens that may follow a text, of some that are all equally likely.
    fn check(text: &[Token], among: &[Token], expected: &[Token]) {
        let vocabulary = vocabulary();
        let mut place = Place::default();
        for token in text {
            place.advance(*token, &vocabulary);
        }
        let mut logits = vec![-50.0; vocabulary.size()];
        for token in among {
            logits[*token as usize] = 1.0;
        }
        let next = restrict(&mut logits, place, 0.0, &vocabulary);
        let allowed = among
            .iter()
            .filter(|token| next.logprob(**token).is_finite());
        assert_eq!(allowed.copied().collect::<Vec<_>>(), expected);
    }

    const END: Token = 50_257;
    const ZERO: Token = 50_364;

    #[test]
    fn a_text_does_not_begin_with_its_end_or_a_space_or_a_late_timestamp() {
        check(&[], &[0, 1, END], &[1]);
        check(&[], &[ZERO + 50, ZERO + 51], &[ZERO + 50]);
    }

    #[test]
    fn brackets_and_special_tokens_never_come() {
        check(&[ZERO], &[1, 2, 50_258, 50_300, 50_363], &[1]);
    }

    #[test]
    fn timestamps_come_in_pairs() {
        check(&[ZERO], &[1, ZERO + 10], &[1]);
        check(
            &[ZERO, 1, ZERO + 10],
            &[1, END, ZERO + 10],
            &[END, ZERO + 10],
        );
        check(&[ZERO, 1, ZERO + 10, ZERO + 10], &[1, ZERO + 20], &[1]);
    }

    #[test]
    fn timestamps_do_not_go_back() {
        check(
            &[ZERO, 1, ZERO + 10, ZERO + 12, 1],
            &[ZERO + 11, ZERO + 12],
            &[ZERO + 12],
        );
    }

    #[test]
    fn timestamps_that_are_likely_together_win() {
        check(&[ZERO, 1], &[1, ZERO + 10], &[1, ZERO + 10]);
        check(
            &[ZERO, 1],
            &[1, ZERO + 10, ZERO + 11],
            &[ZERO + 10, ZERO + 11],
        );
    }
}
