//! Prints how long each stage of a span takes on one thread, and its share of the processor's peak in 8-bit products:
//! `stages WEIGHTS WAV`, where the recording is 16 kHz mono of 16 bits. The first 20 s are measured.

use std::path::Path;

use steno_engine::{Model, Precision};

const SPAN_SAMPLES: usize = 20 * 16_000;
const FRAME_SAMPLES: usize = 320;
const MARGIN_FRAMES: usize = 144;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let weights = arguments.next().expect("a file of weights");
    let recording = arguments.next().expect("a recording");
    let bytes = std::fs::read(recording).expect("a recording");
    let samples: Vec<f32> = bytes[44..]
        .chunks_exact(2)
        .map(|sample| f32::from(i16::from_le_bytes([sample[0], sample[1]])) / 32_768.0)
        .take(SPAN_SAMPLES)
        .collect();

    let model = Model::open(Path::new(&weights), Precision::Int8).expect("weights");
    let fitted = samples.len().div_ceil(FRAME_SAMPLES) + MARGIN_FRAMES;
    // One thread: rten computes on the pool that it is called in.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a thread").install(|| {
        let peak = Model::integer_peak();
        if let Some(peak) = peak {
            println!("peak of a core: {:.0} GMAC/s in 8 bits", peak / 1e9);
        }
        for stage in model.stages(&samples, fitted.next_multiple_of(16)) {
            let rate = stage.products as f64 / stage.time.as_secs_f64();
            let share = peak.map_or(String::new(), |peak| {
                format!(", {:.0} % of the peak", rate / peak * 100.0)
            });
            let rate = match stage.products {
                0 => String::new(),
                _ => format!("  {:>4.0} GMAC/s{share}", rate / 1e9),
            };
            println!(
                "{:<42} {:>7.2} ms{rate}",
                stage.name,
                stage.time.as_secs_f64() * 1e3
            );
        }
    });
}
