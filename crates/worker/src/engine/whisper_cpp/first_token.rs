//! What the decoder expects before its first token: a language, or no speech at all.
//!
//! One pass of the encoder and one step of the decoder, over the start-of-transcript token alone.

use steno_models::LANGUAGES;
use whisper_rs::WhisperState;

use super::Whisper;
use super::hook::RunHook;
use super::run::{padded, parameters, run};
use crate::Control;
use crate::engine::text::Window;
use crate::engine::{DetectedLanguage, EngineError};

/// Below this `full` returns before it notes the context. Source: `delta_min` in whisper.cpp.
const SHORTEST_RUN_MS: i32 = 100;

/// What failed, for the log.
const FIRST_TOKEN: &str = "decode the first token";

impl Whisper {
    /// Every language the weights know with the probability that it is spoken in `samples` (16 kHz
    /// mono, -1 to 1), most probable first.
    pub fn detect_languages(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<Vec<DetectedLanguage>, EngineError> {
        if !self.context.is_multilingual() {
            return Ok(vec![DetectedLanguage {
                code: "en".to_owned(),
                probability: 1.0,
            }]);
        }

        let state = self.first_step(samples, control)?;
        let logits = logits(&state)?;
        // Weights know the first 99 or all 100 of these.
        let first = self.context.token_sot() as usize + 1;
        let known = (self.context.token_translate() as usize - first).min(LANGUAGES.len());
        let probabilities = softmax(&logits[first..first + known]);

        let mut found: Vec<_> = LANGUAGES
            .iter()
            .zip(probabilities)
            .map(|((code, _), probability)| DetectedLanguage {
                code: (*code).to_owned(),
                probability,
            })
            .collect();
        found.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Ok(found)
    }

    /// The probability, 0 to 1, that there is no speech in `samples` (16 kHz mono, -1 to 1).
    ///
    /// Unlike `no_speech_prob` of a segment, which whisper.cpp reads one step too late: after the
    /// task token, where it is always near 0. The paper and openai/whisper read it here.
    pub fn no_speech_probability(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<f32, EngineError> {
        let state = self.first_step(samples, control)?;
        Ok(softmax(logits(&state)?)[self.context.token_nosp() as usize])
    }

    /// A state whose logits are those after the start-of-transcript token.
    fn first_step(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<WhisperState, EngineError> {
        let samples = padded(samples);
        let mut state = self.new_state()?;
        let mut params = parameters(1, 0.0);
        params.set_language(Some("en"));
        params.set_audio_ctx(self.audio_ctx(samples.len(), Window::Fitted));
        // A run over the shortest stretch whisper.cpp accepts ends before its encoder starts. It
        // leaves the spectrogram and the fitted context behind, which `encode` has no parameter for.
        params.set_duration_ms(SHORTEST_RUN_MS);
        run(
            &mut state,
            &RunHook::new(control, None),
            params,
            &samples,
            control,
        )?;

        state
            .encode(0, 1)
            .and_then(|()| state.decode(&[self.context.token_sot()], 0, 1))
            .map_err(EngineError::failed(FIRST_TOKEN))?;
        Ok(state)
    }
}

fn logits(state: &WhisperState) -> Result<&[f32], EngineError> {
    state.get_logits().map_err(EngineError::failed(FIRST_TOKEN))
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.into_iter().map(|value| value / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::softmax;

    #[test]
    fn softmax_gives_probabilities() {
        let found = softmax(&[0.0, 0.0, f32::NEG_INFINITY]);
        assert_eq!(found, [0.5, 0.5, 0.0]);
        assert!((softmax(&[1000.0, 999.0]).iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
