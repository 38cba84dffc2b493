//! Finishing a task: its output is stored, and the job moves on.

use crate::tasks::claim::claim_next;
use crate::tasks::fetch::finish_fetch;
use crate::tasks::finish_diarize::finish_diarize;
use crate::tasks::finish_prepare::finish_prepare;
use crate::tasks::finish_span::{SpanDone, finish_span};
use crate::tasks::types::{Claim, Finished, TaskInput, TaskKind, TaskOutput};
use crate::tasks::voices::finish_voices;
use crate::{Now, Store, StoreError};

impl Store {
    /// Stores what a task yielded and claims the next task of one of the kinds in `claim_more` in the same commit.
    ///
    /// A plan without text becomes tasks, one for each span; the last span, or a plan with its text, completes the job.
    pub fn finish_task(
        &self,
        now: Now,
        claim: &Claim,
        output: &TaskOutput,
        claim_more: &[TaskKind],
    ) -> Result<Finished, StoreError> {
        let spool_bytes = self.spool_bytes(output)?;
        self.write(|tx, effects| {
            let settled = match (&claim.task, output) {
                (TaskInput::Prepare { .. }, TaskOutput::Plan(prepared)) => {
                    finish_prepare(tx, effects, now, claim, prepared, spool_bytes)?
                }
                (TaskInput::Transcribe(task), TaskOutput::Span { output, model }) => {
                    let done = SpanDone {
                        task,
                        output,
                        model,
                    };
                    finish_span(tx, effects, now, claim, &done)?
                }
                (TaskInput::Voices(_), TaskOutput::Voices(found)) => {
                    finish_voices(tx, effects, now, claim, found)?
                }
                (TaskInput::Diarize { .. }, TaskOutput::Speakers { diarization, model }) => {
                    finish_diarize(tx, effects, now, claim, diarization, model)?
                }
                (TaskInput::Fetch(_), TaskOutput::Fetched(audio)) => {
                    finish_fetch(tx, effects, now, claim, audio)?
                }
                _ => {
                    return Err(StoreError::WrongOutput {
                        task: claim.task.kind().as_str(),
                        output: output.kind().as_str(),
                    });
                }
            };

            let next = claim_next(tx, effects, now, &claim.run_id, claim_more)?;
            Ok(Finished { settled, next })
        })
    }

    /// The size of the decoded recording that a plan names; 0 where no job will need it.
    fn spool_bytes(&self, output: &TaskOutput) -> Result<u64, StoreError> {
        let TaskOutput::Plan(prepared) = output else {
            return Ok(0);
        };
        if prepared.outputs.is_some() {
            return Ok(0);
        }
        // It is 0 as well if the job was deleted meanwhile.
        self.files.spool_bytes(&prepared.spool)
    }
}
