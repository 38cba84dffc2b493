//! Printing to standard output, which may be closed any time: `steno jobs | head` is no error.

use std::io::{self, ErrorKind, Write as _};
use std::process;

/// Exit code of a program whose output nobody wants any more: 128 and SIGPIPE, as a shell reports it.
const EXIT_BROKEN_PIPE: i32 = 141;

/// Prints a line. Ends the program if it cannot.
pub(crate) fn line(text: &str) {
    if let Err(error) = bytes(format!("{text}\n").as_bytes()) {
        note(&format!("steno: cannot write to standard output: {error}"));
        process::exit(1);
    }
}

/// Prints a line for people to standard error. Where it cannot, nobody is there to be told.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints text as it is. Ends the program quietly if nobody reads it.
pub(crate) fn bytes(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let outcome = out.write_all(text).and_then(|()| out.flush());
    if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        process::exit(EXIT_BROKEN_PIPE);
    }
    outcome
}
