//! Octets to and from the library.

use std::ffi::c_void;
use std::ptr;
use std::slice;

use zeroize::Zeroize as _;

use super::Library;
use super::symbols::Buffer;

/// Octets that the library is to read during one call.
pub(super) fn lent(octets: &[u8]) -> Buffer {
    Buffer { length: octets.len(), value: octets.as_ptr().cast_mut().cast::<c_void>() }
}

/// No octets at all.
pub(super) const NOTHING: Buffer = Buffer { length: 0, value: ptr::null_mut() };

/// Octets that the library has allocated; released when dropped.
pub(super) struct Owned<'a> {
    library: &'a Library,
    /// INVARIANT: empty, or as a function of the library has written it.
    buffer: Buffer,
}

impl<'a> Owned<'a> {
    pub(super) fn empty(library: &'a Library) -> Self {
        Self { library, buffer: NOTHING }
    }

    /// Where one function of the library, and nobody else, writes its result.
    pub(super) fn out(&mut self) -> *mut Buffer {
        &raw mut self.buffer
    }

    pub(super) fn octets(&self) -> &[u8] {
        if self.buffer.value.is_null() {
            return &[];
        }
        // SAFETY: by the invariant it points to so many octets, which nobody changes while they are borrowed.
        unsafe { slice::from_raw_parts(self.buffer.value.cast(), self.buffer.length) }
    }

    /// Overwrites what was keys.
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
