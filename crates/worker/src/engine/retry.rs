//! What to do when whisper is in distress: it repeats itself, doubts its own words, or finds no end. Knows no whisper: the run
//! itself is a function it is given.
//!
//! A run is repeated with the full context first (a fitted one may be the cause), then over two halves, then at higher
//! temperatures. Every run starts from what no other run has left behind.

use steno_models::{Gap, GapReason, Segment};

use super::repetition::{cut_loops, is_looping, novel};
use super::words::drop_cut_words;
use super::{EngineError, SpanText};

/// Samples of a second.
const SAMPLE_RATE: f64 = 16_000.0;
/// Mean log probability below which words are doubtful. Source: `logprob_threshold` of openai/whisper.
const MIN_AVG_LOGPROB: f32 = -1.0;
/// Above this, doubtful words stand for no speech at all. Source: `no_speech_threshold` of openai/whisper.
const MAX_NO_SPEECH_PROB: f32 = 0.6;
/// Mean log probability below which words are invented: whisper over instrumental music stays below, the worst of 180 real
/// prompts lies at -1.1.
const INVENTED_AVG_LOGPROB: f32 = -1.25;
/// The same for a word or two, whose mean says less: a clear "six" has -1.5, a "you" over music -2 and less.
const INVENTED_SHORT_AVG_LOGPROB: f32 = -1.8;
/// Tokens of "a word or two".
const SHORT_TOKENS: usize = 4;
/// Over music whisper gives a likely word or two the time of the whole span. Speech has more than one token a second.
const SPARSE_SECONDS: f64 = 5.0;
/// Mean log probability below which so few words are not believed.
const SPARSE_AVG_LOGPROB: f32 = -0.8;
/// Tokens of one segment that was cut off by the decoder's limit of 220.
const UNFINISHED_TOKENS: usize = 200;
/// Temperatures of the tries for a half that is still in distress.
const HALF_TEMPERATURES: [f32; 2] = [0.4, 0.8];
/// Halves shorter than this (4 s) are not made.
const MIN_HALF_SAMPLES: usize = 64_000;
/// Sound at the end that is too short for a word beyond the padding: 1 s.
const MIN_REST_SAMPLES: usize = 16_000;
/// Width of the silence that is looked for between halves: 200 ms.
const CUT_SAMPLES: usize = 3_200;

/// How one run is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Try {
    pub(super) temperature: f32,
    pub(super) context: Context,
}

/// How much of its window the encoder looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// The audio and a margin: less work for short audio.
    Fitted,
    /// The whole window of 30 s.
    Full,
}

/// One run over samples.
pub(super) type Run<'a> = &'a mut dyn FnMut(&[f32], Try) -> Result<Vec<Segment>, EngineError>;

/// One pass over samples, which may hear less than all of them.
pub(super) type Pass<'a> = &'a mut dyn FnMut(&[f32]) -> Result<Vec<Segment>, EngineError>;

/// The text of `samples`, from as many runs as it takes. Hallucinated words are dropped, and where they were is noted.
pub(super) fn transcribe(samples: &[f32], temperature: f32, run: Run<'_>) -> Result<SpanText, EngineError> {
    let first = run(samples, Try { temperature, context: Context::Fitted })?;
    if !is_distressed(&first) {
        return Ok(kept(first, temperature));
    }
    let second = run(samples, Try { temperature, context: Context::Full })?;
    let agreed = words(&first) == words(&second);
    if !is_distressed(&second) || (agreed && !is_looping(&second)) {
        return Ok(kept(second, temperature));
    }
    // Doubtful words come of the sound, and no other try makes them better; loops and runaways come of the decoder.
    let whole = better(first, second);
    if !is_runaway(&whole) || samples.len() < 2 * MIN_HALF_SAMPLES {
        return Ok(kept(whole, temperature));
    }
    let cut = quietest(samples);
    let mut halves = half(&samples[..cut], temperature, run)?;
    let later = half(&samples[cut..], temperature, run)?;
    halves.append_after(later, cut as f64 / SAMPLE_RATE);

    // A loop may go on from one half to the other.
    let whole = kept(halves.segments, temperature);
    halves.segments = whole.segments;
    halves.dropped.extend(whole.dropped);
    Ok(halves)
}

