//! The attention heads of each model that follow token times: a parameter of whisper.cpp's alignment (DTW).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use whisper_rs::{DtwMode, DtwModelPreset as Preset, DtwParameters};

use crate::engine::EngineError;

/// Known weights and how many layers their decoder has. Source: `g_aheads` in whisper.cpp.
const PRESETS: [(&str, Preset, u32); 12] = [
    ("tiny.en", Preset::TinyEn, 4),
    ("tiny", Preset::Tiny, 4),
    ("base.en", Preset::BaseEn, 6),
    ("base", Preset::Base, 6),
    ("small.en", Preset::SmallEn, 12),
    ("small", Preset::Small, 12),
    ("medium.en", Preset::MediumEn, 24),
    ("medium", Preset::Medium, 24),
    ("large-v1", Preset::LargeV1, 32),
    ("large-v2", Preset::LargeV2, 32),
    ("large-v3", Preset::LargeV3, 32),
    ("large-v3-turbo", Preset::LargeV3Turbo, 4),
];

/// Room for the attention of 20 heads over a whole window and its copies. It is only touched as far as it is needed.
const MEMORY_BYTES: usize = 512 << 20;

/// Where a ggml file has the number of its decoder's layers: the tenth number of its head.
const TEXT_LAYERS_AT: usize = 9 * size_of::<u32>();

/// What to load weights with, so that they are aligned. For weights that are unknown, or are not what their name says, every
/// head of the last layer is heard.
pub(super) fn parameters(name: &str, path: &Path) -> Result<DtwParameters<'static>, EngineError> {
    let layers = text_layers(path).map_err(EngineError::Header)?;
    // Quantised weights have the heads of those they were made of: `base-q5_1` those of `base`.
    let is_of = |known: &str| {
        name == known
            || name
                .strip_prefix(known)
                .is_some_and(|rest| rest.starts_with("-q"))
    };
    let preset = PRESETS
        .into_iter()
        .find(|(known, _, their_layers)| is_of(known) && *their_layers == layers);
    let mode = match preset {
        Some((_, model_preset, _)) => DtwMode::ModelPreset { model_preset },
        None => DtwMode::TopMost { n_top: 1 },
    };
    Ok(DtwParameters {
        mode,
        dtw_mem_size: MEMORY_BYTES,
    })
}

fn text_layers(path: &Path) -> io::Result<u32> {
    let mut head = [0; TEXT_LAYERS_AT + size_of::<u32>()];
    File::open(path)?.read_exact(&mut head)?;
    Ok(head
        .last_chunk()
        .map_or(0, |layers| u32::from_le_bytes(*layers)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn mode(name: &str, layers: u32) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for number in [
            0x6767_6d6c,
            51_865,
            1500,
            512,
            8,
            6,
            448,
            512,
            8,
            layers,
            80,
            1_u32,
        ] {
            file.write_all(&number.to_le_bytes()).unwrap();
        }
        format!("{:?}", parameters(name, file.path()).unwrap().mode)
    }

    #[test]
    fn heads_are_those_of_the_weights_and_not_of_their_name_alone() {
        assert_eq!(mode("base", 6), "ModelPreset { model_preset: Base }");
        assert_eq!(
            mode("base.en-q5_1", 6),
            "ModelPreset { model_preset: BaseEn }"
        );
        assert_eq!(
            mode("large-v3-turbo", 4),
            "ModelPreset { model_preset: LargeV3Turbo }"
        );
        assert_eq!(mode("base", 12), "TopMost { n_top: 1 }");
        assert_eq!(mode("of-my-own", 6), "TopMost { n_top: 1 }");
    }
}
