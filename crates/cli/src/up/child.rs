//! One child of `steno up`: starts it, notices its end, restarts it after a pause.

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use steno_settings::SCRATCH_VARIABLE;

/// Pause before the first restart; doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Longest pause before a restart.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// A child that ran this long is restarted after the first pause again.
const PROVEN: Duration = Duration::from_secs(30);
/// Exit codes that mean wrong settings: of clap, and `EX_CONFIG` of sysexits.h.
const SETTINGS_CODES: [i32; 2] = [2, 78];

/// Exit code by which a worker asks to be started again (`EX_TEMPFAIL` of sysexits.h).
const EXIT_RESTART: i32 = 75;

/// Whether a child can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It runs, or is started again.
    Fine,
    /// It cannot run: its settings are wrong, or its first start failed.
    Hopeless(u8),
}

/// A process that is restarted whenever it ends.
pub(super) struct Child {
    name: &'static str,
    command: Command,
    process: Option<std::process::Child>,
    started: Instant,
    restart_at: Instant,
    backoff: Duration,
    starts: u32,
}

impl Child {
    /// Starts a program of Steno with settings in its environment. `stdin` is its standard input.
    pub(super) fn new(
        name: &'static str,
        environment: &BTreeMap<&'static str, String>,
        stdin: Stdio,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(executable(name));
        command
            .envs(environment)
            .env_remove(SCRATCH_VARIABLE)
            .stdin(stdin);
        Self::start(name, command)
    }

    fn start(name: &'static str, mut command: Command) -> anyhow::Result<Self> {
        // A group of its own: Ctrl-C reaches only the supervisor, which then stops its children in order.
        command.process_group(0);
        let now = Instant::now();
        let mut child = Self {
            name,
            command,
            process: None,
            started: now,
            restart_at: now,
            backoff: FIRST_BACKOFF,
            starts: 0,
        };
        child.spawn(now).with_context(|| {
            format!("cannot start {name}; it belongs beside steno or on the PATH")
        })?;
        Ok(child)
    }

    fn spawn(&mut self, now: Instant) -> std::io::Result<()> {
        self.process = Some(self.command.spawn()?);
        self.started = now;
        self.starts += 1;
        Ok(())
    }

    /// Checks whether it has ended, and starts it again after its pause.
    pub(super) fn look_after(&mut self, now: Instant) -> Health {
        if let Some(status) = self
            .process
            .as_mut()
            .and_then(|process| process.try_wait().ok().flatten())
        {
            self.process = None;
            if let Some(code) = self.hopeless_code(status) {
                tracing::error!(
                    "{} ended with {status} and cannot run with these settings",
                    self.name
                );
                return Health::Hopeless(code);
            }
            if now - self.started >= PROVEN {
                self.backoff = FIRST_BACKOFF;
            }
            tracing::warn!(
                "{} ended with {status}; starting it again in {:?}",
                self.name,
                self.backoff
            );
            self.restart_at = now + self.backoff;
            self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
        }

        if self.process.is_none()
            && now >= self.restart_at
            && let Err(error) = self.spawn(now)
        {
            tracing::error!(%error, "cannot start {} again", self.name);
            self.restart_at = now + LONGEST_BACKOFF;
        }

        Health::Fine
    }

    fn hopeless_code(&self, status: ExitStatus) -> Option<u8> {
        let code = status.code()?;
        let asks_for_restart = code == 0 || code == EXIT_RESTART;
        let first_failed = self.starts == 1 && self.started.elapsed() < PROVEN && !asks_for_restart;
        (SETTINGS_CODES.contains(&code) || first_failed).then_some(code as u8)
    }

    pub(super) fn is_running(&mut self) -> bool {
        let Some(process) = &mut self.process else {
            return false;
        };
        let ended = process.try_wait();
        if let Ok(Some(status)) = ended {
            let how = status
                .signal()
                .map_or_else(|| status.to_string(), |signal| format!("signal {signal}"));
            tracing::info!("{} ended: {how}", self.name);
            self.process = None;
        }
        self.process.is_some()
    }

    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Passes SIGHUP on.
    pub(super) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            // It may just have ended.
            let _ = kill_process(Pid::from_child(process), signal);
        }
    }

    pub(super) fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program beside this one, else by its name on the PATH.
fn executable(name: &str) -> PathBuf {
    beside(name).unwrap_or_else(|| PathBuf::from(name))
}

/// Whether a program is beside this one or on the PATH.
#[expect(clippy::disallowed_methods, reason = "PATH is not a setting of Steno")]
pub(super) fn is_installed(name: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    beside(name).is_some()
        || std::env::split_paths(&folders).any(|folder| folder.join(name).is_file())
}

fn beside(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.parent()?.join(name)).filter(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start("test", command).unwrap()
    }

    /// Waits until the process has ended, without reaping it.
    fn await_end(child: &Child) {
        let pid = child.process.as_ref().unwrap().id();
        let began = Instant::now();
        let is_zombie = || {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .unwrap()
                .contains(") Z ")
        };
        while !is_zombie() {
            assert!(began.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_child_that_dies_is_started_again_after_growing_pauses() {
        let mut child = child("kill -9 $$");
        let mut now = Instant::now();
        for expected in [100, 200, 400, 800, 1600, 3200, 5000, 5000].map(Duration::from_millis) {
            await_end(&child);
            assert_eq!(child.look_after(now), Health::Fine);
            assert!(child.process.is_none(), "not before its pause is over");
            now += expected;
            assert_eq!(child.look_after(now), Health::Fine);
            assert!(child.process.is_some());
        }
        await_end(&child);
        now += PROVEN;
        assert_eq!(child.look_after(now), Health::Fine);
        assert_eq!(
            child.restart_at - now,
            FIRST_BACKOFF,
            "its pauses begin again"
        );
    }

    #[test]
    fn wrong_settings_end_the_supervisor_with_their_code() {
        for code in [1, 2, 78] {
            let mut child = child(&format!("exit {code}"));
            await_end(&child);
            assert_eq!(child.look_after(Instant::now()), Health::Hopeless(code));
        }
    }

    #[test]
    fn a_child_is_asked_to_stop_before_it_is_killed() {
        let ready = tempfile::tempdir().unwrap();
        let script = |name: &str, trap: &str| {
            format!(
                "trap '{trap}' TERM; : > {}/{name}; while :; do sleep 0.01; done",
                ready.path().display()
            )
        };
        let mut obedient = child(&script("obedient", "exit 0"));
        let mut stubborn = child(&script("stubborn", ""));
        // Then both have set their traps.
        while std::fs::read_dir(ready.path()).unwrap().count() < 2 {
            std::thread::yield_now();
        }
        obedient.terminate();
        stubborn.terminate();
        while obedient.is_running() {
            std::thread::yield_now();
        }
        assert!(stubborn.is_running());
        stubborn.kill();
        assert!(!stubborn.is_running());
    }
}
