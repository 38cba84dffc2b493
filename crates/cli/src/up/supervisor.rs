//! The supervisor: keeps processes running until it is told to stop, then stops them. Leaves none behind.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::child::{Program, Supervised};
use super::event::Event;

/// Longest sleep without an event.
const IDLE: Duration = Duration::from_secs(3600);

/// Times of the supervisor.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Pause before a process is first started again.
    pub(super) first_pause: Duration,
    /// Longest such pause.
    pub(super) longest_pause: Duration,
    /// How long a process must live to count as sound.
    pub(super) stable_after: Duration,
    /// How long a process that was never sound may fail. Long enough for an earlier one to release its port.
    pub(super) give_up_after: Duration,
    /// Time for the processes to end by themselves.
    pub(super) stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            stable_after: Duration::from_secs(30),
            give_up_after: Duration::from_secs(20),
            stop: Duration::from_secs(40),
        }
    }
}

/// Runs the programs until [`Event::Stop`], or until one of them cannot be run.
pub(super) fn run(programs: Vec<Program>, limits: &Limits, events: &Receiver<Event>) -> Result<()> {
    let mut children: Vec<_> = programs.into_iter().map(|program| Supervised::new(program, limits)).collect();
    let kept = keep_running(&mut children, limits, events);
    let stopped = stop(&mut children, limits, events);
    kept.and(stopped)
}

fn keep_running(children: &mut [Supervised], limits: &Limits, events: &Receiver<Event>) -> Result<()> {
    loop {
        for child in &mut *children {
            child.tend(limits)?;
        }
        let now = Instant::now();
        let due = children.iter().filter_map(Supervised::due).min().unwrap_or(now + IDLE);
        match events.recv_timeout(due.saturating_duration_since(now)) {
            Ok(Event::Stop) => return Ok(()),
            Ok(Event::Child) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("signals are not received any more")),
        }
    }
}

/// Asks every process to end and waits; a second wish, or the end of the time, kills.
fn stop(children: &mut [Supervised], limits: &Limits, events: &Receiver<Event>) -> Result<()> {
    tracing::info!("stopping; once more ends at once");
    children.iter().for_each(Supervised::terminate);
    let deadline = Instant::now() + limits.stop;
    while children.iter_mut().any(Supervised::is_running) {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Child) => {}
            Ok(Event::Stop) => {
                children.iter_mut().for_each(Supervised::kill);
                return Err(anyhow!("ended at once, as asked; unfinished tasks begin again at the next start"));
            }
            Err(_) => {
                for child in children.iter_mut().filter_map(|child| child.is_running().then_some(child)) {
                    tracing::error!("{} does not end, killing it", child.name());
                    child.kill();
                }
            }
        }
    }
    tracing::info!("stopped");
    Ok(())
}

#[cfg(test)]
mod tests;
