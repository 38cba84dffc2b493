//! The way long work is watched and stopped. Decoder, engine and tasks share it; none of them sees the
//! queue for it.

/// How a caller watches and stops work that takes long.
pub trait Control {
    /// Called at least every few seconds by the work: a sign of life. Returns true when the work
    /// should stop.
    fn should_stop(&self) -> bool;
}

impl Control for steno_runner::TaskControl {
    fn should_stop(&self) -> bool {
        self.should_stop()
    }
}
