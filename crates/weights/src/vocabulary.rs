//! The tokens a ggml file carries, as raw bytes by rank. Read from the files beside a CTranslate2 model:
//! `vocabulary.json`, `vocabulary.txt` or `tokenizer.json`, all written in GPT-2's byte-to-unicode alphabet.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::WeightsError;

/// Every published ggml file has this many tokens: the ranks below the special tokens, and in `.en` models the first of those.
pub(crate) const TOKENS: usize = 50_257;
/// The longest vocabulary file of a Whisper model is 2.2 MB; more than this is something else.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The tokens of the model in `folder`, by rank. Errors: [`WeightsError::Model`] if there is no usable vocabulary.
pub(crate) fn read(folder: &Path) -> Result<Vec<Vec<u8>>, WeightsError> {
    for (file_name, parse) in [
        (
            "vocabulary.json",
            parse_list as fn(&str) -> Option<Vec<String>>,
        ),
        ("vocabulary.txt", |text| Some(parse_lines(text))),
        ("tokenizer.json", parse_tokenizer),
    ] {
        let path = folder.join(file_name);
        if let Some(text) = read_text(&path)? {
            let problem = |problem: String| WeightsError::Model {
                path: path.clone(),
                problem,
            };
            let tokens =
                parse(&text).ok_or_else(|| problem("it is not a vocabulary".to_owned()))?;
            return decode_all(&tokens).map_err(problem);
        }
    }
    Err(WeightsError::Model {
        path: folder.to_owned(),
        problem: "it has neither vocabulary.json nor vocabulary.txt nor tokenizer.json".to_owned(),
    })
}

fn read_text(path: &PathBuf) -> Result<Option<String>, WeightsError> {
    let size_bytes = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(WeightsError::io("read", path)(source)),
    };
    if size_bytes > MAX_FILE_BYTES {
        let problem = format!("it has {size_bytes} bytes, too many for a vocabulary");
        return Err(WeightsError::Model {
            path: path.clone(),
            problem,
        });
    }
    fs::read_to_string(path)
        .map(Some)
        .map_err(WeightsError::io("read", path))
}

fn parse_list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// One token a line. Only `\n` separates: tokens may hold other line breaks of Unicode. Rank 50256 of the multilingual
/// vocabulary is the empty line.
fn parse_lines(text: &str) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

/// The `model.vocab` of a Hugging Face tokenizer: token to rank. `added_tokens` fill the ranks it leaves out.
fn parse_tokenizer(text: &str) -> Option<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Tokenizer {
        model: Bpe,
        #[serde(default)]
        added_tokens: Vec<Added>,
    }
    #[derive(serde::Deserialize)]
    struct Bpe {
        vocab: HashMap<String, usize>,
    }
    #[derive(serde::Deserialize)]
    struct Added {
        id: usize,
        content: String,
    }

    let tokenizer: Tokenizer = serde_json::from_str(text).ok()?;
    let mut by_rank = vec![None; TOKENS];
    let added = tokenizer
        .added_tokens
        .into_iter()
        .map(|added| (added.content, added.id));
    for (token, rank) in tokenizer.model.vocab.into_iter().chain(added) {
        if let Some(place) = by_rank.get_mut(rank) {
            *place = Some(token);
        }
    }
    by_rank.into_iter().collect()
}

fn decode_all(tokens: &[String]) -> Result<Vec<Vec<u8>>, String> {
    if tokens.len() < TOKENS {
        return Err(format!(
            "it has {} tokens, a Whisper vocabulary has at least {TOKENS}",
            tokens.len()
        ));
    }
    let alphabet = alphabet();
    tokens[..TOKENS]
        .iter()
        .enumerate()
        .map(|(rank, token)| {
            decode(token, &alphabet)
                .ok_or_else(|| format!("token {rank} is not in GPT-2's alphabet"))
        })
        .collect()
}

fn decode(token: &str, alphabet: &HashMap<char, u8>) -> Option<Vec<u8>> {
    token.chars().map(|c| alphabet.get(&c).copied()).collect()
}

/// GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the others, in order, for U+0100 and on.
fn alphabet() -> HashMap<char, u8> {
    let mut unprintable = 0x100_u32;
    (0..=u8::MAX)
        .filter_map(|byte| {
            let c = match byte {
                b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => Some(char::from(byte)),
                _ => {
                    unprintable += 1;
                    char::from_u32(unprintable - 1)
                }
            };
            c.map(|c| (c, byte))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_decode_to_the_bytes_gpt2_means() {
        let alphabet = alphabet();
        assert_eq!(alphabet.len(), 256);
        for (token, bytes) in [
            ("Ġhello", b" hello".as_slice()),
            ("ĊĊ", b"\n\n"),
            ("Ã¤", "ä".as_bytes()),
            ("æĹ¥æľ¬", "日本".as_bytes()),
            ("Ń", b"\xad"),
            ("Ā", b"\0"),
            ("", b""),
        ] {
            assert_eq!(decode(token, &alphabet).as_deref(), Some(bytes), "{token}");
        }
        assert_eq!(decode("日", &alphabet), None);
    }

    #[test]
    fn a_short_vocabulary_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            read(folder.path())
                .unwrap_err()
                .to_string()
                .contains("neither vocabulary.json nor")
        );
        fs::write(folder.path().join("vocabulary.txt"), "a\nb").unwrap();
        assert!(
            read(folder.path())
                .unwrap_err()
                .to_string()
                .contains("it has 2 tokens")
        );
    }

    #[test]
    fn a_tokenizer_that_skips_a_rank_is_refused() {
        assert_eq!(
            parse_tokenizer(r#"{"model":{"vocab":{"a":0,"b":2}}}"#),
            None
        );
        assert_eq!(parse_tokenizer("[]"), None);
    }
}
