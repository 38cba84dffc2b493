//! The languages Whisper knows, and what clients call them. Source: the table `g_lang` of whisper.cpp 1.8.3, in Whisper's own order.

/// Code (ISO 639-1, or three letters where there is none) and English name in lower case, in Whisper's order:
/// the position is the offset of the language's token.
pub const LANGUAGES: [(&str, &str); 100] = [
    ("en", "english"),
    ("zh", "chinese"),
    ("de", "german"),
    ("es", "spanish"),
    ("ru", "russian"),
    ("ko", "korean"),
    ("fr", "french"),
    ("ja", "japanese"),
    ("pt", "portuguese"),
    ("tr", "turkish"),
    ("pl", "polish"),
    ("ca", "catalan"),
    ("nl", "dutch"),
    ("ar", "arabic"),
    ("sv", "swedish"),
    ("it", "italian"),
    ("id", "indonesian"),
    ("hi", "hindi"),
    ("fi", "finnish"),
    ("vi", "vietnamese"),
    ("he", "hebrew"),
    ("uk", "ukrainian"),
    ("el", "greek"),
    ("ms", "malay"),
    ("cs", "czech"),
    ("ro", "romanian"),
    ("da", "danish"),
    ("hu", "hungarian"),
    ("ta", "tamil"),
    ("no", "norwegian"),
    ("th", "thai"),
    ("ur", "urdu"),
    ("hr", "croatian"),
    ("bg", "bulgarian"),
    ("lt", "lithuanian"),
    ("la", "latin"),
    ("mi", "maori"),
    ("ml", "malayalam"),
    ("cy", "welsh"),
    ("sk", "slovak"),
    ("te", "telugu"),
    ("fa", "persian"),
    ("lv", "latvian"),
    ("bn", "bengali"),
    ("sr", "serbian"),
    ("az", "azerbaijani"),
    ("sl", "slovenian"),
    ("kn", "kannada"),
    ("et", "estonian"),
    ("mk", "macedonian"),
    ("br", "breton"),
    ("eu", "basque"),
    ("is", "icelandic"),
    ("hy", "armenian"),
    ("ne", "nepali"),
    ("mn", "mongolian"),
    ("bs", "bosnian"),
    ("kk", "kazakh"),
    ("sq", "albanian"),
    ("sw", "swahili"),
    ("gl", "galician"),
    ("mr", "marathi"),
    ("pa", "punjabi"),
    ("si", "sinhala"),
    ("km", "khmer"),
    ("sn", "shona"),
    ("yo", "yoruba"),
    ("so", "somali"),
    ("af", "afrikaans"),
    ("oc", "occitan"),
    ("ka", "georgian"),
    ("be", "belarusian"),
    ("tg", "tajik"),
    ("sd", "sindhi"),
    ("gu", "gujarati"),
    ("am", "amharic"),
    ("yi", "yiddish"),
    ("lo", "lao"),
    ("uz", "uzbek"),
    ("fo", "faroese"),
    ("ht", "haitian creole"),
    ("ps", "pashto"),
    ("tk", "turkmen"),
    ("nn", "nynorsk"),
    ("mt", "maltese"),
    ("sa", "sanskrit"),
    ("lb", "luxembourgish"),
    ("my", "myanmar"),
    ("bo", "tibetan"),
    ("tl", "tagalog"),
    ("mg", "malagasy"),
    ("as", "assamese"),
    ("tt", "tatar"),
    ("haw", "hawaiian"),
    ("ln", "lingala"),
    ("ha", "hausa"),
    ("ba", "bashkir"),
    ("jw", "javanese"),
    ("su", "sundanese"),
    ("yue", "cantonese"),
];

/// Other codes of languages that Whisper knows: older codes, macro languages and their parts, and three-letter codes.
#[rustfmt::skip]
const CODES: &[(&str, &str)] = &[
    ("nb", "no"), ("jv", "jw"), ("fil", "tl"), ("iw", "he"), ("in", "id"), ("ji", "yi"), ("mo", "ro"), ("sh", "sr"),
    ("cmn", "zh"), ("arb", "ar"), ("pes", "fa"), ("prs", "fa"), ("zsm", "ms"), ("swh", "sw"), ("ekk", "et"),
    ("lvs", "lv"), ("als", "sq"), ("khk", "mn"), ("npi", "ne"), ("pbt", "ps"), ("uzn", "uz"), ("azj", "az"),
    ("eng", "en"), ("zho", "zh"), ("chi", "zh"), ("deu", "de"), ("ger", "de"), ("spa", "es"), ("rus", "ru"),
    ("kor", "ko"), ("fra", "fr"), ("fre", "fr"), ("jpn", "ja"), ("por", "pt"), ("tur", "tr"), ("pol", "pl"),
    ("cat", "ca"), ("nld", "nl"), ("dut", "nl"), ("ara", "ar"), ("swe", "sv"), ("ita", "it"), ("ind", "id"),
    ("hin", "hi"), ("fin", "fi"), ("vie", "vi"), ("heb", "he"), ("ukr", "uk"), ("ell", "el"), ("gre", "el"),
    ("msa", "ms"), ("may", "ms"), ("ces", "cs"), ("cze", "cs"), ("ron", "ro"), ("rum", "ro"), ("dan", "da"),
    ("hun", "hu"), ("tam", "ta"), ("nor", "no"), ("nob", "no"), ("tha", "th"), ("urd", "ur"), ("hrv", "hr"),
    ("bul", "bg"), ("lit", "lt"), ("lat", "la"), ("mri", "mi"), ("mao", "mi"), ("mal", "ml"), ("cym", "cy"),
    ("wel", "cy"), ("slk", "sk"), ("slo", "sk"), ("tel", "te"), ("fas", "fa"), ("per", "fa"), ("lav", "lv"),
    ("ben", "bn"), ("srp", "sr"), ("aze", "az"), ("slv", "sl"), ("kan", "kn"), ("est", "et"), ("mkd", "mk"),
    ("mac", "mk"), ("bre", "br"), ("eus", "eu"), ("baq", "eu"), ("isl", "is"), ("ice", "is"), ("hye", "hy"),
    ("arm", "hy"), ("nep", "ne"), ("mon", "mn"), ("bos", "bs"), ("kaz", "kk"), ("sqi", "sq"), ("alb", "sq"),
    ("swa", "sw"), ("glg", "gl"), ("mar", "mr"), ("pan", "pa"), ("sin", "si"), ("khm", "km"), ("sna", "sn"),
    ("yor", "yo"), ("som", "so"), ("afr", "af"), ("oci", "oc"), ("kat", "ka"), ("geo", "ka"), ("bel", "be"),
    ("tgk", "tg"), ("snd", "sd"), ("guj", "gu"), ("amh", "am"), ("yid", "yi"), ("lao", "lo"), ("uzb", "uz"),
    ("fao", "fo"), ("hat", "ht"), ("pus", "ps"), ("tuk", "tk"), ("nno", "nn"), ("mlt", "mt"), ("san", "sa"),
    ("ltz", "lb"), ("mya", "my"), ("bur", "my"), ("bod", "bo"), ("tib", "bo"), ("tgl", "tl"), ("mlg", "mg"),
    ("asm", "as"), ("tat", "tt"), ("lin", "ln"), ("hau", "ha"), ("bak", "ba"), ("jav", "jw"), ("sun", "su"),
];

