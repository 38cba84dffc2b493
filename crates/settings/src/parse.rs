//! From command line, environment and file to one struct.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Parser};

use crate::{file, unknown};

/// Every setting of every process: names in the file, and in upper case after `STENO_` in the environment. A file is shared,
/// so each process accepts the keys of the others.
pub const ALL: [&str; 52] = [
    "allow_public",
    "allowed_hosts",
    "api_key",
    "api_keys_file",
    "bind",
    "compute_type",
    "cors_origins",
    "data",
    "database_ca_file",
    "database_password_file",
    "database_url",
    "decode_memory_bytes",
    "device",
    "disk_reserve_bytes",
    "docs",
    "drain_timeout",
    "engine",
    "fetch_chunk_timeout",
    "fetch_min_rate",
    "fetch_slots",
    "fetch_timeout",
    "ffmpeg",
    "keep_alive",
    "key_max_bytes",
    "key_max_jobs",
    "key_requests_per_second",
    "lease",
    "log",
    "log_format",
    "max_audio_seconds",
    "max_connections",
    "max_pending_jobs",
    "max_upload_bytes",
    "model",
    "model_aliases",
    "model_memory_bytes",
    "outbound_allow",
    "retrieval_grace",
    "send_timeout",
    "slots",
    "stall_timeout",
    "storage_url",
    "sweep_interval",
    "trusted_proxies",
    "ttl",
    "upload_chunk_timeout",
    "upload_min_rate",
    "url",
    "webhook_secrets_file",
    "weights_dir",
    "weights_pull",
    "workers",
];

/// Parses the settings of this process, or ends it with a message that names what is wrong (exit code 2).
pub fn parse<P: Parser>() -> P {
    let problems = unknown::problems(std::env::vars_os());
    if !problems.is_empty() {
        P::command()
            .error(ErrorKind::UnknownArgument, problems.join("; "))
            .exit();
    }
    try_parse_from(std::env::args_os(), config_file().as_deref())
        .unwrap_or_else(|error| error.exit())
}

/// The settings file of this process: the flag `--config`, else `STENO_CONFIG`. For `steno up`, which passes it on.
#[expect(clippy::disallowed_methods, reason = "this is where settings are read")]
pub fn config_file() -> Option<PathBuf> {
    let variable = std::env::var_os("STENO_CONFIG").filter(|path| !path.is_empty());
    config_flag(std::env::args_os().skip(1))
        .or(variable)
        .map(PathBuf::from)
}

/// Parses settings from a command line, with a file for what neither it nor the environment gives.
pub fn try_parse_from<P: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
    config: Option<&Path>,
) -> Result<P, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = P::command().arg(config_argument());
    let mut settings = BTreeMap::new();
    if let Some(path) = config {
        settings =
            file::read(path).map_err(|problem| command.error(ErrorKind::InvalidValue, problem))?;
        command = with_defaults(command, &settings);
    }
    let mut command = plain_help(without_empty_variables(command));
    let matches = command
        .try_get_matches_from_mut(&arguments)
        .map_err(|error| with_origin(error, &arguments, &settings))?;
    P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Removes the backticks of doc comments from help, where they would be shown as they are.
pub fn plain_help(command: Command) -> Command {
    let plain = |text: &StyledStr| StyledStr::from(text.to_string().replace('`', ""));
    let about = command.get_about().map(plain);
    let long_about = command.get_long_about().map(plain);

    command
        .about(Resettable::from(about))
        .long_about(Resettable::from(long_about))
        .mut_args(|argument| {
            let help = argument.get_help().map(plain);
            let long_help = argument.get_long_help().map(plain);
            argument
                .help(Resettable::from(help))
                .long_help(Resettable::from(long_help))
        })
        .mut_subcommands(plain_help)
}

/// Its value is read before clap runs, since the defaults come from the file; clap only needs to know it.
fn config_argument() -> Arg {
    Arg::new("config")
        .long("config")
        .env("STENO_CONFIG")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .global(true)
        // After the options of the command, before --help.
        .display_order(998)
        .help("TOML file of settings; its keys are their names in lower case without STENO_")
}

fn config_flag(mut arguments: impl Iterator<Item = OsString>) -> Option<OsString> {
    while let Some(argument) = arguments.next() {
        match argument.as_bytes() {
            b"--" => return None,
            b"--config" => return arguments.next(),
            other => {
                if let Some(path) = other.strip_prefix(b"--config=") {
                    return Some(OsStr::from_bytes(path).to_owned());
                }
            }
        }
    }
    None
}

