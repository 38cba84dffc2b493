//! Reaching into whisper.cpp while it works: stopping it, and keeping it from timestamps that its alignment cannot bear.
//!
//! Unsafe, because whisper-rs's safe setter for the abort callback is undefined behaviour in 0.16 (it calls
//! the closure through a pointer of another type). whisper.cpp asks after each encoder and decoder pass.
#![expect(
    unsafe_code,
    reason = "whisper-rs 0.16 has no sound safe way to set an abort callback"
)]

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;

use whisper_rs::FullParams;
use whisper_rs_sys::{whisper_context, whisper_state, whisper_token_data};

use super::log::note_stopped;
use crate::Control;

/// Timestamps of up to 0.14 s: text that ends there is aligned over fewer frames than the width of the alignment's filter,
/// and whisper.cpp 1.8.3 ends the process.
const TOO_EARLY: usize = 7;

/// A control in a place that does not move while whisper.cpp points to it: the parameters borrow it.
pub(super) struct RunHook<'a> {
    /// A fat pointer has to be pointed to: C passes one word on.
    control: &'a dyn Control,
    /// The token of the time 0, for runs that are aligned.
    first_timestamp: Option<usize>,
}

/// Parameters that whisper.cpp may only use while the hook they point to lives.
pub(super) struct HookedParams<'hook, 'p> {
    params: FullParams<'p, 'p>,
    hook: PhantomData<&'hook RunHook<'hook>>,
}

impl<'a> RunHook<'a> {
    /// `first_timestamp` is given for runs that are aligned.
    pub(super) fn new(control: &'a dyn Control, first_timestamp: Option<i32>) -> Self {
        Self {
            control,
            first_timestamp: first_timestamp.map(|token| token as usize),
        }
    }

    /// Makes a run with these parameters end when the control says so.
    pub(super) fn attach<'hook, 'p>(
        &'hook self,
        mut params: FullParams<'p, 'p>,
    ) -> HookedParams<'hook, 'p> {
        let control: *const &'a dyn Control = &raw const self.control;
        // SAFETY: `should_abort` has the signature of ggml_abort_callback and only reads through the pointer, which is valid
        // for as long as the hook, and so for as long as `HookedParams`, which borrows it, can be used.
        unsafe {
            params.set_abort_callback(Some(should_abort));
            params.set_abort_callback_user_data(control.cast_mut().cast::<c_void>());
        }
        if let Some(first_timestamp) = &self.first_timestamp {
            let token: *const usize = first_timestamp;
            // SAFETY: as above; `refuse_early_timestamps` has the signature of whisper_logits_filter_callback.
            unsafe {
                params.set_filter_logits_callback(Some(refuse_early_timestamps));
                params.set_filter_logits_callback_user_data(token.cast_mut().cast::<c_void>());
            }
        }
        HookedParams {
            params,
            hook: PhantomData,
        }
    }
}

impl<'p> HookedParams<'_, 'p> {
    /// Runs whisper.cpp over `samples` while the hook is borrowed.
    pub(super) fn run(
        self,
        state: &mut whisper_rs::WhisperState,
        samples: &[f32],
    ) -> Result<(), whisper_rs::WhisperError> {
        let params: FullParams<'p, 'p> = self.params;
        let outcome = state.full(params, samples);

        // What this thread does next may fail for real.
        note_stopped(false);
        outcome
    }
}

/// # Safety
/// `control` is the pointer that `attach` set, during its run.
unsafe extern "C" fn should_abort(control: *mut c_void) -> bool {
    // SAFETY: `attach` set this pointer, and the hook it points into outlives the run.
    let control = unsafe { &*control.cast::<&dyn Control>() };
    // An unwinding panic must not cross into C: the implementers only read and write atomics.
    let is_stopped = control.should_stop();
    if is_stopped {
        note_stopped(true);
    }
    is_stopped
}

/// # Safety
/// `first_timestamp` is the pointer that `attach` set, during its run, and `logits` are those of the whole vocabulary.
unsafe extern "C" fn refuse_early_timestamps(
    _: *mut whisper_context,
    _: *mut whisper_state,
    _: *const whisper_token_data,
    _: c_int,
    logits: *mut f32,
    first_timestamp: *mut c_void,
) {
    // SAFETY: `attach` set this pointer, and the hook it points into outlives the run. The logits are those of the whole
    // vocabulary, whose last 1501 tokens are the timestamps.
    unsafe {
        let first_timestamp = *first_timestamp.cast::<usize>();
        for token in first_timestamp + 1..=first_timestamp + TOO_EARLY {
            logits.add(token).write(f32::NEG_INFINITY);
        }
    }
}

/// Calls the abort callback as whisper.cpp does, with a control that says `should_stop`.
#[cfg(test)]
pub(super) fn ask_to_abort(should_stop: bool) {
    struct Fixed(bool);

    impl Control for Fixed {
        fn should_stop(&self) -> bool {
            self.0
        }
    }

    let fixed = Fixed(should_stop);
    let hook = RunHook::new(&fixed, None);
    let control: *const &dyn Control = &raw const hook.control;
    // SAFETY: as in `attach`; the hook lives until the call returns.
    let is_aborted = unsafe { should_abort(control.cast_mut().cast::<c_void>()) };
    assert_eq!(is_aborted, should_stop);
}
