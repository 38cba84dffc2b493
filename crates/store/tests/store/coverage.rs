//! Coverage and warnings of results: stored with each span, joined by the last finish, counted once.

use steno_models::{Gap, GapReason, JobId, JobResult, Warning, WarningCode};
use steno_store::{Certainty, PlannedSpan, Prepared, SpanOutput, TaskInput, WorkerRun};

use crate::releases::FIRST_NEXT_TASK;
use crate::support::{Fixture, output, prepared, segment, spool_name};

/// Plans spans of one second each after changing each by its index.
fn plan(
    f: &Fixture,
    run: &WorkerRun,
    count: u64,
    change: impl Fn(usize, PlannedSpan) -> PlannedSpan,
) -> JobId {
    let job = f.submit();
    let claim = f.claim(run);
    let usual = prepared(count, None);
    let truncated = Warning::new(WarningCode::Truncated, "the file is cut off");
    let plan = Prepared {
        spool: spool_name(&claim),
        spans: usual
            .spans
            .iter()
            .cloned()
            .enumerate()
            .map(|(index, span)| change(index, span))
            .collect(),
        diarization: None,
        warnings: vec![truncated],
        ..usual
    };
    std::fs::write(f.folder("spool").join(&plan.spool), b"pcm").unwrap();
    assert!(f.finish_prepare(&claim, plan));
    job
}

fn finish(f: &Fixture, run: &WorkerRun, output: &SpanOutput) {
    let claim = f.claim(run);
    assert!(f.finish_span_with(&claim, output.clone()));
}

fn result(f: &Fixture, job: JobId) -> JobResult {
    f.status(job).result.unwrap()
}

fn codes(result: &JobResult) -> Vec<&str> {
    result
        .warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect()
}

#[test]
fn a_result_tells_what_of_its_speech_has_no_text_and_why() {
    let f = Fixture::new();
    let run = f.worker();
    let job = plan(&f, &run, 3, |_, span| span);

    finish(&f, &run, &output("one"));
    let repeated = Gap {
        start: 1.0,
        end: 2.0,
        reason: GapReason::Repetition,
    };
    finish(
        &f,
        &run,
        &SpanOutput {
            dropped: vec![repeated.clone()],
            ..SpanOutput::default()
        },
    );
    finish(
        &f,
        &run,
        &SpanOutput {
            segments: vec![segment("three", 2.0)],
            ..SpanOutput::default()
        },
    );

    let result = result(&f, job);
    let coverage = result.coverage.clone().unwrap();
    assert_eq!(
        (coverage.speech_seconds, coverage.transcribed_seconds),
        (3.0, 2.0)
    );
    assert_eq!(coverage.gaps, [repeated]);
    assert_eq!(codes(&result), ["truncated", "speech_not_transcribed"]);
}

#[test]
fn warnings_are_counted_by_code_when_the_job_completes() {
    let f = Fixture::new();
    let run = f.worker();
    for _ in 0..2 {
        plan(&f, &run, 2, |_, span| span);
        finish(&f, &run, &output("one"));
        finish(&f, &run, &SpanOutput::default());
    }

    let counters = f.store.statistics(f.now()).unwrap().counters;
    let count = |code: &str| {
        let found = counters
            .iter()
            .find(|(name, label, _)| name == "warnings" && label == code);
        found.map_or(0.0, |(.., value)| *value)
    };
    assert_eq!(
        (
            count("truncated"),
            count("speech_not_transcribed"),
            count("low_confidence")
        ),
        (2.0, 2.0, 0.0)
    );
}

#[test]
fn doubtful_sound_without_words_is_no_gap() {
    let f = Fixture::new();
    let run = f.worker();
    let doubtful = |index, span| match index {
        1 => PlannedSpan {
            certainty: Certainty::Doubtful,
            ..span
        },
        _ => span,
    };
    let job = plan(&f, &run, 2, doubtful);

    finish(&f, &run, &output("one"));
    finish(&f, &run, &SpanOutput::default());

    let coverage = result(&f, job).coverage.unwrap();
    assert_eq!((coverage.speech_seconds, coverage.gaps.len()), (1.0, 0));
}

#[test]
fn a_job_that_an_earlier_release_planned_and_half_finished_completes() {
    let f = Fixture::new();
    let run = f.worker();
    let job = plan(&f, &run, 2, |_, span| span);
    finish(&f, &run, &output("one"));
    // What a release without coverage leaves behind.
    let database = f.connect();
    database.run("UPDATE tasks SET certainty = NULL, outcome = NULL");
    database.run("UPDATE jobs SET warnings = NULL");

    finish(
        &f,
        &run,
        &SpanOutput {
            segments: vec![segment("two", 1.0)],
            ..SpanOutput::default()
        },
    );

    let result = result(&f, job);
    assert_eq!((result.text.as_str(), codes(&result).len()), ("one two", 0));
    let coverage = result.coverage.unwrap();
    assert_eq!((coverage.speech_seconds, coverage.gaps.len()), (2.0, 0));
}

#[test]
fn each_span_is_claimed_with_its_own_language_and_only_by_workers_that_know_it() {
    let f = Fixture::new();
    let run = f.worker();
    let spanish = |index: usize, span| PlannedSpan {
        language: Some(["es", "en"][index].to_owned()),
        ..span
    };
    plan(&f, &run, 2, spanish);

    let next = f.connect().number(FIRST_NEXT_TASK);
    assert_eq!(
        next, None,
        "workers of the first release know one language of a job"
    );

    let claims = [f.claim(&run), f.claim(&run)];
    let languages = claims.each_ref().map(|claim| claim.language.as_deref());
    assert_eq!(languages, [Some("es"), Some("en")]);
    assert!(matches!(claims[0].task, TaskInput::Transcribe(_)));
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}
