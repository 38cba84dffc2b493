//! Query parameters and forms in the description of the api. Named by the handlers; the code that reads what clients send
//! is elsewhere.

use serde::Deserialize;
use steno_models::{Format, Status, Task};
use utoipa::{IntoParams, ToSchema};

/// A recording in any format Steno decodes: wav, flac, mp3, m4a, ogg, opus, webm, mkv, aiff, caf and more.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes a body that is no JSON")]
pub(crate) struct Recording(Vec<u8>);

/// A transcription as OpenAI's clients ask for it. Lists are repeated fields; `name[]` and `name` mean the same. Empty fields
/// are absent, and unknown fields have no effect.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the openai request reads")]
pub(crate) struct TranscriptionForm {
    /// The recording.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// A name that `GET /v1/models` lists; `whisper-1`, the default, is the server's default weights.
    #[schema(example = "whisper-1")]
    model: Option<String>,
    /// Language spoken: an ISO 639 code, a tag such as `en-US`, or the English name.
    #[schema(example = "en")]
    language: Option<String>,
    /// Text that sets style and spelling; its last 2048 bytes count.
    prompt: Option<String>,
    /// `json`, the default, `text`, `srt`, `verbose_json`, `vtt` or `diarized_json`, which names who speaks.
    #[schema(
        pattern = "^(json|text|srt|verbose_json|vtt|diarized_json)$",
        example = "json"
    )]
    response_format: Option<String>,
    /// Sampling temperature to begin with.
    #[schema(minimum = 0, maximum = 1)]
    temperature: Option<f32>,
    /// `word`, `segment` or both; `word` needs `verbose_json`.
    #[schema(rename = "timestamp_granularities[]")]
    timestamp_granularities: Option<Vec<String>>,
    /// Whether to send the text as server-sent events while it is found; without effect but with `json`, `text` or
    /// `diarized_json`.
    stream: Option<bool>,
    /// Taken and without effect: `verbose_json` has log probabilities.
    #[schema(rename = "include[]")]
    include: Option<Vec<String>>,
    /// Taken and without effect: long audio is always cut at pauses.
    chunking_strategy: Option<String>,
    /// Languages that may be spoken. One is as `language`; of several the spoken one is detected.
    #[schema(rename = "languages[]")]
    languages: Option<Vec<String>>,
    /// Words that may occur; they are added to the prompt.
    #[schema(rename = "keywords[]")]
    keywords: Option<Vec<String>>,
    /// Names of at most four people whose voices are recognised; only with `diarized_json`.
    #[schema(rename = "known_speaker_names[]", max_items = 4)]
    known_speaker_names: Option<Vec<String>>,
    /// For each name a recording of 2 to 10 s of that voice alone, as a data URL of at most 1 MiB.
    #[schema(rename = "known_speaker_references[]", max_items = 4)]
    known_speaker_references: Option<Vec<String>>,
}

/// What to make of a recording, as clients of whisper-asr-webservice ask for it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what asr::read reads")]
pub(crate) struct AsrQuery {
    /// `transcribe`, or `translate` into English.
    #[param(inline)]
    task: Option<Task>,
    /// Language spoken; detected if not given.
    #[param(example = "en")]
    language: Option<String>,
    /// Text that sets style and spelling, at most 2048 bytes.
    #[param(max_length = 2048)]
    initial_prompt: Option<String>,
    /// `false`: the recording is bare 16-bit mono samples at 16 kHz.
    encode: Option<bool>,
    /// Without effect: only speech is transcribed.
    vad_filter: Option<bool>,
    /// Whether segments come with their words, in `json`.
    word_timestamps: Option<bool>,
    /// `txt`, the default, `vtt`, `srt`, `tsv` or `json`.
    #[param(pattern = "^(txt|vtt|srt|tsv|json)$", example = "srt")]
    output: Option<String>,
}

/// How the recording of `/detect-language` comes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what asr::read reads")]
pub(crate) struct DetectQuery {
    /// `false`: the recording is bare 16-bit mono samples at 16 kHz, of which the first 30 s count.
    encode: Option<bool>,
}

/// A recording as clients of whisper-asr-webservice send it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what asr::submit receives")]
pub(crate) struct AsrForm {
    /// The recording.
    #[schema(value_type = String, format = Binary)]
    audio_file: Vec<u8>,
}

/// How a client wants its job.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what extract::view reads")]
pub(crate) struct ViewQuery {
    /// Seconds to hold the answer back until the job ends. It comes after 50 at the latest.
    #[param(minimum = 0, maximum = 60, example = 30)]
    wait: Option<u8>,
    /// The rendering of a completed job; without it `Accept` decides. A job that has not completed is always JSON.
    #[param(inline)]
    format: Option<Format>,
    /// Whether the delivery shall not count as retrieval.
    keep: Option<bool>,
}

/// Which jobs to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what extract::page reads")]
pub(crate) struct ListQuery {
    /// Only jobs that stand there.
    #[param(inline)]
    status: Option<Status>,
    /// Jobs on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[param(pattern = "^-?[0-9]{1,18}$", example = "1234")]
    cursor: Option<String>,
}