/// Whisper may end its text before the sound ends. What is left then is given to it again, until it has heard all.
pub(super) fn to_the_end(samples: &[f32], run: Pass<'_>) -> Result<Vec<Segment>, EngineError> {
    let mut heard = 0;
    let mut segments: Vec<Segment> = Vec::new();
    loop {
        let mut found = run(&samples[heard..])?;
        let end = found.last().map_or(0, |last| (last.end * SAMPLE_RATE) as usize).min(samples.len() - heard);
        shift(&mut found, heard as f64 / SAMPLE_RATE);
        // In what was left over, doubtful words are more likely made up than spoken.
        if segments.is_empty() || avg_logprob(&found.iter().collect::<Vec<_>>()) >= MIN_AVG_LOGPROB {
            segments.append(&mut found);
        }
        heard += end;
        if end < MIN_REST_SAMPLES || samples.len() - heard < MIN_REST_SAMPLES {
            return Ok(segments);
        }
    }
}

/// Half of a span, at rising temperatures until it is sound.
fn half(samples: &[f32], temperature: f32, run: Run<'_>) -> Result<SpanText, EngineError> {
    let mut best = run(samples, Try { temperature, context: Context::Fitted })?;
    for higher in HALF_TEMPERATURES.into_iter().filter(|higher| *higher > temperature) {
        if !is_distressed(&best) {
            break;
        }
        let next = run(samples, Try { temperature: higher, context: Context::Fitted })?;
        best = better(best, next);
    }
    Ok(kept(best, temperature))
}

/// Drops repetition loops and hallucinated text. Where a client asked for a temperature, unlikely words are what it
/// asked for.
fn kept(segments: Vec<Segment>, temperature: f32) -> SpanText {
    let mean = avg_logprob(&novel(&segments));
    let tokens: usize = segments.iter().map(|segment| segment.tokens.len()).sum();
    let floor = if tokens <= SHORT_TOKENS { INVENTED_SHORT_AVG_LOGPROB } else { INVENTED_AVG_LOGPROB };
    if mean < floor && temperature == 0.0 {
        let dropped = segments.iter().map(|segment| gap(segment, GapReason::Hallucination)).collect();
        return SpanText { segments: Vec::new(), dropped };
    }

    let whole = segments.clone();
    let mut segments = cut_loops(segments);
    segments.iter_mut().for_each(drop_cut_words);
    let mut dropped = cut_out(&whole, &segments);

    segments.retain(|segment| match doubt(segment) {
        None => true,
        Some(reason) => {
            dropped.push(gap(segment, reason));
            false
        }
    });
    dropped.sort_by(|a, b| a.start.total_cmp(&b.start));
    SpanText { segments, dropped }
}

/// The segments of `whole` that are not in `left` any more: what a loop repeated.
fn cut_out(whole: &[Segment], left: &[Segment]) -> Vec<Gap> {
    let time = |segment: &Segment| (segment.start.to_bits(), segment.end.to_bits());
    let mut left = left.iter().peekable();
    let mut gaps = Vec::new();
    for segment in whole {
        if left.next_if(|next| time(next) == time(segment)).is_none() {
            gaps.push(gap(segment, GapReason::Repetition));
        }
    }
    gaps
}

fn gap(segment: &Segment, reason: GapReason) -> Gap {
    Gap { start: segment.start, end: segment.end, reason }
}

/// Why a segment is taken for a hallucination, if it is: whisper says so itself, or the words are unlikely and few for
/// their time.
fn doubt(segment: &Segment) -> Option<GapReason> {
    if segment.avg_logprob < MIN_AVG_LOGPROB && segment.no_speech_prob > MAX_NO_SPEECH_PROB {
        return Some(GapReason::NoSpeech);
    }
    let seconds = segment.end - segment.start;
    let is_sparse = seconds > SPARSE_SECONDS && (segment.tokens.len() as f64) < seconds;
    let is_hallucinated = is_sparse && segment.avg_logprob < SPARSE_AVG_LOGPROB;
    is_hallucinated.then_some(GapReason::Hallucination)
}

fn is_distressed(segments: &[Segment]) -> bool {
    is_runaway(segments) || is_doubtful(segments)
}

/// Whether the decoder went round in circles or did not find the end.
fn is_runaway(segments: &[Segment]) -> bool {
    is_looping(segments) || segments.iter().any(|segment| segment.tokens.len() >= UNFINISHED_TOKENS)
}

/// Whether the words are unlikely although there is speech. What a loop repeats grows more likely with each turn: only its
/// first turn counts.
fn is_doubtful(segments: &[Segment]) -> bool {
    let no_speech_prob = segments.first().map_or(0.0, |segment| segment.no_speech_prob);
    no_speech_prob <= MAX_NO_SPEECH_PROB && avg_logprob(&novel(segments)) < MIN_AVG_LOGPROB
}

