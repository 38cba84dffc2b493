//! The log lines about a task. Each carries the ids of its job and of the call that submitted it.

use std::error::Error;

use steno_store::{Claim, Finished, Postponement, TaskInput};

pub(crate) fn claimed(claim: &Claim) {
    let job = claim.job_id;
    tracing::info!(
        job.id = %job,
        request.id = claim.request_id,
        attempt = claim.attempt,
        "claimed {} of job {job}",
        describe(claim)
    );
}

pub(crate) fn finished(claim: &Claim, finished: &Finished, elapsed_ms: u64) {
    let job = claim.job_id;
    let request = &claim.request_id;
    let task = describe(claim);
    if finished.settled.is_stored() {
        tracing::info!(job.id = %job, request.id = request, elapsed_ms, "ended {task} of job {job}");
    } else {
        tracing::info!(
            job.id = %job,
            request.id = request,
            elapsed_ms,
            "dropped {task} of job {job}: the claim is gone"
        );
    }
}

pub(crate) fn postponed(claim: &Claim, reason: Postponement, error: &(dyn Error + 'static)) {
    let job = claim.job_id;
    tracing::error!(
        error,
        job.id = %job,
        reason = reason.as_str(),
        "the machine is at fault, not the recording: {} of job {job} waits",
        describe(claim)
    );
}

pub(crate) fn failed(claim: &Claim, error: &(dyn Error + 'static)) {
    let job = claim.job_id;
    tracing::warn!(error, job.id = %job, "cannot do {} of job {job}", describe(claim));
}

/// The task's name in the log.
fn describe(claim: &Claim) -> String {
    match &claim.task {
        TaskInput::Prepare { .. } => "preparation".to_owned(),
        TaskInput::Transcribe(task) => format!("span {}", task.index),
        TaskInput::Voices(task) => format!("voices {}", task.index),
        TaskInput::Diarize { .. } => "speakers".to_owned(),
        TaskInput::Fetch(_) => "download".to_owned(),
    }
}
