//! When a webhook that was not delivered is sent again.

use std::time::Duration;

/// Pauses after the first, second … attempt. The last one repeats.
const PAUSES_S: [u64; 5] = [5, 30, 300, 1_800, 7_200];
/// Upper limit for a receiver's `Retry-After`.
pub const MAX_RETRY_PAUSE: Duration = Duration::from_secs(7_200);

/// The pause before the next attempt, after `attempts` have failed: 5 s, 30 s, 5 m, 30 m, then 2 h each, or the
/// receiver's `Retry-After` if that is longer.
///
/// `jitter` (0 to 1) adds up to a tenth, so that a receiver that was down does not get all its deliveries at once. `None` if
/// the job, which lives for `remaining` more, would end before that attempt.
pub fn next_attempt(
    attempts: u32,
    retry_after: Option<Duration>,
    jitter: f64,
    remaining: Duration,
) -> Option<Duration> {
    let index = (attempts.max(1) as usize - 1).min(PAUSES_S.len() - 1);
    let scheduled = Duration::from_secs(PAUSES_S[index]);
    let asked = retry_after.unwrap_or_default().min(MAX_RETRY_PAUSE);
    let base = scheduled.max(asked);
    let pause = base + base.mul_f64(0.1 * jitter.clamp(0.0, 1.0));

    (pause < remaining).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn check(attempts: u32, retry_after_s: Option<u64>, jitter: f64, expected_s: f64) {
        let retry_after = retry_after_s.map(Duration::from_secs);
        let pause = next_attempt(attempts, retry_after, jitter, DAY).unwrap();

        assert!(
            (pause.as_secs_f64() - expected_s).abs() < 1e-6,
            "{attempts}: {pause:?}"
        );
    }

    #[test]
    fn pauses_grow_as_published() {
        let published = [5.0, 30.0, 300.0, 1_800.0, 7_200.0, 7_200.0];
        for (attempts, pause) in (1..).zip(published) {
            check(attempts, None, 0.0, pause);
        }
    }

    #[test]
    fn jitter_adds_up_to_a_tenth() {
        check(2, None, 1.0, 33.0);
        check(2, None, 7.0, 33.0);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_but_not_for_a_shorter_one() {
        check(1, Some(60), 0.0, 60.0);
        check(3, Some(1), 0.0, 300.0);
        check(1, Some(1_000_000), 0.0, 7_200.0);
    }

    #[test]
    fn no_attempt_is_planned_beyond_the_life_of_the_job() {
        assert_eq!(next_attempt(4, None, 0.0, Duration::from_secs(1_800)), None);
        assert!(next_attempt(4, None, 0.0, Duration::from_secs(1_801)).is_some());
    }
}
