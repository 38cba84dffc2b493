//! How every Steno process reads its settings and starts its log.
//!
//! Called first thing in each `main`. A setting is a flag, else an environment variable, else a key of the TOML file that
//! `--config` or `STENO_CONFIG` names, else its default; the three processes share names and file. Knows nothing of what a setting does.

mod database;
mod file;
mod large_blocks;
mod log;
mod open_files;
mod parent;
mod parse;
mod private_files;
mod queue;
mod unknown;
mod value;
mod version;

pub use database::DatabaseSettings;
pub use large_blocks::return_large_blocks;
pub use log::{LogFormat, LogSettings, start_log};
pub use open_files::raise_open_files;
pub use parent::{PARENT_VARIABLE, SCRATCH_VARIABLE, die_with, die_with_parent};
pub use parse::{ALL, config_file, parse, plain_help, try_parse_from};
pub use private_files::{keep_files_private, leave_no_core};
pub use queue::QueueSettings;
pub use value::{parse_bytes, parse_duration, parse_network};
pub use version::{COMMIT, RELEASE, VERSION};
