//! Stopping whisper.cpp in the middle of its work.
//!
//! The one place with unsafe code: whisper-rs's safe setter for the abort callback is undefined behaviour in 0.16 (it calls
//! the closure through a pointer of another type). whisper.cpp asks after each encoder and decoder pass.
#![expect(unsafe_code, reason = "whisper-rs 0.16 has no sound safe way to set an abort callback")]

use std::ffi::c_void;
use std::marker::PhantomData;

use whisper_rs::FullParams;

use crate::audio::Control;

/// A control in a place that does not move while whisper.cpp points to it: the parameters borrow it.
pub(super) struct AbortHook<'a> {
    /// A fat pointer has to be pointed to: C passes one word on.
    control: &'a dyn Control,
}

/// Parameters that whisper.cpp may only use while the hook they point to lives.
pub(super) struct HookedParams<'hook, 'p> {
    params: FullParams<'p, 'p>,
    hook: PhantomData<&'hook AbortHook<'hook>>,
}

impl<'a> AbortHook<'a> {
    pub(super) fn new(control: &'a dyn Control) -> Self {
        Self { control }
    }

    /// Makes a run with these parameters end when the control says so.
    pub(super) fn attach<'hook, 'p>(&'hook self, mut params: FullParams<'p, 'p>) -> HookedParams<'hook, 'p> {
        let control: *const &'a dyn Control = &raw const self.control;
        // SAFETY: `should_abort` has the signature of ggml_abort_callback and only reads through the pointer, which is valid
        // for as long as the hook, and so for as long as `HookedParams`, which borrows it, can be used.
        unsafe {
            params.set_abort_callback(Some(should_abort));
            params.set_abort_callback_user_data(control.cast_mut().cast::<c_void>());
        }
        HookedParams { params, hook: PhantomData }
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
        state.full(params, samples)
    }
}

unsafe extern "C" fn should_abort(control: *mut c_void) -> bool {
    // SAFETY: `attach` set this pointer, and the hook it points into outlives the run.
    let control = unsafe { &*control.cast::<&dyn Control>() };
    // An unwinding panic must not cross into C: the implementers only read and write atomics.
    control.should_stop()
}
