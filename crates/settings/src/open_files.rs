//! How many files and connections a process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Takes as many as the system allows this process: the usual soft limit of 1024 is for programs that use select(2).
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Then it stays as it is, and connections beyond it wait.
    let _ = setrlimit(Resource::Nofile, limit);
}
