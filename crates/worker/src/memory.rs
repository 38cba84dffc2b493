//! Settings of the allocator. Called by `main` once, before threads start.

/// Blocks of this size and more go back to the system as soon as they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BLOCK: i32 = 4 << 20;

/// Makes glibc return large blocks to the system when they are freed. Otherwise it keeps some for each thread: a worker with eight slots
/// took 439 MB instead of 396.
pub fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc has no other way to set it")]
    // SAFETY: it sets a number of the allocator, which has a lock for that.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK);
    }
}