/// clap names the flag even if the value came from elsewhere: says from where.
#[expect(clippy::disallowed_methods, reason = "this is where settings are read")]
fn with_origin(
    mut error: clap::Error,
    arguments: &[OsString],
    settings: &BTreeMap<String, String>,
) -> clap::Error {
    let Some(ContextValue::String(usage)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let flag = usage
        .split([' ', '='])
        .next()
        .unwrap_or_default()
        .to_owned();

    let name = flag.trim_start_matches('-').replace('-', "_");
    let variable = format!("STENO_{}", name.to_ascii_uppercase());
    let given = |argument: &OsString| argument.as_bytes().starts_with(flag.as_bytes());
    if !ALL.contains(&name.as_str()) || arguments.iter().any(given) {
        return error;
    }
    let origin = if std::env::var_os(&variable).is_some_and(|value| !value.is_empty()) {
        format!("the value is that of {variable} in the environment")
    } else if settings.contains_key(&name) {
        format!("the value is that of `{name}` in the settings file")
    } else {
        return error;
    };

    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(vec![origin.into()]),
    );

    error
}

/// The file's values in place of the built-in defaults, for this command and those below it.
fn with_defaults(command: Command, settings: &BTreeMap<String, String>) -> Command {
    let with_default = |argument: Arg| match settings.get(argument.get_id().as_str()) {
        Some(value) => argument.default_value(value.clone()).required(false),
        None => argument,
    };
    command
        .mut_args(with_default)
        .mut_subcommands(|below| with_defaults(below, settings))
}

/// A variable that is set to nothing counts as not set: `STENO_BIND= steno-api` takes the default.
#[expect(clippy::disallowed_methods, reason = "this is where settings are read")]
fn without_empty_variables(command: Command) -> Command {
    let unless_empty = |argument: Arg| match argument.get_env() {
        Some(name) if std::env::var_os(name).is_some_and(|value| value.is_empty()) => {
            // clap cannot remove a variable, but it can read one that is never set.
            argument.env("STENO_NOT_SET").hide_env(true)
        }
        _ => argument,
    };
    command
        .mut_args(unless_empty)
        .mut_subcommands(without_empty_variables)
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
        let arguments = std::iter::once("steno-test")
            .chain(flags.iter().copied())
            .map(OsString::from);
        try_parse_from(arguments, Some(config.path())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let settings = check(
            "data = \"/srv/steno\"\nslots = 4\nttl = \"1h\"",
            &["--slots", "2"],
        )
        .unwrap();
        assert_eq!(
            (settings.data, settings.slots),
            (PathBuf::from("/srv/steno"), 2)
        );
        let settings = check("", &[]).unwrap();
        assert_eq!((settings.data, settings.slots), (PathBuf::from("data"), 1));
    }

    #[test]
    fn mistakes_in_the_file_are_named() {
        assert!(
            check("STENO_SLOTS = 1", &[])
                .unwrap_err()
                .contains("write `slots`")
        );
        assert!(
            check("colour = 1", &[])
                .unwrap_err()
                .contains("unknown setting `colour`")
        );
        assert!(
            check("slots = [1]", &[])
                .unwrap_err()
                .contains("`slots` must be")
        );
        let error = check("slots = \"many\"", &[]).unwrap_err();
        assert!(
            error.contains("--slots") && error.contains("`slots` in the settings file"),
            "{error}"
        );
        let error = check("slots = 1", &["--slots", "many"]).unwrap_err();
        assert!(
            error.contains("--slots") && !error.contains("settings file"),
            "{error}"
        );
        assert!(check("slots", &[]).unwrap_err().contains("not TOML"));
    }

    #[test]
    fn the_file_is_found_among_the_arguments() {
        let check = |arguments: &[&str]| config_flag(arguments.iter().map(OsString::from));
        assert_eq!(check(&["up", "--config", "a.toml"]), Some("a.toml".into()));
        assert_eq!(check(&["--config=a.toml", "up"]), Some("a.toml".into()));
        assert_eq!(check(&["transcribe", "--", "--config"]), None);
        assert_eq!(check(&["--configure"]), None);
    }

    #[test]
    fn every_setting_is_in_the_list_once() {
        let mut sorted = ALL.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, ALL);
    }
}
