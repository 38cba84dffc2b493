//! How the allocator keeps memory that was freed.

/// Makes glibc return blocks of `bytes` and more to the system as soon as they are freed, and free memory beyond as much at the end
/// of a thread's heap. Otherwise both limits grow with the largest block that was ever freed, up to 32 and 64 MB for each heap.
///
/// Call it once, before threads start. Elsewhere than on Linux with glibc it does nothing.
pub fn return_large_blocks(bytes: u32) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc has no other way to set it")]
    // SAFETY: it sets numbers of the allocator, which has a lock for that.
    unsafe {
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, bytes);
        libc::mallopt(libc::M_TRIM_THRESHOLD, bytes);
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = bytes;
}
