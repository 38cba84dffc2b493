//! How the allocator treats freed memory.

/// Blocks of this size and more go back to the system as soon as they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BLOCK: i32 = 4 << 20;

/// Gives large blocks back to the system when they are freed. glibc would keep them, for each thread apart, after the first ones: a worker
/// with eight slots took 430 MB instead of 390.
pub fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc has no other way to set it")]
    // SAFETY: it sets a number of the allocator, which has a lock for that.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK);
    }
}
