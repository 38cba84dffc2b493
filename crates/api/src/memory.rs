//! Gives memory that is free back to the system. glibc keeps what a burst of calls has used, for good.
//!
//! Called by the janitor.
#![expect(unsafe_code, reason = "malloc_trim has no safe wrapper")]

/// Returns free pages of all arenas to the system.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes the allocator's own locks and touches free memory alone.
    unsafe {
        libc::malloc_trim(0);
    }
}
