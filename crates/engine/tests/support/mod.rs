//! Weights and audio that the tests make themselves.

use std::io::Write;
use std::path::Path;

use fastrand::Rng;

/// Tokens of a multilingual model.
const VOCABULARY: usize = 51_865;
/// Frequency bins.
const BINS: usize = 201;

/// Sizes of a synthetic model.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) state: usize,
    pub(crate) layers: usize,
    pub(crate) mels: usize,
}

impl Sizes {
    /// Two heads and two layers: computed in milliseconds.
    pub(crate) const SMALL: Self = Self {
        state: 128,
        layers: 2,
        mels: 80,
    };
}

/// Writes a model with random weights in half precision, as the published files have them.
pub(crate) fn write_weights(path: &Path, sizes: Sizes, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let heads = sizes.state / 64;
    let words = [
        0x6767_6d6c,
        VOCABULARY,
        1_500,
        sizes.state,
        heads,
        sizes.layers,
        448,
        sizes.state,
        heads,
        sizes.layers,
        sizes.mels,
        1,
        sizes.mels,
        BINS,
    ];
    for word in words {
        write_word(&mut file, word);
    }
    for band in 0..sizes.mels {
        for bin in 0..BINS {
            let distance = (bin as f32 - (2 * band) as f32).abs();
            let weight = (1.0 - distance / 3.0).max(0.0) / 100.0;
            file.write_all(&weight.to_le_bytes()).unwrap();
        }
    }
    write_tokens(&mut file);

    let mut tensors = Tensors {
        file: &mut file,
        random: &mut random,
    };
    let width = sizes.state;
    tensors.floats("encoder.positional_embedding", &[1_500, width], 0.0, 0.1);
    tensors.halves("encoder.conv1.weight", &[width, sizes.mels, 3], 0.1);
    tensors.floats("encoder.conv1.bias", &[width, 1], 0.0, 0.1);
    tensors.halves("encoder.conv2.weight", &[width, width, 3], 0.1);
    tensors.floats("encoder.conv2.bias", &[width, 1], 0.0, 0.1);
    tensors.norm("encoder.ln_post", width);
    tensors.floats("decoder.positional_embedding", &[448, width], 0.0, 0.1);
    tensors.halves("decoder.token_embedding.weight", &[VOCABULARY, width], 0.5);
    tensors.norm("decoder.ln", width);
    for layer in 0..sizes.layers {
        for side in ["encoder", "decoder"] {
            let name = format!("{side}.blocks.{layer}");
            tensors.attention(&format!("{name}.attn"), width);
            tensors.norm(&format!("{name}.mlp_ln"), width);
            tensors.linear(&format!("{name}.mlp.0"), width, 4 * width);
            tensors.linear(&format!("{name}.mlp.2"), 4 * width, width);
        }
        tensors.attention(&format!("decoder.blocks.{layer}.cross_attn"), width);
    }
}

/// Seconds of changing tones and noise.
pub(crate) fn sound(seconds: f32, seed: u64) -> Vec<f32> {
    let mut random = Rng::with_seed(seed);
    let mut pitch = 200.0;
    let mut phase = 0.0_f32;
    (0..(seconds * 16_000.0) as usize)
        .map(|at| {
            if at % 1_600 == 0 {
                pitch = 100.0 + 2_000.0 * random.f32();
            }
            phase += pitch / 16_000.0 * std::f32::consts::TAU;
            0.3 * phase.sin() + 0.02 * (random.f32() - 0.5)
        })
        .collect()
}

struct Tensors<'a, W> {
    file: &'a mut W,
    random: &'a mut Rng,
}

impl<W: Write> Tensors<'_, W> {
    fn norm(&mut self, name: &str, width: usize) {
        self.floats(&format!("{name}.weight"), &[width], 1.0, 0.2);
        self.floats(&format!("{name}.bias"), &[width], 0.0, 0.2);
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        let spread = 2.0 / (inputs as f32).sqrt();
        self.halves(&format!("{name}.weight"), &[outputs, inputs], spread);
        self.floats(&format!("{name}.bias"), &[outputs], 0.0, 0.1);
    }

    fn attention(&mut self, name: &str, width: usize) {
        self.norm(&format!("{name}_ln"), width);
        self.linear(&format!("{name}.query"), width, width);
        self.linear(&format!("{name}.value"), width, width);
        self.linear(&format!("{name}.out"), width, width);
        let spread = 2.0 / (width as f32).sqrt();
        self.halves(&format!("{name}.key.weight"), &[width, width], spread);
    }

    fn floats(&mut self, name: &str, shape: &[usize], middle: f32, spread: f32) {
        self.head(name, shape, 0);
        for _ in 0..shape.iter().product::<usize>() {
            let value = middle + spread * (self.random.f32() - 0.5);
            self.file.write_all(&value.to_le_bytes()).unwrap();
        }
    }

    fn halves(&mut self, name: &str, shape: &[usize], spread: f32) {
        self.head(name, shape, 1);
        for _ in 0..shape.iter().product::<usize>() {
            let value = spread * (self.random.f32() - 0.5);
            let bits = rten_simd::f16::from_f32(value).to_bits();
            self.file.write_all(&bits.to_le_bytes()).unwrap();
        }
    }

    fn head(&mut self, name: &str, shape: &[usize], element: usize) {
        write_word(self.file, shape.len());
        write_word(self.file, name.len());
        write_word(self.file, element);
        for size in shape.iter().rev() {
            write_word(self.file, *size);
        }
        self.file.write_all(name.as_bytes()).unwrap();
    }
}

fn write_tokens(file: &mut impl Write) {
    let count = 50_257;
    write_word(file, count);
    for token in 0..count {
        let text = match token {
            0 => " ".to_owned(),
            _ => format!(" {token}"),
        };
        write_word(file, text.len());
        file.write_all(text.as_bytes()).unwrap();
    }
}

fn write_word(file: &mut impl Write, word: usize) {
    file.write_all(&(word as u32).to_le_bytes()).unwrap();
}
