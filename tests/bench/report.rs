//! Interleaved measurements, and printing their results.

use std::time::Instant;

use steno_e2e::statistics::median;

/// Seconds that `work` takes.
pub(crate) fn seconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

/// Runs several functions interleaved, `runs` times each, and returns the median seconds of each. Interleaved, so that other load
/// affects all of them.
pub(crate) fn medians<const N: usize>(runs: usize, work: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut taken = [const { Vec::new() }; N];
    let mut work = work;
    for _ in 0..runs {
        for (one, taken) in work.iter_mut().zip(&mut taken) {
            taken.push(seconds(&mut **one));
        }
    }
    taken.map(median)
}

pub(crate) fn section(title: &str) {
    println!("\n{title}");
}

/// One line of a table: name, value and target.
pub(crate) fn line(measure: &str, value: &str, target: &str) {
    println!("  {measure:<62} {value:>10}  {target}");
}
