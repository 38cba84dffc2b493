//! The tokens of a model: their bytes, the special ones by name, and texts as tokens.
//!
//! Numbers of special tokens are not in the file. They follow from the size of the vocabulary, as in
//! `whisper_model_load` of whisper.cpp.

use std::collections::HashMap;

/// A token's number.
pub type Token = u32;

/// Vocabularies from this size on are multilingual.
const MULTILINGUAL: usize = 51_865;
/// Tokens of a multilingual vocabulary that are no language's.
const BESIDE_LANGUAGES: usize = 51_766;
/// Languages of the English-only layout, which keeps their numbers unused.
const UNUSED_LANGUAGES: usize = 98;

/// Texts that are no speech. Each is suppressed with and without a space before it. Source: `non_speech_tokens` in
/// whisper.cpp, after openai/whisper's `tokenizer.py`.
const NO_SPEECH_TEXTS: [&str; 49] = [
    "\"",
    "#",
    "(",
    ")",
    "*",
    "+",
    "/",
    ":",
    ";",
    "<",
    "=",
    ">",
    "@",
    "[",
    "\\",
    "]",
    "^",
    "_",
    "`",
    "{",
    "|",
    "}",
    "~",
    "「",
    "」",
    "『",
    "』",
    "<<",
    ">>",
    "<<<",
    ">>>",
    "--",
    "---",
    "-(",
    "-[",
    "('",
    "(\"",
    "((",
    "))",
    "(((",
    ")))",
    "[[",
    "]]",
    "{{",
    "}}",
    "♪♪",
    "♪♪♪",
    "♩",
    "♪",
];
/// More of them.
const MUSIC_TEXTS: [&str; 5] = ["♫", "♬", "♭", "♮", "♯"];
/// A hyphen or an apostrophe may stand inside a word, not begin one.
const NO_BEGINNINGS: [&str; 2] = [" -", " '"];

/// The tokens of a model.
pub struct Vocabulary {
    tokens: Vec<Vec<u8>>,
    ids: HashMap<Vec<u8>, Token>,
    size: usize,
    special: Special,
    suppressed: Vec<Token>,
}

/// The special tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Special {
    /// End of text.
    pub end: Token,
    /// Start of transcript. The tokens of the languages follow it.
    pub start: Token,
    /// Translate into English.
    pub translate: Token,
    /// Transcribe.
    pub transcribe: Token,
    /// Start of a speaker's turn, in models that label speakers.
    pub turn: Token,
    /// Start of the previous text: a prompt follows.
    pub previous: Token,
    /// There is no speech.
    pub no_speech: Token,
    /// The transcript has no timestamps.
    pub no_timestamps: Token,
    /// Timestamp 0; each following token is 0.02 s later.
    pub first_timestamp: Token,
}

impl Vocabulary {
    pub(crate) fn new(tokens: Vec<Vec<u8>>, size: usize) -> Self {
        let special = Special::of(size);
        let ids: HashMap<_, _> = tokens
            .iter()
            .enumerate()
            .map(|(id, token)| (token.clone(), id as Token))
            .collect();
        let mut vocabulary = Self {
            tokens,
            ids,
            size,
            special,
            suppressed: Vec::new(),
        };
        vocabulary.suppressed = vocabulary.find_suppressed();
        vocabulary
    }

    /// How many tokens there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The special tokens.
    pub fn special(&self) -> &Special {
        &self.special
    }

    /// Whether the model knows other languages than English.
    pub fn is_multilingual(&self) -> bool {
        self.size >= MULTILINGUAL
    }

    /// How many languages the model knows, in the order of `whisper`'s list.
    pub fn languages(&self) -> usize {
        if self.is_multilingual() {
            self.size - BESIDE_LANGUAGES
        } else {
            1
        }
    }

    /// The token of a language, by its place in `whisper`'s list.
    pub fn language(&self, index: usize) -> Option<Token> {
        let is_known = self.is_multilingual() && index < self.languages();
        is_known.then_some(self.special.start + 1 + index as Token)
    }

    /// The bytes of a token; none of a special one. A token can end inside a character.
    pub fn bytes(&self, token: Token) -> &[u8] {
        let is_text = token < self.special.end;
        let bytes = self.tokens.get(token as usize).filter(|_| is_text);
        bytes.map_or(&[], Vec::as_slice)
    }

