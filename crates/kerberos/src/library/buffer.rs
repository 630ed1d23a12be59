//! Buffers passed to and from the library.

use std::ffi::c_void;
use std::ptr;
use std::slice;

use zeroize::Zeroize as _;

use super::Library;
use super::symbols::Buffer;

/// Returns a buffer that the library reads during one call.
pub(super) fn borrowed(octets: &[u8]) -> Buffer {
    Buffer { length: octets.len(), value: octets.as_ptr().cast_mut().cast::<c_void>() }
}

/// Empty buffer.
pub(super) const EMPTY: Buffer = Buffer { length: 0, value: ptr::null_mut() };

/// A buffer allocated by the library; released when dropped.
pub(super) struct Owned<'a> {
    library: &'a Library,
    /// INVARIANT: empty, or as written by a function of the library.
    buffer: Buffer,
}

impl<'a> Owned<'a> {
    pub(super) fn empty(library: &'a Library) -> Self {
        Self { library, buffer: EMPTY }
    }

    /// Returns the output pointer for one function of the library.
    pub(super) fn out(&mut self) -> *mut Buffer {
        &raw mut self.buffer
    }

    pub(super) fn octets(&self) -> &[u8] {
        if self.buffer.value.is_null() {
            return &[];
        }
        // SAFETY: by the invariant it points to `length` octets, which are not changed while they are borrowed.
        unsafe { slice::from_raw_parts(self.buffer.value.cast(), self.buffer.length) }
    }

    /// Zeroes the buffer, which contained keys.
    pub(super) fn wipe(&mut self) {
        if !self.buffer.value.is_null() {
            // SAFETY: as above; the borrow is exclusive.
            unsafe { slice::from_raw_parts_mut(self.buffer.value.cast::<u8>(), self.buffer.length) }
                .zeroize();
        }
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: by the invariant the library owns it; it is released once.
        unsafe { (self.library.gss.gss_release_buffer)(&raw mut minor, &raw mut self.buffer) };
    }
}
