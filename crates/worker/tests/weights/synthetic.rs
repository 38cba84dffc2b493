//! A model with the shapes of large-v3 where they matter (128 mel bands, 51,866 tokens) and a width of 64, as a CTranslate2
//! folder. Its weights are random: it says nothing, but every table and token is where large-v3 has it.

use std::fs;
use std::path::Path;

const WIDTH: u32 = 64;
const MEL_BANDS: u32 = 128;
const TOKENS: u32 = 51_866;

/// `model.bin` while it is put together.
struct Model {
    tensors: u32,
    bytes: Vec<u8>,
    random: u32,
}

/// Writes `model.bin` and `vocabulary.txt` into `folder`.
pub(crate) fn write_large_v3(folder: &Path) {
    let mut model = Model {
        tensors: 0,
        bytes: Vec::new(),
        random: 1,
    };

    for (side, positions) in [("encoder", 1500), ("decoder", 448)] {
        model.heads(&format!("{side}/num_heads"));
        model.tensor(
            &format!("{side}/position_encodings/encodings"),
            &[positions, WIDTH],
        );
        model.norm(&format!("{side}/layer_norm"));

        let layer = format!("{side}/layer_0");
        model.norm(&format!("{layer}/ffn/layer_norm"));
        model.linear(&format!("{layer}/ffn/linear_0"), 4 * WIDTH, WIDTH);
        model.linear(&format!("{layer}/ffn/linear_1"), WIDTH, 4 * WIDTH);
        model.norm(&format!("{layer}/self_attention/layer_norm"));
        model.linear(
            &format!("{layer}/self_attention/linear_0"),
            3 * WIDTH,
            WIDTH,
        );
        model.linear(&format!("{layer}/self_attention/linear_1"), WIDTH, WIDTH);
    }

    model.norm("decoder/layer_0/attention/layer_norm");
    model.linear("decoder/layer_0/attention/linear_0", WIDTH, WIDTH);
    model.linear("decoder/layer_0/attention/linear_1", 2 * WIDTH, WIDTH);
    model.linear("decoder/layer_0/attention/linear_2", WIDTH, WIDTH);
    model.tensor("decoder/embeddings/weight", &[TOKENS, WIDTH]);

    for (name, channels) in [("conv1", MEL_BANDS), ("conv2", WIDTH)] {
        model.tensor(&format!("encoder/{name}/weight"), &[WIDTH, channels, 3]);
        model.tensor(&format!("encoder/{name}/bias"), &[WIDTH]);
    }

    // whisper.cpp asks for the token of a space alone, whose rank is 220.
    let token = |rank| {
        if rank == 220 {
            "Ġ".to_owned()
        } else {
            format!("Ġ{rank}")
        }
    };
    let vocabulary: Vec<_> = (0..TOKENS).map(token).collect();
    fs::write(folder.join("model.bin"), model.finish()).unwrap();
    fs::write(folder.join("vocabulary.txt"), vocabulary.join("\n")).unwrap();
}

impl Model {
    fn linear(&mut self, name: &str, rows: u32, columns: u32) {
        self.tensor(&format!("{name}/weight"), &[rows, columns]);
        self.tensor(&format!("{name}/bias"), &[rows]);
    }

    fn norm(&mut self, name: &str) {
        self.tensor(&format!("{name}/gamma"), &[WIDTH]);
        self.tensor(&format!("{name}/beta"), &[WIDTH]);
    }

    fn heads(&mut self, name: &str) {
        // One head of 64, as a 16-bit integer.
        self.header(name, &[], 2, 2);
        self.bytes.extend(1_u16.to_le_bytes());
    }

    fn tensor(&mut self, name: &str, dims: &[u32]) {
        let count: u32 = dims.iter().product();
        self.header(name, dims, 0, 4 * count);

        for _ in 0..count {
            self.random = self
                .random
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            let value = (self.random >> 8) as f32 / (1 << 23) as f32 - 1.0;
            self.bytes.extend((value / 4.0).to_le_bytes());
        }
    }

    fn header(&mut self, name: &str, dims: &[u32], dtype: u8, size_bytes: u32) {
        self.tensors += 1;
        write_text(&mut self.bytes, name);
        self.bytes.push(dims.len() as u8);
        self.bytes
            .extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
        self.bytes.push(dtype);
        self.bytes.extend(size_bytes.to_le_bytes());
    }

    fn finish(self) -> Vec<u8> {
        let mut file = 6_u32.to_le_bytes().to_vec();
        write_text(&mut file, "WhisperSpec");
        file.extend(3_u32.to_le_bytes());
        file.extend(self.tensors.to_le_bytes());
        file.extend(self.bytes);
        // No aliases.
        file.extend(0_u32.to_le_bytes());
        file
    }
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u16 + 1).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}