    /// A text as tokens: each word as the longest tokens that it begins with. Characters for which there is no token are
    /// left out.
    pub fn tokenize(&self, text: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        for word in words(text) {
            let mut left = word.as_bytes();
            while !left.is_empty() {
                let longest = (1..=left.len())
                    .rev()
                    .find_map(|length| Some((length, *self.ids.get(&left[..length])?)));
                let (length, token) = match longest {
                    Some((length, token)) => (length, Some(token)),
                    None => (1, None),
                };
                tokens.extend(token);
                left = &left[length..];
            }
        }
        tokens
    }

    /// The tokens that are never part of a transcript.
    pub(crate) fn suppressed(&self) -> &[Token] {
        &self.suppressed
    }

    /// The token of a space, with which no transcript begins.
    pub(crate) fn space(&self) -> Option<Token> {
        self.ids.get(b" ".as_slice()).copied()
    }

    fn find_suppressed(&self) -> Vec<Token> {
        let special = &self.special;
        // All special tokens but the end and the timestamps.
        let mut found: Vec<Token> = (special.start..special.first_timestamp).collect();
        for text in NO_SPEECH_TEXTS.into_iter().chain(MUSIC_TEXTS) {
            let with_space = format!(" {text}");
            let both = [text, &with_space];
            found.extend(both.iter().filter_map(|text| self.ids.get(text.as_bytes())));
        }
        let beginnings = NO_BEGINNINGS.iter();
        found.extend(beginnings.filter_map(|text| self.ids.get(text.as_bytes())));
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Special {
    fn of(size: usize) -> Self {
        let is_multilingual = size >= MULTILINGUAL;
        let end = if is_multilingual { 50_257 } else { 50_256 };
        let start = end + 1;
        let languages = if is_multilingual {
            size - BESIDE_LANGUAGES
        } else {
            UNUSED_LANGUAGES + 1
        };
        let translate = start + 1 + languages as Token;
        Self {
            end,
            start,
            translate,
            transcribe: translate + 1,
            turn: translate + 2,
            previous: translate + 3,
            no_speech: translate + 4,
            no_timestamps: translate + 5,
            first_timestamp: translate + 6,
        }
    }
}

/// Kinds of characters that tokens do not mix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Letter,
    Number,
    Other,
}

fn kind(character: char) -> Kind {
    match character {
        _ if character.is_whitespace() => Kind::Space,
        _ if character.is_alphabetic() => Kind::Letter,
        _ if character.is_numeric() => Kind::Number,
        _ => Kind::Other,
    }
}

/// The pieces of a text that GPT-2's pattern finds: runs of one kind of character, each with one space before it.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut before: Option<Kind> = None;
    let mut space_start = 0;
    for (at, character) in text.char_indices() {
        let kind = kind(character);
        match before {
            Some(Kind::Space) if kind != Kind::Space => {
                // The last space belongs to what follows it, if it is one.
                let last = if text[space_start..at].ends_with(' ') {
                    at - 1
                } else {
                    at
                };
                if last > start {
                    words.push(&text[start..last]);
                }
                start = last;
            }
            Some(before) if before != kind => {
                words.push(&text[start..at]);
                start = at;
            }
            _ => {}
        }
        if kind == Kind::Space && before != Some(Kind::Space) {
            space_start = at;
        }
        before = Some(kind);
    }

    if start < text.len() {
        words.push(&text[start..]);
    }

    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_tokens_follow_from_the_size() {
        let english = Special::of(51_864);
        assert_eq!(english.end, 50_256);
        assert_eq!(english.translate, 50_357);
        assert_eq!(english.first_timestamp, 50_363);

        let base = Special::of(51_865);
        assert_eq!(base.translate, 50_358);
        assert_eq!(base.first_timestamp, 50_364);

        let large_v3 = Special::of(51_866);
        assert_eq!(large_v3.translate, 50_359);
        assert_eq!(large_v3.first_timestamp, 50_365);
    }

    #[test]
    fn words_keep_one_space_before_them() {
        assert_eq!(words(" Ask not, 12!"), [" Ask", " not", ",", " 12", "!"]);
        assert_eq!(words("a  b"), ["a", " ", " b"]);
        assert_eq!(words("été 日本"), ["été", " 日本"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn texts_become_the_longest_tokens() {
        let tokens = [" As", " Ask", "k", " n", "ot"].map(|text| text.as_bytes().to_vec());
        let vocabulary = Vocabulary::new(tokens.to_vec(), 51_865);
        assert_eq!(vocabulary.tokenize(" Ask not?"), [1, 3, 4]);
    }
}
