//! From command line, environment and file to one struct.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, Command, Parser};

use crate::file;

/// Every setting of every process: names in the file, and in upper case after `STENO_` in the environment. A file is shared,
/// so each process accepts the keys of the others.
pub const ALL: [&str; 21] = [
    "bind",
    "data",
    "disk_reserve_bytes",
    "drain_timeout",
    "lease",
    "log",
    "log_format",
    "max_audio_seconds",
    "max_pending_jobs",
    "max_upload_bytes",
    "model",
    "retrieval_grace",
    "slots",
    "stall_timeout",
    "sweep_interval",
    "ttl",
    "upload_chunk_timeout",
    "url",
    "weights_dir",
    "weights_pull",
    "workers",
];

/// Parses the settings of this process, or ends it with a message that names what is wrong (exit code 2).
pub fn parse<P: Parser>() -> P {
    let config = std::env::var_os("STENO_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    try_parse_from(std::env::args_os(), config.as_deref()).unwrap_or_else(|error| error.exit())
}

/// Parses settings from a command line, with a file for what neither it nor the environment gives.
pub fn try_parse_from<P: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
    config: Option<&Path>,
) -> Result<P, clap::Error> {
    let mut command = P::command();
    if let Some(path) = config {
        let settings = file::read(path).map_err(|problem| command.error(ErrorKind::InvalidValue, problem))?;
        command = with_defaults(command, &settings);
    }
    let mut command = without_empty_variables(command);
    let matches = command.try_get_matches_from_mut(arguments)?;
    P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The file's values in place of the built-in defaults, for this command and those below it.
fn with_defaults(command: Command, settings: &BTreeMap<String, String>) -> Command {
    let with_default = |argument: Arg| match settings.get(argument.get_id().as_str()) {
        Some(value) => argument.default_value(value.clone()).required(false),
        None => argument,
    };
    command.mut_args(with_default).mut_subcommands(|below| with_defaults(below, settings))
}

/// A variable that is set to nothing counts as not set: `STENO_BIND= steno-api` takes the default.
fn without_empty_variables(command: Command) -> Command {
    let unless_empty = |argument: Arg| match argument.get_env() {
        Some(name) if std::env::var_os(name).is_some_and(|value| value.is_empty()) => {
            // clap cannot take a variable back; it can look at one that nobody sets.
            argument.env("STENO_NOT_SET").hide_env(true)
        }
        _ => argument,
    };
    command.mut_args(unless_empty).mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[derive(Debug, Parser)]
    struct Settings {
        #[arg(long, env = "STENO_TEST_UNSET_DATA", default_value = "data")]
        data: PathBuf,
        #[arg(long, default_value_t = 1)]
        slots: u32,
    }

    fn check(file: &str, flags: &[&str]) -> Result<Settings, String> {
        let mut config = tempfile::NamedTempFile::new().unwrap();
        config.write_all(file.as_bytes()).unwrap();
        let arguments = std::iter::once("steno-test").chain(flags.iter().copied()).map(OsString::from);
        try_parse_from(arguments, Some(config.path())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let settings = check("data = \"/srv/steno\"\nslots = 4\nttl = \"1h\"", &["--slots", "2"]).unwrap();
        assert_eq!((settings.data, settings.slots), (PathBuf::from("/srv/steno"), 2));
        let settings = check("", &[]).unwrap();
        assert_eq!((settings.data, settings.slots), (PathBuf::from("data"), 1));
    }

    #[test]
    fn mistakes_in_the_file_are_named() {
        assert!(check("STENO_SLOTS = 1", &[]).unwrap_err().contains("write `slots`"));
        assert!(check("colour = 1", &[]).unwrap_err().contains("unknown setting `colour`"));
        assert!(check("slots = [1]", &[]).unwrap_err().contains("`slots` must be"));
        assert!(check("slots = \"many\"", &[]).unwrap_err().contains("--slots"));
        assert!(check("slots", &[]).unwrap_err().contains("not TOML"));
    }

    #[test]
    fn every_setting_is_in_the_list_once() {
        let mut sorted = ALL.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, ALL);
    }
}
