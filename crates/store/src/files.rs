//! Files: the data folder, recordings as they come, decoded recordings, and space for a full disk.

pub(crate) mod audio_file;
pub(crate) mod ballast;
pub(crate) mod data_dir;
pub(crate) mod names;
pub(crate) mod spool_file;
