//! Tests that cannot run on a machine.

use std::fs::OpenOptions;
use std::io::Write;
use std::thread;

/// Says that the running test, or a part of it, is left out because this machine lacks something. The test must end without a
/// failure after that.
///
/// `make test` names a file in `SKIPPED_TESTS_LOG`, to which the test's name and `reason` are added, and prints it at its end: the test
/// runner hides the output of tests that pass. With `SKIP_TESTS=never` the test fails.
#[expect(clippy::disallowed_methods, reason = "settings of tests, not of Steno")]
pub fn skip(reason: &str) {
    let current = thread::current();
    let test = current.name().unwrap_or("a test");
    let is_forbidden = std::env::var("SKIP_TESTS").is_ok_and(|policy| policy == "never");
    assert!(!is_forbidden, "{test} cannot run here: {reason}");

    let line = format!("skipped: {test}: {reason}\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os("SKIPPED_TESTS_LOG") {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}
