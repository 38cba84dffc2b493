//! The `prepare` task: decode, find speech, detect the language, plan spans. A short recording is transcribed at once.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use steno_models::{TranscribeRequest, Warning, WarningCode};
use steno_runner::Done;
use steno_store::{Certainty, Claim, PlannedSpan, Prepared, SpanOutput, SpoolRoom, TaskOutput};

use super::diarize::diarize;
use super::find_voices::task_blocks;
use super::language::{self, Scores, Spoken};
use super::transcribe::{SpanJob, transcribe_span};
use super::{TaskContext, TaskError};
use crate::audio::{AudioError, Recording, SAMPLE_RATE, Selection, Spool, TrackChoice};
use crate::decode_process::{self, DecodeError, DecodeSettings};
use crate::engine::Session;

/// Speech that is decoded if only the language is wanted: as much as Whisper reads at a time.
const DETECTION_SPEECH: Duration = Duration::from_secs(30);

/// The code of the one language that many multilingual weights do not know.
const CANTONESE: &str = "yue";

pub(super) fn prepare(
    claim: &Claim,
    audio: &str,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Done, TaskError> {
    let mut should_stop = || context.control.should_stop();
    let audio = context
        .files
        .open_recording(claim, audio, &mut should_stop)?;
    let room = spool_room(claim, context.decode);
    let mut spool = context.files.create_spool(claim, audio.bytes(), room)?;
    let recording = decode(claim, audio.path(), spool.path(), context)?;
    drop(audio);
    let mut warnings = warnings(&recording, &claim.options);
    let mut spans = planned_spans(&recording);
    warnings.extend(language_warning(
        claim,
        spool.path(),
        &spans,
        context,
        session,
    )?);
    for warning in &warnings {
        tracing::warn!(job.id = %claim.job_id, "job {}: {}", claim.job_id, warning.detail);
    }

    if claim.options.detect_only {
        // Music has no language, and without its text it is not known to be music.
        spans.retain(|span| span.certainty == Certainty::Speech);
    }
    let mut planned = name_languages(claim, spool.path(), spans, context, session)?;
    if claim.options.detect_only {
        planned.spans.clear();
    }
    let mut blocks = task_blocks(claim, spool.path())?;
    let outputs = transcribe_short(claim, &planned, &blocks, spool.path(), context, session)?;
    match outputs {
        Some(_) => blocks.clear(),
        None => spool.store(&mut should_stop)?,
    }

    let diarization = match &outputs {
        Some(spans) if claim.options.diarize && !spans.is_empty() => {
            Some(diarize(open(spool.path())?, &|_| Ok(None), claim, context)?)
        }
        _ => None,
    };
    // Only now: kills while references of known speakers are decoded count too.
    context.memory_kills.forget(claim.job_id);
    planned.adopt(outputs.as_deref().unwrap_or_default());
    let prepared = Prepared {
        duration_ms: recording.duration_ms,
        language: planned.language,
        language_probability: planned.probability,
        spool: spool.name().to_owned(),
        spans: planned.spans,
        blocks,
        outputs,
        diarization,
        warnings,
        model: context.model.to_string(),
    };
    let is_planned = prepared.outputs.is_none();
    let output = TaskOutput::Plan(Box::new(prepared));
    Ok(if is_planned {
        Done::with_file(output, move || spool.keep())
    } else {
        Done::new(output)
    })
}

/// Transcribes a recording of at most one span. `None` if it has more, which become tasks of their own. So does the one span if
/// voices are to be found in several blocks, which takes long; after a failed attempt with `diarize`, because a worker that dies on
/// the labels must not cost the text; and if the speaker networks cannot be used here, because another worker may have them.
fn transcribe_short(
    claim: &Claim,
    planned: &Planned,
    blocks: &[Range<u64>],
    spool: &Path,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Option<Vec<SpanOutput>>, TaskError> {
    let (span, language) = match (planned.spans.as_slice(), &planned.language) {
        ([], _) | (_, None) => return Ok(Some(Vec::new())),
        ([span], Some(language)) => (span, language),
        _ => return Ok(None),
    };
    let labels_later = || claim.attempt > 1 || context.speaker_networks.networks().is_err();
    if !blocks.is_empty() || (claim.options.diarize && labels_later()) {
        return Ok(None);
    }
    let job = SpanJob {
        options: &claim.options,
        language,
        alternatives: &planned.alternatives,
        span,
    };
    let mut spool = open(spool)?;
    Ok(Some(vec![transcribe_span(
        &mut spool, &job, context, session,
    )?]))
}

fn open(spool: &Path) -> Result<Spool, AudioError> {
    Spool::open(spool).map_err(AudioError::Spool)
}

/// Disk space that the decoded recording may use.
fn spool_room(claim: &Claim, settings: &DecodeSettings) -> SpoolRoom {
    let bytes_per_second = u64::from(SAMPLE_RATE) * 2 * selection(claim).max_channels();
    SpoolRoom {
        reserve_bytes: settings.disk_reserve_bytes,
        most_bytes: settings.limits.max_seconds * bytes_per_second,
    }
}

/// Decodes the recording. A decoder that the kernel kills for memory costs no try, unless that has
/// happened to this job several times.
fn decode(
    claim: &Claim,
    audio: &Path,
    spool: &Path,
    context: &TaskContext<'_>,
) -> Result<Recording, DecodeError> {
    let mut settings = context.decode.clone();
    if claim.options.detect_only {
        settings.limits.enough_speech = Some(DETECTION_SPEECH);
    }
    let selection = selection(claim);
    match decode_process::decode_apart(audio, spool, &settings, selection, context.control) {
        Err(DecodeError::OutOfMemory(status)) if !context.memory_kills.note(claim.job_id) => {
            Err(DecodeError::Died(status))
        }
        decoded => decoded,
    }
}

/// What the client wants of the recording.
fn selection(claim: &Claim) -> Selection {
    Selection {
        track: TrackChoice::asked(claim.options.track),
        splits_channels: claim.options.splits_channels(),
    }
}

/// A plan whose languages are known.
struct Planned {
    language: Option<String>,
    /// `None` when the client named the language.
    probability: Option<f32>,
    /// Other languages that a short recording may be in.
    alternatives: Scores,
    spans: Vec<PlannedSpan>,
}

impl Planned {
    /// Takes the alternative that gave the better text.
    fn adopt(&mut self, outputs: &[SpanOutput]) {
        let written = outputs
            .iter()
            .flat_map(|output| &output.segments)
            .find_map(|segment| segment.language.as_ref());
        let chosen = self
            .alternatives
            .iter()
            .find(|alternative| Some(&alternative.code) == written);
        if let Some(chosen) = chosen {
            self.language = Some(chosen.code.clone());
            self.probability = Some(chosen.probability);
        }
    }
}

/// Takes the language the client named, or detects what is spoken.
fn name_languages(
    claim: &Claim,
    spool: &Path,
    spans: Vec<PlannedSpan>,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Planned, TaskError> {
    let named = match (&claim.options.language, claim.options.languages.as_slice()) {
        (Some(language), _) => Some(language),
        // With one candidate there is nothing to detect.
        (None, [only]) => Some(only),
        _ => None,
    };
    if let Some(language) = named {
        return Ok(Planned {
            language: Some(language.clone()),
            probability: None,
            alternatives: Vec::new(),
            spans,
        });
    }

    Ok(
        match language::detect(spool, spans, &claim.options.languages, context, session)? {
            Some(Spoken {
                language,
                probability,
                alternatives,
                spans,
            }) => Planned {
                language: Some(language),
                probability: Some(probability),
                alternatives,
                spans,
            },
            None => Planned {
                language: None,
                probability: None,
                alternatives: Vec::new(),
                spans: Vec::new(),
            },
        },
    )
}

/// Weights older than large-v3 do not know Cantonese, and the engines decode it as Chinese. All multilingual weights know
/// the other languages.
fn language_warning(
    claim: &Claim,
    spool: &Path,
    spans: &[PlannedSpan],
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Option<Warning>, TaskError> {
    let names_cantonese = claim.options.language.as_deref() == Some(CANTONESE);
    let Some(span) = spans.first().filter(|_| names_cantonese) else {
        return Ok(None);
    };
    if language::is_known(CANTONESE, spool, span, context, session)? {
        return Ok(None);
    }

    let detail = format!(
        "the weights {} do not know Cantonese (yue), so it was transcribed as Chinese; large-v3 and later weights know it",
        context.model
    );
    Ok(Some(Warning::new(WarningCode::LanguageUnknown, detail)))
}

/// The spans of a recording as the store keeps them.
fn planned_spans(recording: &Recording) -> Vec<PlannedSpan> {
    let planned = recording.spans.iter().map(|span| PlannedSpan {
        stretches: span
            .stretches
            .iter()
            .map(|stretch| (stretch.start_sample, stretch.end_sample))
            .collect(),
        certainty: if span.doubtful {
            Certainty::Doubtful
        } else {
            Certainty::Speech
        },
        language: None,
    });
    planned.collect()
}

/// What the client should know about the recording.
fn warnings(recording: &Recording, options: &TranscribeRequest) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let found = match recording.channels {
        1 => Some("the recording has one channel"),
        _ if recording.is_one_sound => Some("all channels hold the same sound"),
        _ => None,
    };
    if let Some(found) = found.filter(|_| options.splits_channels()) {
        let detail = format!(
            "{found}, so channels=split names one speaker; submit it with diarize=true to tell voices apart"
        );
        warnings.push(Warning::new(WarningCode::SingleChannel, detail));
    }
    if recording.truncated {
        let detail = "the file ends before its announced end; what is there was transcribed";
        warnings.push(Warning::new(WarningCode::Truncated, detail));
    }
    if recording.damaged_ms > 0 {
        let damaged = recording.damaged_ms as f64 / 1000.0;
        let detail = format!(
            "{damaged:.2} s of the recording could not be decoded; silence took their place"
        );
        warnings.push(Warning::new(WarningCode::DamagedAudio, detail));
    }
    warnings
}
