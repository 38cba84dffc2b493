//! One process of Steno, with its log.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::eventually;

/// A running process. Killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a binary of the workspace with settings in its environment; its log goes to `log`.
    pub fn start(
        binary: &str,
        arguments: &[&str],
        settings: &BTreeMap<String, String>,
        log: &Path,
    ) -> Self {
        let mut command = Command::new(binary_path(binary));
        command.args(arguments);
        Self::spawn(command, settings, log)
    }

    /// The same through another program that becomes the binary, with the words of `prefix` before the binary's path.
    pub(crate) fn start_through(
        prefix: &[String],
        binary: &str,
        settings: &BTreeMap<String, String>,
        log: &Path,
    ) -> Self {
        let Some((program, arguments)) = prefix.split_first() else {
            return Self::start(binary, &[], settings, log);
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(binary_path(binary));
        Self::spawn(command, settings, log)
    }

    fn spawn(mut command: Command, settings: &BTreeMap<String, String>, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        let child = command
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until its log has a line that contains `text`, and returns that line.
    pub fn wait_for_log(&self, text: &str) -> String {
        eventually(
            &format!("`{text}` in the log of {}", self.log.display()),
            || {
                let log = self.log();
                log.lines()
                    .find(|line| line.contains(text))
                    .map(ToOwned::to_owned)
            },
        )
    }

    /// The same, or `None` if the process ends first.
    pub fn wait_for_log_or_end(&mut self, text: &str) -> Option<String> {
        eventually(
            &format!("`{text}` in the log of {}, or the end", self.log.display()),
            || {
                let has_ended = self.has_ended();
                let log = self.log();
                let line = log
                    .lines()
                    .find(|line| line.contains(text))
                    .map(ToOwned::to_owned);
                (line.is_some() || has_ended).then_some(line)
            },
        )
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it with SIGKILL, like a power cut. Returns its log.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log()
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the process ends", || self.child.try_wait().unwrap())
    }

    /// Memory in use in bytes without pages of files (`RssAnon`), and the peak with them (`VmHWM`).
    pub fn memory_bytes(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u64>()
                .unwrap()
                * 1024
        };
        (field("RssAnon:"), field("VmHWM:"))
    }

    /// Processor time used so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        // utime and stime.
        self.clock_seconds(11) + self.clock_seconds(12)
    }

    /// Processor time of the child processes that it waited for, in seconds.
    pub fn children_cpu_seconds(&self) -> f64 {
        // cutime and cstime.
        self.clock_seconds(13) + self.clock_seconds(14)
    }

    /// A field of `/proc/PID/stat` that counts clock ticks, by its position after the name, in seconds.
    fn clock_seconds(&self, position: usize) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The name may contain spaces.
        let mut fields = stat[stat.rfind(')').unwrap() + 2..].split_whitespace();
        let ticks: u64 = fields.nth(position).unwrap().parse().unwrap();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It can have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes that a process started and that have not been reaped.
pub fn children_of(pid: u32) -> Vec<u32> {
    // Threads start children too.
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| {
            let pids = list.split_whitespace().map(|pid| pid.parse().unwrap());
            pids.collect::<Vec<u32>>()
        })
        .collect()
}

/// The same with their children, and so on.
pub fn descendants_of(pid: u32) -> Vec<u32> {
    let mut found = children_of(pid);
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children_of(*pid));
        next += 1;
    }
    found
}

/// The name of a process that runs. A zombie does not run.
pub fn name_of(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once('\t')?.1.to_owned())
    };
    field("State:").filter(|state| !state.starts_with('Z'))?;
    field("Name:")
}

/// The binaries are beside the running one, where cargo puts them.
pub fn binary_path(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().find(|folder| folder.join(name).is_file());
    folder
        .unwrap_or_else(|| {
            panic!("no binary {name}: run `cargo build --workspace --examples --bins` first")
        })
        .join(name)
}
