//! The priority of threads that compute: heartbeats and the api's answers come first.

use rustix::process::{getpriority_process, setpriority_process};

/// The niceness of threads that compute.
const COMPUTING_NICENESS: i32 = 5;

/// Lowers the priority of the calling thread; on Linux setpriority(2) is about the thread alone. Threads that it starts
/// inherit it.
pub(crate) fn lower_priority() {
    if getpriority_process(None).is_ok_and(|niceness| niceness < COMPUTING_NICENESS) {
        // Where it is forbidden, as in our unit, the process already has its niceness.
        let _ = setpriority_process(None, COMPUTING_NICENESS);
    }
}
