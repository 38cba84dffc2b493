//! Tests of the plan over given speech probabilities.

use super::*;

/// Plans `probabilities` after checking what must hold for every plan.
fn check(probabilities: &[u8], partial_samples: u64) -> Vec<Span> {
    check_frames(
        &Frames {
            levels: vec![0; probabilities.len()],
            probabilities: probabilities.to_vec(),
        },
        partial_samples,
    )
}

fn check_frames(frames: &Frames, partial_samples: u64) -> Vec<Span> {
    let total = (frames.probabilities.len() * FRAME_SAMPLES) as u64 - partial_samples;
    let spans = plan(frames, total);
    assert!(is_plan(&spans, total), "{spans:?}");

    let stretches: Vec<Stretch> = spans
        .iter()
        .flat_map(|span| span.stretches.iter().copied())
        .collect();
    for frame in regions(&frames.probabilities).into_iter().flatten() {
        let sample = (frame * FRAME_SAMPLES) as u64;
        let covered = stretches
            .iter()
            .any(|found| (found.start_sample..found.end_sample).contains(&sample));
        assert!(covered, "speech at frame {frame} is in no span");
    }
    assert_eq!(spans, plan(frames, total));
    spans
}

fn seconds(value: f64) -> usize {
    (value * 31.25).round() as usize
}

/// Speech and pauses in turn, each given by its length in seconds, speech first.
fn talk(turns: &[f64]) -> Vec<u8> {
    let turn = |(index, &length): (usize, &f64)| {
        vec![if index % 2 == 0 { 250 } else { 3 }; seconds(length)]
    };
    turns.iter().enumerate().flat_map(turn).collect()
}

/// [`talk`] whose pauses are sound of the level `pause`.
fn talk_over(turns: &[f64], pause: u8) -> Frames {
    let mut probabilities = talk(turns);
    let mut levels: Vec<u8> = probabilities
        .iter()
        .map(|p| if *p > 128 { 60 } else { pause })
        .collect();
    // Enough of the background for it to be known.
    probabilities.extend(vec![3; probabilities.len()]);
    levels.resize(probabilities.len(), 20);
    Frames {
        probabilities,
        levels,
    }
}

#[test]
fn silence_has_no_spans() {
    assert!(check(&[0; 1000], 0).is_empty());
    assert!(plan(&Frames::default(), 0).is_empty());
}

#[test]
fn speech_is_padded_within_the_recording() {
    let spans = check(&talk(&[0.0, 2.0, 1.0, 2.0]), 0);
    let start = ((seconds(2.0) - PAD_FRAMES) * FRAME_SAMPLES) as u64;
    let end = ((seconds(3.0) + PAD_FRAMES) * FRAME_SAMPLES) as u64;
    let [
        Span {
            stretches,
            doubtful: false,
        },
    ] = spans.as_slice()
    else {
        panic!("{spans:?}")
    };
    assert_eq!(stretches.len(), 1);
    assert!(
        stretches[0].start_sample.abs_diff(start) <= 1024
            && stretches[0].end_sample.abs_diff(end) <= 1024
    );

    let whole = check(&[255; 100], 100);
    assert_eq!(whole, [Span::whole(0, 51_100)]);
}

#[test]
fn short_pauses_are_bridged_and_long_ones_are_not() {
    assert_eq!(check(&talk(&[3.0, 1.0, 3.0, 2.0, 3.0]), 0).len(), 1);
    assert_eq!(check(&talk(&[3.0, 8.0, 3.0]), 0).len(), 2);
}

#[test]
fn a_bridged_pause_is_left_out() {
    let spans = check(&talk(&[3.0, 0.75, 3.0, 2.0, 3.0]), 0);
    let [Span { stretches, .. }] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(
        stretches.len(),
        2,
        "three quarters of a second are kept, two seconds are not: {stretches:?}"
    );
    let gap = (stretches[1].start_sample - stretches[0].end_sample) as f64 / 16_000.0;
    assert!(
        (1.1..1.25).contains(&gap),
        "of two seconds 0.4 are kept on either side, not {gap}"
    );
}