/// Of two results the one that does not run away, else the likelier one.
fn better(a: Vec<Segment>, b: Vec<Segment>) -> Vec<Segment> {
    let merit = |segments: &[Segment]| (!is_runaway(segments), avg_logprob(&novel(segments)));
    let ((a_sound, a_mean), (b_sound, b_mean)) = (merit(&a), merit(&b));
    if (b_sound, b_mean) > (a_sound, a_mean) { b } else { a }
}

/// Mean over all tokens; 0 for none.
fn avg_logprob(segments: &[&Segment]) -> f32 {
    let tokens: usize = segments.iter().map(|segment| segment.tokens.len()).sum();
    let sum: f32 = segments.iter().map(|segment| segment.avg_logprob * segment.tokens.len() as f32).sum();
    sum / tokens.max(1) as f32
}

fn words(segments: &[Segment]) -> Vec<&str> {
    segments.iter().flat_map(|segment| segment.text.split_whitespace()).collect()
}

impl SpanText {
    /// Appends the text of the samples that begin `seconds` after the first.
    fn append_after(&mut self, mut later: Self, seconds: f64) {
        shift(&mut later.segments, seconds);
        for gap in &mut later.dropped {
            gap.start += seconds;
            gap.end += seconds;
        }
        self.segments.append(&mut later.segments);
        self.dropped.append(&mut later.dropped);
    }
}

fn shift(segments: &mut [Segment], seconds: f64) {
    for segment in segments {
        segment.start += seconds;
        segment.end += seconds;
        for word in segment.words.iter_mut().flatten() {
            word.start += seconds;
            word.end += seconds;
        }
    }
}

