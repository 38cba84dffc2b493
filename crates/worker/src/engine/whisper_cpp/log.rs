//! The log lines of whisper.cpp and ggml, as events of tracing. Installed by the worker's `main`.
//!
//! A run that a control stops is no error: what whisper.cpp says about it is logged at debug level.
#![expect(unsafe_code, reason = "whisper-rs has no filter for its log lines")]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use tracing::Level;
use whisper_rs_sys::{
    ggml_log_level, ggml_log_level_GGML_LOG_LEVEL_ERROR as ERROR,
    ggml_log_level_GGML_LOG_LEVEL_INFO as INFO, ggml_log_level_GGML_LOG_LEVEL_WARN as WARN,
};

/// The target that whisper-rs gives these lines, so that filters in `STENO_LOG` stay valid.
const TARGET: &str = "whisper_rs::whisper_logging_hook";

thread_local! {
    /// Whether the run of this thread was stopped. whisper.cpp logs on the thread that runs it.
    static IS_STOPPED: Cell<bool> = const { Cell::new(false) };
}

/// Sends the lines of whisper.cpp and ggml to the log of this process.
pub fn log_engine() {
    // SAFETY: `log_line` has the signature of ggml_log_callback, uses no user data and lives as long as the process.
    unsafe { whisper_rs_sys::whisper_log_set(Some(log_line), ptr::null_mut()) }
}

/// Notes whether the run of this thread was stopped by its control.
pub(super) fn note_stopped(is_stopped: bool) {
    IS_STOPPED.set(is_stopped);
}

/// # Safety
/// `text` is null or a string that ends with a zero byte.
unsafe extern "C" fn log_line(level: ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: ggml passes a string that ends with a zero byte and stays while it is logged.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim();

    match level_of(level) {
        Level::ERROR => tracing::error!(target: TARGET, "{text}"),
        Level::WARN => tracing::warn!(target: TARGET, "{text}"),
        Level::INFO => tracing::info!(target: TARGET, "{text}"),
        _ => tracing::debug!(target: TARGET, "{text}"),
    }
}

fn level_of(level: ggml_log_level) -> Level {
    match level {
        ERROR if IS_STOPPED.get() => Level::DEBUG,
        ERROR => Level::ERROR,
        WARN => Level::WARN,
        INFO => Level::INFO,
        _ => Level::DEBUG,
    }
}

#[cfg(test)]
mod tests {
    use super::super::hook;
    use super::*;

    #[test]
    fn what_is_logged_about_a_stopped_run_is_no_error() {
        hook::ask_to_abort(false);
        assert_eq!(level_of(ERROR), Level::ERROR);

        hook::ask_to_abort(true);
        assert_eq!(level_of(ERROR), Level::DEBUG);
        assert_eq!(level_of(WARN), Level::WARN);

        note_stopped(false);
        assert_eq!(level_of(ERROR), Level::ERROR, "the next run");
    }
}
