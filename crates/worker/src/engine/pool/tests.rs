//! The pool on a GPU with memory for one copy of weights. A backend that counts copies stands for the GPU.

use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::*;

/// A GPU with room for one copy of any weights.
struct SmallGpu {
    loaded: Arc<AtomicU32>,
}

struct LoadedModel(Arc<AtomicU32>);

impl Drop for LoadedModel {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backend for SmallGpu {
    fn load(&self, _: &Verified, _: Option<&str>) -> Result<Box<dyn Model>, LoadError> {
        if self.loaded.load(Ordering::Relaxed) > 0 {
            return Err(EngineError::DeviceMemory("there is no room".into()).into());
        }
        self.loaded.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(LoadedModel(Arc::clone(&self.loaded))))
    }
}

impl Model for LoadedModel {
    fn detect_languages(
        &self,
        _: &[f32],
        _: &dyn Control,
    ) -> Result<Vec<DetectedLanguage>, EngineError> {
        Err(EngineError::NoState)
    }

    fn no_speech_probability(&self, _: &[f32], _: &dyn Control) -> Result<f32, EngineError> {
        Err(EngineError::NoState)
    }

    fn transcribe(
        &self,
        _: &[f32],
        _: &EngineRequest,
        _: &dyn Control,
    ) -> Result<SpanText, EngineError> {
        Err(EngineError::NoState)
    }

    fn precision(&self) -> &'static str {
        "f32"
    }
}

/// The smallest file that passes for Whisper's weights.
fn ggml_file() -> Vec<u8> {
    let sizes = [1; 10];
    let (file_type, mel_filters, bins, filter) = (0, 1, 1, 0);
    let (tokens, length_of_token) = (1, 0);
    let (dimensions, length_of_name, kind, elements) = (1, 1, 0, 1);
    let words = [
        &[0x6767_6d6c][..],
        &sizes,
        &[file_type, mel_filters, bins, filter],
    ]
    .concat();
    let words = [
        words,
        vec![
            tokens,
            length_of_token,
            dimensions,
            length_of_name,
            kind,
            elements,
        ],
    ];
    let mut file: Vec<u8> = words
        .concat()
        .iter()
        .flat_map(|word: &i32| word.to_le_bytes())
        .collect();
    file.push(b'a');
    file.extend(0_f32.to_le_bytes());
    file
}

fn pool(folder: &TempDir) -> WeightsPool {
    let file = folder.path().join("weights.bin");
    std::fs::write(&file, ggml_file()).unwrap();
    let cache = Cache::new(folder.path().join("cache"));
    steno_weights::import(&cache, "small", &file, &mut |_| {}).unwrap();

    let weights = cache.open_verified("small").unwrap();
    let settings = PoolSettings {
        cache,
        model: "small".into(),
        budget_bytes: u64::MAX,
    };
    let backend = Box::new(SmallGpu {
        loaded: Arc::default(),
    });
    WeightsPool::open(settings, backend, &weights).unwrap()
}

fn key(aligns: bool) -> Key {
    Key {
        model: "small".into(),
        aligns,
    }
}

#[test]
fn weights_that_no_slot_uses_make_room_on_a_gpu() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let never = || false;
    // Word times need another copy, and then jobs without them need the first one again.
    for aligns in [true, false, true] {
        pool.take(&key(aligns), &never).unwrap();
    }
}

#[test]
fn weights_in_use_stay_on_a_gpu() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let never = || false;
    let in_use = pool.take(&key(false), &never).unwrap();
    let refused = pool.take(&key(true), &never).err().unwrap();
    assert!(
        refused.is_of_machine(),
        "the task has to be tried again: {refused}"
    );
    drop(in_use);
    pool.take(&key(true), &never).unwrap();
}
