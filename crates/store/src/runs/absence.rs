//! [`Absences`]: which runs or processes had no connection to the database at the last look, and since when.
//!
//! Called by [`Liveness`](super::liveness::Liveness) on PostgreSQL. Reads no database.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Time in which a live process that lost every connection reconnects.
const RECONNECT_GRACE: Duration = Duration::from_millis(700);

/// The runs that may be dead.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// Those whose processes have no connection.
    pub(crate) absent: Absent,
    /// Whether there are others whose lease is over.
    pub(crate) has_overdue: bool,
}

/// Runs or processes without a connection.
#[derive(Debug, Default)]
pub(crate) struct Absent {
    /// Ids of the runs, or keys of the processes.
    pub(crate) names: HashSet<String>,
    /// How long the server has been up; zero if there are no names.
    pub(crate) server_up: Duration,
}

impl Absent {
    pub(crate) fn add(&mut self, name: String, server_up_ms: i64) {
        self.names.insert(name);
        self.server_up = Duration::from_millis(server_up_ms.max(0) as u64);
    }
}

/// What one look found.
pub(super) struct Look {
    /// When it was begun.
    pub(super) asked_at: Instant,
    /// When its answer was there.
    pub(super) answered_at: Instant,
    /// Counts the connections of the looking process.
    pub(super) generation: u64,
    /// Time since the server started or the looking process had to reconnect, whichever was later.
    pub(super) since_restart: Duration,
    /// Those without a connection.
    pub(super) absent: HashSet<String>,
}

/// Those without a connection at the last look.
#[derive(Default)]
pub(crate) struct Absences {
    /// Number of the connection that the last look used. A new number means that this process has reconnected. Other processes may
    /// have lost their connections at the same time, so all absences begin anew.
    generation: u64,
    since: HashMap<String, Instant>,
    next_look_at: Option<Instant>,
}

impl Absences {
    /// Notes a look. Returns those that are gone: absent in all looks of the last [`RECONNECT_GRACE`] or longer. In the first
    /// `restart_grace` after a restart of the server none is gone, because all processes reconnect then.
    pub(super) fn note(&mut self, look: Look, restart_grace: Duration) -> HashSet<String> {
        if look.generation != self.generation {
            self.since.clear();
            self.generation = look.generation;
        }
        self.since.retain(|name, _| look.absent.contains(name));
        for name in look.absent {
            self.since.entry(name).or_insert(look.answered_at);
        }

        // From the answer of one look to the question of another: a slow answer must not make the time longer than it is.
        let restart_over_at = look.asked_at + restart_grace.saturating_sub(look.since_restart);
        let gone_at = |since: &Instant| (*since + RECONNECT_GRACE).max(restart_over_at);
        self.next_look_at = self
            .since
            .values()
            .map(gone_at)
            .filter(|at| *at > look.asked_at)
            .min();
        let gone = self
            .since
            .iter()
            .filter(|(_, since)| gone_at(since) <= look.asked_at);
        gone.map(|(name, _)| name.clone()).collect()
    }

    /// When the next look can find that one of them is gone. `None` if none of them is waiting for that.
    pub(super) fn next_look_at(&self) -> Option<Instant> {
        self.next_look_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESTART_GRACE: Duration = Duration::from_secs(3);
    const LONG_AGO: Duration = Duration::from_secs(60);

    struct Looks {
        absences: Absences,
        began: Instant,
    }

    impl Looks {
        fn begin() -> Self {
            Self {
                absences: Absences::default(),
                began: Instant::now(),
            }
        }

        /// Those that are gone after a look `at_ms` after the beginning.
        fn look(&mut self, at_ms: u64, since_restart: Duration, absent: &[&str]) -> Vec<String> {
            self.look_as(1, at_ms, since_restart, absent)
        }

        fn look_as(
            &mut self,
            generation: u64,
            at_ms: u64,
            since_restart: Duration,
            absent: &[&str],
        ) -> Vec<String> {
            let at = self.began + Duration::from_millis(at_ms);
            self.note(Look {
                asked_at: at,
                answered_at: at,
                generation,
                since_restart,
                absent: absent.iter().map(ToString::to_string).collect(),
            })
        }

        /// The same with an answer that takes `answer_ms`.
        fn slow_look(&mut self, at_ms: u64, answer_ms: u64, absent: &[&str]) -> Vec<String> {
            let asked_at = self.began + Duration::from_millis(at_ms);
            self.note(Look {
                asked_at,
                answered_at: asked_at + Duration::from_millis(answer_ms),
                generation: 1,
                since_restart: LONG_AGO,
                absent: absent.iter().map(ToString::to_string).collect(),
            })
        }

        fn note(&mut self, look: Look) -> Vec<String> {
            let gone = self.absences.note(look, RESTART_GRACE);
            let mut gone: Vec<_> = gone.into_iter().collect();
            gone.sort();
            gone
        }

        fn next_look_ms(&self) -> Option<u128> {
            let at = self.absences.next_look_at()?;
            Some((at - self.began).as_millis())
        }
    }

    #[test]
    fn a_process_absent_in_two_looks_far_apart_is_gone() {
        let mut looks = Looks::begin();
        assert_eq!(looks.look(0, LONG_AGO, &["a"]), [""; 0]);
        assert_eq!(looks.next_look_ms(), Some(700));
        assert_eq!(looks.look(300, LONG_AGO, &["a", "b"]), [""; 0]);
        assert_eq!(looks.next_look_ms(), Some(700));
        assert_eq!(looks.look(700, LONG_AGO, &["a", "b"]), ["a"]);
        assert_eq!(looks.next_look_ms(), Some(1000));
        assert_eq!(looks.look(1000, LONG_AGO, &["b"]), ["b"]);
        assert_eq!(looks.look(1100, LONG_AGO, &[]), [""; 0]);
        assert_eq!(looks.next_look_ms(), None);
    }

    #[test]
    fn a_process_that_reconnects_in_between_is_not_gone() {
        let mut looks = Looks::begin();
        looks.look(0, LONG_AGO, &["a"]);
        looks.look(300, LONG_AGO, &[]);
        assert_eq!(looks.look(700, LONG_AGO, &["a"]), [""; 0]);
    }

    #[test]
    fn after_a_restart_of_the_server_all_processes_get_longer() {
        let mut looks = Looks::begin();
        let since_restart = Duration::from_millis;
        assert_eq!(looks.look(0, since_restart(500), &["a"]), [""; 0]);
        assert_eq!(looks.next_look_ms(), Some(2500));
        assert_eq!(looks.look(1000, since_restart(1500), &["a"]), [""; 0]);
        assert_eq!(looks.look(2500, since_restart(3000), &["a"]), ["a"]);
    }

    #[test]
    fn slow_answers_do_not_count_as_time_between_two_looks() {
        let mut looks = Looks::begin();
        assert_eq!(looks.slow_look(0, 900, &["a"]), [""; 0]);
        assert_eq!(looks.slow_look(1000, 800, &["a"]), [""; 0]);
        assert_eq!(looks.next_look_ms(), Some(1600));
        assert_eq!(looks.slow_look(1600, 0, &["a"]), ["a"]);
    }

    #[test]
    fn a_look_over_another_connection_is_a_first_one() {
        let mut looks = Looks::begin();
        looks.look_as(1, 0, LONG_AGO, &["a"]);
        assert_eq!(looks.look_as(2, 900, LONG_AGO, &["a"]), [""; 0]);
        assert_eq!(looks.look_as(2, 1600, LONG_AGO, &["a"]), ["a"]);
    }
}
