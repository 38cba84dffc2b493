//! Printing to standard output, which may be closed any time: `steno jobs | head` is no error.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::process;

/// Exit code of a program whose output is closed: 128 and SIGPIPE, as a shell reports it.
const EXIT_BROKEN_PIPE: i32 = 141;

/// Prints a line. Ends the program if it cannot.
#[expect(
    clippy::disallowed_methods,
    reason = "the output is closed, and nothing is left to do"
)]
pub(crate) fn line(text: &str) {
    if let Err(error) = bytes(format!("{text}\n").as_bytes()) {
        note(&format!("steno: cannot write to standard output: {error}"));
        process::exit(1);
    }
}

/// Prints a line for people. Ends the program if it cannot.
pub(crate) fn text_line(text: &str) {
    line(&shown(text));
}

/// Prints a line for people to standard error. An error is ignored: there is nowhere to report it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", shown(text));
}

/// The name of a file on one line.
pub(crate) fn name(path: &Path) -> String {
    shown(&path.to_string_lossy())
        .replace('\n', r"\n")
        .replace('\t', r"\t")
}

/// Text as a terminal may get it. Names of files and texts of a server may hold characters that move the cursor, rename the window
/// or reverse the direction of writing; these are written as escapes.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_terminals) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if acts_on_terminals(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn acts_on_terminals(c: char) -> bool {
    let reverses =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reverses || (c.is_control() && c != '\n' && c != '\t')
}

/// Prints text unchanged. Ends the program quietly if the output is closed.
#[expect(
    clippy::disallowed_methods,
    reason = "the output is closed, and nothing is left to do"
)]
pub(crate) fn bytes(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let outcome = out.write_all(text).and_then(|()| out.flush());
    if outcome
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
    {
        process::exit(EXIT_BROKEN_PIPE);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown_instead() {
        assert_eq!(
            shown("plain – tëxt\n\tof two lines"),
            "plain – tëxt\n\tof two lines"
        );
        assert_eq!(
            shown("\u{1b}]0;title\u{7}\r\u{9b}2J"),
            r"\u{1b}]0;title\u{7}\r\u{9b}2J"
        );
        assert_eq!(shown("talk\u{202e}3pm.exe"), r"talk\u{202e}3pm.exe");
        assert_eq!(name(Path::new("a\nb.wav")), r"a\nb.wav");
    }
}
