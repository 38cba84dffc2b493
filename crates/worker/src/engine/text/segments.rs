//! Turns the pieces of text that an engine decodes into segments with quality measures.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use steno_models::Segment;

use super::pauses::Pauses;
use super::words::{self, SpokenToken};
use crate::audio::SAMPLE_RATE;

/// What an engine decodes between two timestamp tokens.
#[derive(Default)]
pub(crate) struct Piece {
    /// Seconds from the first sample.
    pub(crate) start: f64,
    /// `None` where no timestamp follows: the piece lasts to the end of the samples.
    pub(crate) end: Option<f64>,
    /// The text, which may begin or end inside a UTF-8 character.
    pub(crate) bytes: Vec<u8>,
    /// The text tokens.
    pub(crate) tokens: Vec<i32>,
    /// Sum of the log probabilities of the tokens.
    pub(crate) logprob: f32,
    /// The tokens with their times, for runs that are aligned.
    pub(crate) spoken: Vec<SpokenToken>,
}

/// A finished run.
pub(crate) struct Decoded<'a> {
    /// The samples it decoded.
    pub(crate) samples: &'a [f32],
    /// The sampling temperature.
    pub(crate) temperature: f32,
    /// Whether the times of its tokens are known.
    pub(crate) is_aligned: bool,
    /// The probability that there was no speech.
    pub(crate) no_speech_prob: f32,
    /// Its text.
    pub(crate) pieces: Vec<Piece>,
}

/// The segments of a finished run.
pub(crate) fn segments(decoded: Decoded<'_>) -> Vec<Segment> {
    let Decoded {
        samples,
        temperature,
        is_aligned,
        no_speech_prob,
        pieces,
    } = decoded;

    let duration = samples.len() as f64 / f64::from(SAMPLE_RATE);
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
            speaker: None,
            avg_logprob: piece.logprob / piece.tokens.len().max(1) as f32,
            compression_ratio: compression_ratio(&text),
            no_speech_prob,
            language: None,
            temperature,
            tokens: piece.tokens,
            words: is_aligned.then(|| words::words(&piece.spoken)),
            text,
        });
    }

    if is_aligned {
        words::place(&mut segments, &Pauses::of(samples), duration);
    }

    segments
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
            speaker: None,
            avg_logprob,
            compression_ratio: 1.0,
            no_speech_prob,
            temperature: 0.0,
            tokens: vec![1, 2],
            words: None,
        }
    }

    #[test]
    fn characters_cut_by_the_end_of_a_segment_are_put_together() {
        let text = "日本語 café";
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let texts = decode_pieces(&[head, tail]);
            assert_eq!(texts.concat(), text, "cut at {cut}");
            assert!(!texts.concat().contains('\u{FFFD}'));
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_stop_the_remaining_ones() {
        assert_eq!(decode_pieces(&[b"a\xff", b"b"]).concat(), "a\u{FFFD}b");
        assert_eq!(decode_pieces(&[b"a\xe6\x97"]).concat(), "a\u{FFFD}");
    }
}
