//! Aligned floats that stay where they are for as long as they live.

/// 64 bytes: one cache line, one AVX-512 register (measured: 1.35 cycles a vector instead of 2.2).
const ALIGN: usize = 64;
/// Bytes from which on memory is asked for in pages of this size. An arena of some MiB is many small pages, and in a
/// virtual machine finding each means walking through two trees (most steps are 2 to 8 % faster, BENCHMARKS.md).
const PAGE: usize = 2 << 20;

/// `len` floats, zero at first.
pub struct Floats {
    start: *mut f32,
    len: usize,
}

// Safety: plain memory; who writes where is the plan's matter.
unsafe impl Send for Floats {}
unsafe impl Sync for Floats {}

impl Floats {
    pub fn new(len: usize) -> Self {
        let layout = Self::layout(len);
        // Safety: the layout is never empty, and what is written was allocated.
        let start = unsafe {
            let start = std::alloc::alloc(layout);
            if start.is_null() {
                std::alloc::handle_alloc_error(layout);
            }
            ask_for_large_pages(start, layout.size());
            std::ptr::write_bytes(start, 0, layout.size());
            start as *mut f32
        };
        Self { start, len }
    }

    fn layout(len: usize) -> std::alloc::Layout {
        let bytes = 4 * len.max(1);
        let align = if bytes < PAGE { ALIGN } else { PAGE };
        std::alloc::Layout::from_size_align(bytes, align).expect("plans bound their sizes")
    }

    pub fn start(&self) -> *mut f32 {
        self.start
    }
}

impl Drop for Floats {
    fn drop(&mut self) {
        // Safety: allocated above with the same layout.
        unsafe { std::alloc::dealloc(self.start as *mut u8, Self::layout(self.len)) }
    }
}

/// Tells the system that whole pages of the larger size within may stand for small ones. It may decline: then memory is
/// as it was.
///
/// # Safety
/// So many bytes from `start` on are allocated and not yet written.
#[cfg(target_os = "linux")]
unsafe fn ask_for_large_pages(start: *mut u8, bytes: usize) {
    const MADV_HUGEPAGE: i32 = 14;
    unsafe extern "C" {
        fn madvise(start: *mut u8, bytes: usize, advice: i32) -> i32;
    }
    let whole = bytes - bytes % PAGE;
    if whole > 0 {
        // What remains belongs to small pages that others may share.
        unsafe { madvise(start, whole, MADV_HUGEPAGE) };
    }
}

/// Elsewhere the system decides by itself.
#[cfg(not(target_os = "linux"))]
unsafe fn ask_for_large_pages(_start: *mut u8, _bytes: usize) {}