#[test]
fn sound_in_a_bridged_pause_is_kept() {
    let spans = check_frames(&talk_over(&[3.0, 4.0, 3.0], 50), 0);
    let [
        Span {
            stretches,
            doubtful: false,
        },
    ] = spans.as_slice()
    else {
        panic!("{spans:?}")
    };
    assert_eq!(stretches.len(), 1);
}

#[test]
fn sound_in_a_long_pause_is_a_doubtful_span() {
    let spans = check_frames(&talk_over(&[3.0, 9.0, 3.0], 50), 0);
    let doubtful: Vec<_> = spans.iter().map(|span| span.doubtful).collect();
    assert_eq!(doubtful, [false, true, false]);
    assert_eq!(
        spans[0].stretches[0].end_sample,
        spans[1].stretches[0].start_sample
    );
    assert_eq!(
        spans[1].stretches[0].end_sample,
        spans[2].stretches[0].start_sample
    );
}

#[test]
fn a_short_sound_that_is_hardly_speech_is_doubtful() {
    for (length, probability, doubtful) in [(0.2, 220, true), (0.2, 240, false), (1.1, 220, false)]
    {
        let mut probabilities = vec![3; seconds(5.0)];
        probabilities[seconds(2.0)..seconds(2.0 + length)].fill(probability);
        let spans = check(&probabilities, 0);
        let [span] = spans.as_slice() else {
            panic!("{spans:?}")
        };
        assert_eq!(span.doubtful, doubtful, "{length} s of {probability}");
    }

    let mut beside_speech = talk(&[2.0, 2.0]);
    beside_speech.extend(vec![220; seconds(0.2)]);
    assert!(
        check(&beside_speech, 0).iter().all(|span| !span.doubtful),
        "a quiet answer"
    );
}

#[test]
fn sound_without_any_speech_is_doubtful_and_left_to_the_engine() {
    let frames = Frames {
        probabilities: vec![10; seconds(40.0)],
        levels: vec![25; seconds(40.0)],
    };
    let spans = check_frames(&frames, 0);
    assert_eq!(spans.len(), 2);
    assert!(spans.iter().all(|span| span.doubtful));
}

#[test]
fn a_long_run_is_cut_at_its_longest_pause() {
    let spans = check(&talk(&[9.0, 0.9, 9.0, 1.5, 5.0, 0.9, 4.0, 0.9, 9.0]), 0);
    assert_eq!(spans.len(), 2);
    let cut = spans[0].stretches.last().unwrap().end_sample as f64 / 16_000.0;
    assert!((18.9..20.4).contains(&cut), "cut at {cut} s");
}

#[test]
fn speech_without_pause_is_cut_where_it_is_least_likely() {
    let mut probabilities = vec![250; seconds(40.0)];
    probabilities[seconds(24.0)..seconds(24.2)].fill(90);
    let spans = check(&probabilities, 0);
    assert_eq!(spans.len(), 2);
    let cut = spans[0].stretches.last().unwrap().end_sample as f64 / 16_000.0;
    assert!((24.0..24.2).contains(&cut), "cut at {cut} s");
}

#[test]
fn every_pattern_of_speech_gives_a_sound_plan() {
    let mut state = 1_u32;
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for round in 0..300 {
        let longest = [40, 400, 4_000][round % 3];
        let mut probabilities = Vec::new();
        for _ in 0..random(60) {
            let value = random(256) as u8;
            let length = random(longest) as usize;
            probabilities.extend((0..length).map(|_| value.saturating_add(random(40) as u8)));
        }
        if !probabilities.is_empty() {
            let levels = probabilities
                .iter()
                .map(|p| p / 3 + random(40) as u8)
                .collect();
            check_frames(
                &Frames {
                    probabilities,
                    levels,
                },
                u64::from(random(512)),
            );
        }
    }
}