/// Other English names: those of Whisper's own table, and a few that people write.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    ("burmese", "my"), ("valencian", "ca"), ("flemish", "nl"), ("haitian", "ht"), ("letzeburgesch", "lb"),
    ("pushto", "ps"), ("panjabi", "pa"), ("moldavian", "ro"), ("moldovan", "ro"), ("sinhalese", "si"),
    ("castilian", "es"), ("mandarin", "zh"), ("farsi", "fa"), ("filipino", "tl"), ("bokmål", "no"), ("bokmal", "no"),
    ("norwegian bokmål", "no"), ("norwegian nynorsk", "nn"), ("bangla", "bn"),
];

/// What a client says about the language of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LanguageChoice {
    /// `auto`, or nothing: it is detected.
    Detect,
    /// Whisper's code of the language.
    Known(&'static str),
}

impl LanguageChoice {
    /// Reads what any client may send; `None` for what is no language. Upper and lower case are the same.
    ///
    /// - Whisper's code, an ISO 639 code of two or three letters, or a code that was replaced: `he`, `heb`, `iw`
    /// - a language tag or a locale, of which the first part counts: `en-US`, `zh-Hans`, `pt_BR.UTF-8`
    /// - the English name: `French`
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        if matches!(text.as_str(), "" | "auto" | "und" | "mul") {
            return Some(Self::Detect);
        }
        code_of_name(&text)
            .or_else(|| code_of_tag(&text))
            .map(Self::Known)
    }
}

fn code_of_name(name: &str) -> Option<&'static str> {
    let own = LANGUAGES
        .iter()
        .find(|(_, own)| *own == name)
        .map(|(code, _)| *code);
    let other = || {
        NAMES
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, code)| *code)
    };
    own.or_else(other)
}

fn code_of_tag(tag: &str) -> Option<&'static str> {
    let primary = tag.split(['-', '_', '.', '@']).next().unwrap_or_default();
    let own = LANGUAGES
        .iter()
        .find(|(code, _)| *code == primary)
        .map(|(code, _)| *code);
    let other = || {
        CODES
            .iter()
            .find(|(other, _)| *other == primary)
            .map(|(_, code)| *code)
    };
    own.or_else(other)
}

/// The English name, lower case, of a language code; `None` for a code Whisper does not know.
pub fn language_name(code: &str) -> Option<&'static str> {
    LANGUAGES
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_found_by_their_code_only() {
        assert_eq!(language_name("fr"), Some("french"));
        assert_eq!(language_name("yue"), Some("cantonese"));
        assert_eq!(language_name("FR"), None);
        assert_eq!(language_name(""), None);
    }

    fn check(text: &str, expected: Option<LanguageChoice>) {
        assert_eq!(LanguageChoice::parse(text), expected, "{text:?}");
    }

    #[test]
    fn languages_are_read_as_clients_write_them() {
        for (text, code) in [
            ("en", "en"),
            ("EN", "en"),
            (" fr ", "fr"),
            ("en-US", "en"),
            ("zh-Hans", "zh"),
            ("zh-Hant-TW", "zh"),
            ("pt_BR.UTF-8", "pt"),
            ("nb", "no"),
            ("nb-NO", "no"),
            ("jv", "jw"),
            ("fil", "tl"),
            ("iw", "he"),
            ("heb", "he"),
            ("ger", "de"),
            ("yue", "yue"),
            ("haw", "haw"),
            ("English", "en"),
            ("Haitian Creole", "ht"),
            ("Norwegian Bokmål", "no"),
        ] {
            check(text, Some(LanguageChoice::Known(code)));
        }

        for text in ["", "auto", "AUTO", "und"] {
            check(text, Some(LanguageChoice::Detect));
        }

        for text in [
            "klingon", "xx", "english2", "-", "e n", "en fr", "en,fr", "a\u{130}",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn every_other_name_leads_to_a_language_and_hides_none() {
        for (other, code) in CODES.iter().chain(NAMES) {
            assert!(language_name(code).is_some(), "{other}");
            assert!(language_name(other).is_none(), "{other}");
        }
    }
}
