//! [`FileAccess`]: whether a process works with the files of all jobs.

/// Which files of jobs a process works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// All files.
    All,
    /// Only the recordings that it fetches. It neither opens nor deletes any other, and the folders of
    /// those can be hidden from it.
    Downloads,
}
