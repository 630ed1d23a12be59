//! Names held by the library.

use std::ptr;
use std::ptr::NonNull;
use std::sync::Arc;

use super::buffer::{Owned, borrowed};
use super::symbols::GssName;
use super::{Failure, Library, oid};
use crate::KERBEROS;

/// A name held by the library; released when dropped.
pub(crate) struct Name {
    library: Arc<Library>,
    handle: NonNull<GssName>,
}

// SAFETY: a name is never changed once it is made, and no thread owns it (see the top of `library.rs`).
unsafe impl Send for Name {}

/// Form of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameForm {
    /// Host-based service `service@host`; `krb5.conf` determines the realm (RFC 2743 4.1).
    HostService,
    /// Principal `name/instance@REALM` (RFC 1964 2.1.1).
    Principal,
}

impl Name {
    pub(crate) fn import(library: &Arc<Library>, text: &str, form: NameForm) -> Result<Self, Failure> {
        let (text, form) = (borrowed(text.as_bytes()), oid(form.oid()));
        let (mut minor, mut handle) = (0, ptr::null_mut());
        // SAFETY: all pointers are to values of this frame; text and form are copied.
        let major = unsafe {
            (library.gss.gss_import_name)(&raw mut minor, &raw const text, &raw const form, &raw mut handle)
        };
        // SAFETY: the handle is the library's, and there is no other reference to it.
        let name = unsafe { Self::of(library, handle) };
        library.outcome("gss_import_name", major, minor)?;
        name.ok_or_else(|| library.failure("gss_import_name", major, minor))
    }

    /// # Safety
    /// The handle must be null or a name of the library; the result becomes its only owner.
    pub(super) unsafe fn of(library: &Arc<Library>, handle: *mut GssName) -> Option<Self> {
        NonNull::new(handle).map(|handle| Self { library: Arc::clone(library), handle })
    }

    pub(super) fn handle(&self) -> *mut GssName {
        self.handle.as_ptr()
    }

    /// Formats the complete name, like `krb5_unparse_name`.
    pub(crate) fn display(&self) -> Result<Vec<u8>, Failure> {
        let mut text = Owned::empty(&self.library);
        let mut minor = 0;
        // SAFETY: the name is open; the text is released with `text`.
        let major = unsafe {
            (self.library.gss.gss_display_name)(&raw mut minor, self.handle(), text.out(), ptr::null_mut())
        };
        self.library.outcome("gss_display_name", major, minor)?;
        Ok(text.octets().to_vec())
    }

    /// Returns the value of an attribute (RFC 6680 7.5), if the name has it and the library has verified who has issued
    /// it.
    pub(crate) fn verified_attribute(&self, attribute: &str) -> Option<Vec<u8>> {
        let attribute = borrowed(attribute.as_bytes());
        let (mut value, mut shown) = (Owned::empty(&self.library), Owned::empty(&self.library));
        let (mut minor, mut is_verified, mut is_complete) = (0, 0, 0);
        // The first value; an attribute of a ticket has only one.
        let mut more = -1;
        // SAFETY: the name is open, and all pointers are to values of this frame; the buffers are released with
        // `value` and `shown`.
        let major = unsafe {
            (self.library.gss.gss_get_name_attribute)(
                &raw mut minor,
                self.handle(),
                &raw const attribute,
                &raw mut is_verified,
                &raw mut is_complete,
                value.out(),
                shown.out(),
                &raw mut more,
            )
        };
        self.library.outcome("gss_get_name_attribute", major, minor).ok()?;
        (is_verified != 0).then(|| value.octets().to_vec())
    }

    /// Returns the account name that the `auth_to_local` rules of `krb5.conf` derive.
    pub(crate) fn local_name(&self) -> Result<Vec<u8>, Failure> {
        let mechanism = oid(KERBEROS);
        let mut text = Owned::empty(&self.library);
        let mut minor = 0;
        // SAFETY: as above.
        let major = unsafe {
            (self.library.gss.gss_localname)(&raw mut minor, self.handle(), &raw const mechanism, text.out())
        };
        self.library.outcome("gss_localname", major, minor)?;
        Ok(text.octets().to_vec())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let (mut minor, mut handle) = (0, self.handle());
        // SAFETY: it is open and not used again.
        unsafe { (self.library.gss.gss_release_name)(&raw mut minor, &raw mut handle) };
    }
}

impl NameForm {
    fn oid(self) -> &'static [u8] {
        match self {
            // 1.2.840.113554.1.2.1.4
            Self::HostService => b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04",
            // 1.2.840.113554.1.2.2.1
            Self::Principal => b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01",
        }
    }
}
