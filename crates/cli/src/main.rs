//! The binary steno: client of a running server, supervisor of one machine, keeper of weights.
//!
//! Commands about jobs call the api; only `steno admin` opens the queue.

mod admin;
mod client;
mod delete;
mod doctor;
mod events;
mod fetch;
mod formats;
mod init;
mod interrupt;
mod jobs;
mod keys;
mod local;
mod output;
mod print;
mod progress;
mod recordings;
mod server;
mod shell;
mod sse;
mod status;
mod transcribe;
mod up;
mod values;
mod weights;
mod written;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::client::CallError;

/// Speech transcription that you run yourself.
///
/// Exit codes: 0 success; 1 a job failed, or a file could not be read or written; 2 wrong usage; 3 the server cannot be reached or
/// refused the call, or the weights are missing; 130 interrupted with Ctrl-C; 141 the reader of the output has gone away.
#[derive(Debug, Parser)]
#[command(name = "steno", version = steno_settings::VERSION.as_str())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the api and workers of this machine, and restart what ends.
    Up(up::UpArguments),
    /// Create the queue of this machine in an empty or new folder. Needed once, before the services start; `up` does it itself.
    Init(init::InitArguments),
    /// Transcribe recordings, with a server or without one, and write the transcripts.
    Transcribe(Box<transcribe::TranscribeArguments>),
    /// Write the transcript of a job that was submitted before, and delete the job.
    Fetch(fetch::FetchArguments),
    /// List jobs, newest first.
    Jobs(jobs::JobsArguments),
    /// Show the status of jobs.
    Status(status::StatusArguments),
    /// Show the events of a job as they come.
    Events(events::EventsArguments),
    /// Cancel or delete jobs.
    Delete(delete::DeleteArguments),
    /// List, download, verify or import Whisper weights.
    Weights(weights::WeightsArguments),
    /// Add, list and remove API keys.
    Keys(keys::KeysArguments),
    /// Inspect, check, back up and purge the queue of this machine.
    Admin(Box<admin::AdminArguments>),
    /// Check what is missing, slow or wrong, and say what to do.
    Doctor(doctor::DoctorArguments),
    /// Print the completions of a shell.
    Completions(shell::CompletionsArguments),
    /// Write the manual.
    Man(shell::ManArguments),
}

impl Command {
    /// Whether it makes files of the service, which are private. Transcripts get the permissions of
    /// the user's umask.
    fn writes_files_of_the_service(&self) -> bool {
        matches!(
            self,
            Self::Up(_) | Self::Init(_) | Self::Keys(_) | Self::Admin(_)
        )
    }
}

fn main() -> ExitCode {
    let cli: Cli = steno_settings::parse();
    if cli.command.writes_files_of_the_service() {
        steno_settings::keep_files_private();
        steno_settings::leave_no_core();
    }
    let outcome = match cli.command {
        Command::Up(arguments) => {
            steno_settings::start_log(&arguments.log);
            return up::up(&arguments).unwrap_or_else(|error| {
                tracing::error!("{error:#}");
                ExitCode::FAILURE
            });
        }
        Command::Init(arguments) => init::init(&arguments),
        Command::Transcribe(arguments) => transcribe::transcribe(&arguments),
        Command::Fetch(arguments) => fetch::fetch(&arguments),
        Command::Jobs(arguments) => jobs::jobs(&arguments),
        Command::Status(arguments) => status::status(&arguments),
        Command::Events(arguments) => events::events(&arguments),
        Command::Delete(arguments) => delete::delete(&arguments),
        Command::Weights(arguments) => weights::weights(&arguments),
        Command::Keys(arguments) => keys::keys(&arguments),
        Command::Admin(arguments) => admin::admin(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Completions(arguments) => shell::completions(&arguments),
        Command::Man(arguments) => shell::man(&arguments),
    };

    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::note(&format!("steno: {error:#}"));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<CallError>().is_some() {
        3
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together_and_every_setting_is_known() {
        fn check(command: &clap::Command) {
            for argument in command
                .get_arguments()
                .filter(|argument| argument.get_env().is_some())
            {
                assert!(
                    steno_settings::ALL.contains(&argument.get_id().as_str()),
                    "{}",
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(check);
        }
        Cli::command().debug_assert();
        check(&Cli::command());
    }

    fn help_of(command: &str) -> String {
        let words = ["steno", command, "--help"].map(OsString::from);
        let help = steno_settings::try_parse_from::<Cli>(words, None).unwrap_err();
        help.to_string()
    }

    #[test]
    fn help_has_no_marks_of_doc_comments_and_the_settings_file_at_its_end() {
        for command in Cli::command().get_subcommands() {
            let help = help_of(command.get_name());
            assert!(!help.contains('`') && !help.contains("<http"), "{help}");

            let lines: Vec<_> = help.lines().map(str::trim_start).collect();
            let mut options = lines.iter().filter(|line| line.starts_with("--"));
            let last = options.next_back().unwrap();
            assert!(last.starts_with("--config"), "{help}");
        }
    }

    #[test]
    fn a_refusal_and_a_failed_job_have_different_exit_codes() {
        assert_eq!(
            exit_code(&CallError::Unreachable("no".to_owned()).into()),
            3
        );
        assert_eq!(exit_code(&anyhow::anyhow!("the job failed")), 1);
    }
}
