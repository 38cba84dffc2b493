//! From whisper.cpp's tokens to segments with their quality measures.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use steno_models::Segment;
use whisper_rs::{WhisperContext, WhisperState};

use super::pauses::Pauses;
use super::words::{self, SpokenToken};

/// Samples of a second.
const SAMPLE_RATE: f64 = 16_000.0;

/// Times of timestamp tokens are this many seconds apart.
const TIMESTAMP_STEP: f64 = 0.02;

/// Times of the alignment are counted in these seconds.
const ALIGNMENT_STEP: f64 = 0.01;

/// What whisper says between two timestamps.
#[derive(Default)]
struct Piece {
    start: f64,
    end: Option<f64>,
    bytes: Vec<u8>,
    tokens: Vec<i32>,
    logprob: f32,
    spoken: Vec<SpokenToken>,
}

/// What is known of a run besides its tokens.
#[derive(Clone, Copy)]
pub(super) struct Decoding<'a> {
    /// What was heard.
    pub(super) samples: &'a [f32],
    /// The sampling temperature.
    pub(super) temperature: f32,
    /// Whether it is known when each token was spoken.
    pub(super) aligned: bool,
}

/// The segments of a finished run, which was asked for a single segment: its tokens are cut at the timestamps among them.
/// What follows the last timestamp lasts to the end.
pub(super) fn segments(
    context: &WhisperContext,
    state: &WhisperState,
    decoding: &Decoding<'_>,
) -> Vec<Segment> {
    let duration = decoding.samples.len() as f64 / SAMPLE_RATE;
    let (pieces, no_speech_prob) = pieces(context, state);
    let bytes: Vec<&[u8]> = pieces.iter().map(|piece| piece.bytes.as_slice()).collect();
    let mut segments: Vec<Segment> = Vec::with_capacity(pieces.len());
    for (text, piece) in decode_pieces(&bytes).into_iter().zip(pieces) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            continue;
        }
        let earliest = segments.last().map_or(0.0, |before| before.end);
        let start = piece.start.clamp(earliest, duration.max(earliest));
        segments.push(Segment {
            id: segments.len() as u32,
            start,
            end: piece
                .end
                .unwrap_or(duration)
                .clamp(start, duration.max(start)),
            avg_logprob: piece.logprob / piece.tokens.len().max(1) as f32,
            compression_ratio: compression_ratio(&text),
            no_speech_prob,
            language: None,
            temperature: decoding.temperature,
            tokens: piece.tokens,
            words: decoding.aligned.then(|| words::words(&piece.spoken)),
            text,
        });
    }
    if decoding.aligned {
        words::place(&mut segments, &Pauses::of(decoding.samples), duration);
    }
    segments
}

/// The tokens of a run between its timestamps, and whisper's probability that there was no speech.
fn pieces(context: &WhisperContext, state: &WhisperState) -> (Vec<Piece>, f32) {
    let (end_of_text, first_timestamp) = (context.token_eot(), context.token_beg());
    let mut pieces = vec![Piece::default()];
    let mut no_speech_prob = 0.0_f32;
    let mut spoken_until = 0.0_f64;
    for whole in state.as_iter() {
        no_speech_prob = no_speech_prob.max(whole.no_speech_probability());
        for token in (0..whole.n_tokens()).filter_map(|index| whole.get_token(index)) {
            let id = token.token_id();
            let piece = pieces.last_mut().expect("there is always one");
            if id >= first_timestamp {
                let time = f64::from(id - first_timestamp) * TIMESTAMP_STEP;
                if piece.tokens.is_empty() {
                    piece.start = time;
                } else {
                    piece.end = Some(time);
                    pieces.push(Piece {
                        start: time,
                        ..Piece::default()
                    });
                }
            } else if id < end_of_text {
                let (bytes, data) = (token.to_bytes().unwrap_or_default(), token.token_data());
                // The alignment tells when the decoder turns to the next token. Without one the time is -1.
                let end = (data.t_dtw.max(0) as f64 * ALIGNMENT_STEP).max(spoken_until);
                let (bytes, start) = (bytes.to_vec(), spoken_until);
                piece.bytes.extend_from_slice(&bytes);
                piece.spoken.push(SpokenToken {
                    bytes,
                    probability: data.p,
                    start,
                    end,
                });
                piece.tokens.push(id);
                piece.logprob += data.plog;
                spoken_until = end;
            }
        }
    }
    (pieces, no_speech_prob)
}

/// Texts of neighbouring pieces. A piece can end inside a UTF-8 character: its first bytes then move on to the next one.
fn decode_pieces(pieces: &[&[u8]]) -> Vec<String> {
    let mut carried: Vec<u8> = Vec::new();
    let mut texts = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let mut bytes = std::mem::take(&mut carried);
        bytes.extend_from_slice(piece);
        if index + 1 < pieces.len() {
            carried = bytes.split_off(complete_length(&bytes));
        }
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    texts
}

/// How many bytes lie before a character that is cut off by the end; all of them if none is.
fn complete_length(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    for start in tail..bytes.len() {
        if let Err(error) = str::from_utf8(&bytes[start..])
            && error.valid_up_to() == 0
            && error.error_len().is_none()
        {
            return start;
        }
    }
    bytes.len()
}

/// Length of a text over its length when compressed.
fn compression_ratio(text: &str) -> f32 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish());
    compressed.map_or(1.0, |compressed| {
        text.len() as f32 / compressed.len().max(1) as f32
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn segment(text: &str, avg_logprob: f32, no_speech_prob: f32) -> Segment {
        Segment {
            id: 0,
            start: 0.0,
            end: 1.0,
            text: text.into(),
            language: None,
            avg_logprob,
            compression_ratio: 1.0,
            no_speech_prob,
            temperature: 0.0,
            tokens: vec![1, 2],
            words: None,
        }
    }

    #[test]
    fn characters_cut_by_a_segment_s_end_are_put_together() {
        let text = "日本語 café";
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let texts = decode_pieces(&[head, tail]);
            assert_eq!(texts.concat(), text, "cut at {cut}");
            assert!(!texts.concat().contains('\u{FFFD}'));
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_stop_the_rest() {
        assert_eq!(decode_pieces(&[b"a\xff", b"b"]).concat(), "a\u{FFFD}b");
        assert_eq!(decode_pieces(&[b"a\xe6\x97"]).concat(), "a\u{FFFD}");
    }
}
