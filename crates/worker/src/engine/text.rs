//! From whisper.cpp's bytes and tokens to segments with their quality measures.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use steno_models::Segment;
use whisper_rs::{WhisperContext, WhisperState};

/// Samples of a second.
const SAMPLE_RATE: f64 = 16_000.0;

/// Above this a text repeats itself. Source: `compression_ratio_threshold` of openai/whisper.
const MAX_COMPRESSION_RATIO: f32 = 2.4;
/// Below this a text is doubtful. Source: `logprob_threshold` of openai/whisper.
const MIN_AVG_LOGPROB: f32 = -1.0;
/// Above this, a doubtful text stands for no speech at all. Source: `no_speech_threshold` of openai/whisper.
const MAX_NO_SPEECH_PROB: f32 = 0.6;

/// The segments of a finished run over `samples` samples.
pub(super) fn segments(
    context: &WhisperContext,
    state: &WhisperState,
    samples: usize,
    temperature: f32,
) -> Vec<Segment> {
    let end_of_text = context.token_eot();
    let duration = samples as f64 / SAMPLE_RATE;
    let pieces: Vec<_> = state.as_iter().collect();
    let bytes: Vec<&[u8]> = pieces.iter().map(|piece| piece.to_bytes().unwrap_or_default()).collect();
    let mut segments: Vec<Segment> = Vec::with_capacity(pieces.len());
    for (piece, text) in pieces.iter().zip(decode_pieces(&bytes)) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            continue;
        }
        let tokens = (0..piece.n_tokens()).filter_map(|index| piece.get_token(index));
        let words: Vec<_> = tokens.filter(|token| token.token_id() < end_of_text).collect();
        let sum: f32 = words.iter().map(|token| token.token_data().plog).sum();
        let earliest = segments.last().map_or(0.0, |before| before.start);
        let start = seconds(piece.start_timestamp()).clamp(earliest, duration.max(earliest));
        segments.push(Segment {
            id: segments.len() as u32,
            start,
            end: seconds(piece.end_timestamp()).clamp(start, duration.max(start)),
            avg_logprob: sum / words.len().max(1) as f32,
            compression_ratio: compression_ratio(&text),
            no_speech_prob: piece.no_speech_probability(),
            temperature,
            tokens: words.iter().map(whisper_rs::WhisperToken::token_id).collect(),
            words: None,
            text,
        });
    }
    segments
}

/// Whether a text should be decoded again with more freedom: it repeats itself, or it is doubtful although there is speech.
pub(super) fn is_distressed(segments: &[Segment]) -> bool {
    let text: Vec<_> = segments.iter().map(|segment| segment.text.as_str()).collect();
    let tokens: usize = segments.iter().map(|segment| segment.tokens.len()).sum();
    let sum: f32 = segments.iter().map(|segment| segment.avg_logprob * segment.tokens.len() as f32).sum();
    let avg_logprob = sum / tokens.max(1) as f32;
    let no_speech_prob = segments.first().map_or(0.0, |segment| segment.no_speech_prob);
    compression_ratio(&text.join(" ")) > MAX_COMPRESSION_RATIO
        || (avg_logprob < MIN_AVG_LOGPROB && no_speech_prob <= MAX_NO_SPEECH_PROB)
}

/// Without what was made up where nobody spoke.
pub(super) fn without_invented(segments: Vec<Segment>) -> Vec<Segment> {
    let invented =
        |segment: &Segment| segment.no_speech_prob > MAX_NO_SPEECH_PROB && segment.avg_logprob < MIN_AVG_LOGPROB;
    segments.into_iter().filter(|segment| !invented(segment)).collect()
}

/// whisper.cpp's times are hundredths of a second.
fn seconds(hundredths: i64) -> f64 {
    hundredths as f64 / 100.0
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
    let compressed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    compressed.map_or(1.0, |compressed| text.len() as f32 / compressed.len().max(1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(text: &str, avg_logprob: f32, no_speech_prob: f32) -> Segment {
        Segment {
            id: 0,
            start: 0.0,
            end: 1.0,
            text: text.into(),
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

    #[test]
    fn loops_and_doubtful_texts_are_distressed() {
        assert!(is_distressed(&[segment(&"thank you for watching. ".repeat(20), -0.1, 0.0)]));
        assert!(is_distressed(&[segment("some words", -1.5, 0.1)]));
        assert!(!is_distressed(&[segment("some words", -1.5, 0.9)]), "that is silence, not distress");
        assert!(!is_distressed(&[segment("Ask not what your country can do for you.", -0.3, 0.1)]));
        assert!(!is_distressed(&[]));
    }

    #[test]
    fn invented_text_is_dropped() {
        let kept = without_invented(vec![segment("you", -1.5, 0.9), segment("real", -0.2, 0.9)]);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].text, "real");
    }
}
