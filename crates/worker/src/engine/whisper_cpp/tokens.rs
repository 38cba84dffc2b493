//! What whisper.cpp decoded in a run, read from its state.

use whisper_rs::{WhisperContext, WhisperState, WhisperToken};

use crate::engine::text::{Piece, SpokenToken};

/// Seconds between two timestamp tokens.
const TIMESTAMP_STEP: f64 = 0.02;
/// Unit of the times of the alignment, in seconds.
const ALIGNMENT_STEP: f64 = 0.01;

/// The tokens of a run between its timestamps, and the probability that there was no speech.
pub(super) fn pieces(context: &WhisperContext, state: &WhisperState) -> (Vec<Piece>, f32) {
    let end_of_text = context.token_eot();
    let first_timestamp = context.token_beg();
    let mut pieces = vec![Piece::default()];
    let mut no_speech_prob = 0.0_f32;
    let mut spoken_until = 0.0_f64;

    for whole in state.as_iter() {
        no_speech_prob = no_speech_prob.max(whole.no_speech_probability());
        for token in (0..whole.n_tokens()).filter_map(|index| whole.get_token(index)) {
            let id = token.token_id();
            if id >= first_timestamp {
                let time = f64::from(id - first_timestamp) * TIMESTAMP_STEP;
                note_timestamp(&mut pieces, time);
            } else if id < end_of_text {
                let piece = pieces.last_mut().expect("there is always one");
                spoken_until = add_token(piece, &token, spoken_until);
            }
        }
    }
    (pieces, no_speech_prob)
}

/// A timestamp before any token begins the piece; one after tokens ends it.
fn note_timestamp(pieces: &mut Vec<Piece>, time: f64) {
    let piece = pieces.last_mut().expect("there is always one");
    if piece.tokens.is_empty() {
        piece.start = time;
        return;
    }
    piece.end = Some(time);
    pieces.push(Piece {
        start: time,
        ..Piece::default()
    });
}

/// Adds a token that begins at `start`, and returns its end.
fn add_token(piece: &mut Piece, token: &WhisperToken<'_, '_>, start: f64) -> f64 {
    let data = token.token_data();
    let bytes = token.to_bytes().unwrap_or_default().to_vec();
    // The alignment says when the decoder turns to the next token. Without one the time is -1.
    let end = (data.t_dtw.max(0) as f64 * ALIGNMENT_STEP).max(start);

    piece.bytes.extend_from_slice(&bytes);
    piece.spoken.push(SpokenToken {
        bytes,
        probability: data.p,
        start,
        end,
    });
    piece.tokens.push(token.token_id());
    piece.logprob += data.plog;
    end
}