/// The middle of the quietest 200 ms in the middle third.
fn quietest(samples: &[f32]) -> usize {
    let energy = |start: usize| samples[start..start + CUT_SAMPLES].iter().map(|s| s * s).sum::<f32>();
    (samples.len() / 3..samples.len() * 2 / 3 - CUT_SAMPLES)
        .step_by(CUT_SAMPLES / 4)
        .min_by(|a, b| energy(*a).total_cmp(&energy(*b)))
        .map_or(samples.len() / 2, |start| start + CUT_SAMPLES / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::text::tests::segment;

    const LOOP: &str = "I'm going to be a little bit more careful.";

    /// Transcribes 20 s of nothing with the results of a script, and yields the texts and the tries that were made.
    fn check(script: &[&[(&str, f32)]], tries: &[(usize, f32, Context)], expected: &[&str]) {
        let samples = vec![0.0; 20 * 16_000];
        let mut made = Vec::new();
        let mut results = script.iter();
        let found = transcribe(&samples, 0.0, &mut |samples, attempt| {
            made.push((samples.len() / 16_000, attempt.temperature, attempt.context));
            let result = results.next().expect("one more run than the script has");
            Ok(result.iter().map(|(text, logprob)| segment(text, *logprob, 0.0)).collect())
        })
        .unwrap();
        let texts: Vec<_> = found.segments.iter().map(|segment| segment.text.as_str()).collect();
        assert_eq!(texts, expected);
        assert_eq!(made, tries);
    }

    #[test]
    fn sound_words_take_one_run() {
        check(&[&[("Ask not.", -0.3)]], &[(20, 0.0, Context::Fitted)], &["Ask not."]);
        check(&[&[]], &[(20, 0.0, Context::Fitted)], &[]);
    }

    #[test]
    fn a_fitted_context_in_distress_is_widened() {
        check(
            &[&[(LOOP, -0.1); 6], &[("Ask not.", -0.3)]],
            &[(20, 0.0, Context::Fitted), (20, 0.0, Context::Full)],
            &["Ask not."],
        );
    }

    #[test]
    fn doubtful_words_on_which_two_runs_agree_are_kept() {
        let doubtful: &[(&str, f32)] = &[("A hard word.", -1.1)];
        check(&[doubtful, doubtful], &[(20, 0.0, Context::Fitted), (20, 0.0, Context::Full)], &["A hard word."]);
    }

    #[test]
    fn words_nobody_spoke_are_dropped() {
        let invented: &[(&str, f32)] = &[("Thank you.", -2.0)];
        check(&[invented, invented], &[(20, 0.0, Context::Fitted), (20, 0.0, Context::Full)], &[]);
    }

    #[test]
    fn unlikely_words_that_a_client_asked_for_are_kept() {
        let unlikely = || vec![segment("A wild guess.", -1.9, 0.0)];
        let found = transcribe(&vec![0.0; 32_000], 0.9, &mut |_, _| Ok(unlikely())).unwrap();
        assert_eq!(found.segments.len(), 1);
    }

    #[test]
    fn dropped_text_is_noted_with_its_time_and_reason() {
        let at = |start: f64, segment: Segment| Segment { start, end: start + 2.0, ..segment };
        let mut said = vec![at(0.0, segment("So we began.", -0.2, 0.0))];
        said.extend((1..8).map(|turn| at(f64::from(turn) * 2.0, segment(LOOP, -0.2, 0.0))));
        said.push(at(16.0, segment("Thank you.", -1.1, 0.9)));

        let found = kept(said, 0.0);

        let texts: Vec<_> = found.segments.iter().map(|segment| segment.text.as_str()).collect();
        assert_eq!(texts, ["So we began.", LOOP]);
        let mut dropped: Vec<_> = found.dropped.iter().map(|gap| (gap.start, gap.end, gap.reason.as_str())).collect();
        assert_eq!(dropped.pop(), Some((16.0, 18.0, "no_speech")));
        let turn = |turn: u8| (f64::from(turn) * 2.0, f64::from(turn) * 2.0 + 2.0, "repetition");
        assert_eq!(dropped, (2..8).map(turn).collect::<Vec<_>>());

        let unlikely = kept(vec![at(4.0, segment("Thank you for watching.", -2.0, 0.0))], 0.0);
        assert_eq!(unlikely.dropped, [Gap { start: 4.0, end: 6.0, reason: GapReason::Hallucination }]);
    }

    #[test]
    fn a_loop_is_split_and_tried_at_higher_temperatures_and_never_said_five_times() {
        let turns: &[(&str, f32)] = &[(LOOP, -0.2); 6];
        check(
            &[turns, turns, &[("The first half.", -0.2)], turns, turns, turns],
            &[
                (20, 0.0, Context::Fitted),
                (20, 0.0, Context::Full),
                (6, 0.0, Context::Fitted),
                (13, 0.0, Context::Fitted),
                (13, 0.4, Context::Fitted),
                (13, 0.8, Context::Fitted),
            ],
            &["The first half.", LOOP],
        );
    }

    #[test]
    fn a_loop_begun_in_doubt_is_dropped_whole() {
        let mut turns = vec![(LOOP, -0.2); 6];
        turns[0].1 = -1.6;
        let nothing: &[(&str, f32)] = &[];
        let turns: &[(&str, f32)] = &turns;
        check(
            &[turns, turns, turns, turns, turns, nothing],
            &[
                (20, 0.0, Context::Fitted),
                (20, 0.0, Context::Full),
                (6, 0.0, Context::Fitted),
                (6, 0.4, Context::Fitted),
                (6, 0.8, Context::Fitted),
                (13, 0.0, Context::Fitted),
            ],
            &[],
        );
    }

    #[test]
    fn sound_after_the_last_word_is_heard_again() {
        let samples = vec![0.0; 20 * 16_000];
        let mut lengths = Vec::new();
        let segments = to_the_end(&samples, &mut |samples| {
            lengths.push(samples.len() / 16_000);
            // Each run hears 9 s at most; what it says of the last two is doubtful.
            let (text, logprob) = if samples.len() > 32_000 { ("words", -0.2) } else { ("you", -1.5) };
            let end = (samples.len() as f64 / 16_000.0).min(9.0);
            Ok(vec![Segment { end, ..segment(text, logprob, 0.0) }])
        })
        .unwrap();
        assert_eq!(lengths, [20, 11, 2]);
        let found: Vec<_> = segments.iter().map(|segment| (segment.text.as_str(), segment.end)).collect();
        assert_eq!(found, [("words", 9.0), ("words", 18.0)]);
    }

    #[test]
    fn a_word_that_lasts_half_a_minute_is_not_believed() {
        let sparse = Segment { end: 25.0, ..segment("Thank you.", -0.9, 0.0) };
        assert_eq!(doubt(&sparse), Some(GapReason::Hallucination));
        assert_eq!(doubt(&Segment { end: 3.0, ..sparse.clone() }), None, "three seconds are not many");
        assert_eq!(doubt(&Segment { avg_logprob: -0.4, ..sparse }), None, "it is not doubtful");
    }

    #[test]
    fn the_cut_lies_in_the_quiet() {
        let mut samples = vec![0.5; 30 * 16_000];
        samples[13 * 16_000..14 * 16_000].fill(0.0);
        assert!((13 * 16_000..14 * 16_000).contains(&quietest(&samples)));
    }
}
