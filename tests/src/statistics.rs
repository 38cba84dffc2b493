//! Medians and percentiles of measurements.

/// The middle of the values. Panics without one.
pub fn median(values: Vec<f64>) -> f64 {
    percentile(values, 50)
}

/// The value that `percent` percent of the values are below. Panics without one.
pub fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}
