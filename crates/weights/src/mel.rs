//! The mel filter bank that ggml files carry: librosa's Slaney filters for 16 kHz and 400-point transforms, as Whisper was
//! trained with. Called by the converter.

/// Frequency bins of a 400-point transform.
pub(crate) const BINS: usize = 201;

const SAMPLE_RATE_HZ: f64 = 16_000.0;
const TRANSFORM_POINTS: f64 = 400.0;
/// Below this the Slaney scale is linear, 200/3 Hz a mel; above, logarithmic with 27 steps for a factor of 6.4.
const LOG_START_HZ: f64 = 1_000.0;
const LINEAR_STEP_HZ: f64 = 200.0 / 3.0;
const LOG_STEPS: f64 = 27.0;
const LOG_FACTOR: f64 = 6.4;

/// The filters as `n_mels` rows of [`BINS`] values. Rounds where librosa rounds, so that the bits agree: a converted `base`
/// is byte for byte the published file.
pub(crate) fn filters(n_mels: usize) -> Vec<f32> {
    let top = mel_from_hz(SAMPLE_RATE_HZ / 2.0);
    let step = top / (n_mels as f64 + 1.0);
    let edges: Vec<f64> = (0..n_mels + 2)
        .map(|i| {
            hz_from_mel(if i == n_mels + 1 {
                top
            } else {
                i as f64 * step
            })
        })
        .collect();

    let mut rows = Vec::with_capacity(n_mels * BINS);
    for triple in edges.windows(3) {
        let (low, centre, high) = (triple[0], triple[1], triple[2]);
        let area = 2.0 / (high - low);
        for bin in 0..BINS {
            let hz = bin as f64 * SAMPLE_RATE_HZ / TRANSFORM_POINTS;
            let rising = (hz - low) / (centre - low);
            let falling = (high - hz) / (high - centre);
            let triangle = rising.min(falling).max(0.0) as f32;
            rows.push((f64::from(triangle) * area) as f32);
        }
    }
    rows
}

fn hz_from_mel(mel: f64) -> f64 {
    let log_start = LOG_START_HZ / LINEAR_STEP_HZ;
    if mel < log_start {
        return mel * LINEAR_STEP_HZ;
    }
    LOG_START_HZ * (LOG_FACTOR.ln() / LOG_STEPS * (mel - log_start)).exp()
}

fn mel_from_hz(hz: f64) -> f64 {
    if hz < LOG_START_HZ {
        return hz / LINEAR_STEP_HZ;
    }
    LOG_START_HZ / LINEAR_STEP_HZ + (hz / LOG_START_HZ).ln() / (LOG_FACTOR.ln() / LOG_STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `mel_filters.npz` in the openai-whisper package, which holds librosa's output.
    fn check(n_mels: usize, sum: f64, nonzero: usize, peaks: &[(usize, usize, f32)]) {
        let filters = filters(n_mels);
        assert_eq!(filters.len(), n_mels * BINS);
        // librosa's own first value is minus zero. That one bit kept other converters from the published files' hashes.
        assert_eq!(filters[0].to_bits(), 0.0_f32.to_bits());
        assert_eq!(
            filters.iter().filter(|value| **value != 0.0).count(),
            nonzero
        );
        let found: f64 = filters.iter().copied().map(f64::from).sum();
        assert!((found - sum).abs() < 1e-9, "the sum is {found}");
        for &(row, bin, value) in peaks {
            let found = filters[row * BINS + bin];
            assert!(
                (found - value).abs() <= f32::EPSILON * value,
                "row {row}, bin {bin}: {found}, not {value}"
            );
        }
    }

    #[test]
    fn eighty_filters_are_those_of_librosa() {
        check(
            80,
            1.999_024_092_387_117,
            391,
            &[
                (0, 1, 0.024_862_595),
                (20, 20, 0.013_890_394),
                (40, 43, 0.014_735_566),
                (60, 93, 0.006_591_093),
                (79, 192, 0.003_164_712),
                (79, 199, 0.000_448_759),
            ],
        );
    }

    #[test]
    fn a_hundred_and_twenty_eight_filters_are_those_of_librosa() {
        check(
            128,
            3.190_985_540_946_346_3,
            394,
            &[
                (0, 1, 0.012_373_987),
                (20, 12, 0.022_578_368),
                (40, 24, 0.040_376_365),
                (60, 39, 0.021_224_553),
                (127, 195, 0.005_041_602),
                (127, 199, 0.001_114_280_2),
            ],
        );
    }
}
