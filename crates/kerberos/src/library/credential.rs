//! Credentials held by the library.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::ptr::NonNull;
use std::sync::Arc;

use super::buffer::borrowed;
use super::name::Name;
use super::symbols::{GssCredential, KeyValue, KeyValueSet, Oid, OidSet};
use super::{Failure, Library, oid};
use crate::{KERBEROS, MICROSOFT_KERBEROS};

/// Credentials held by the library, for both OIDs of Kerberos and no other mechanism; released when dropped.
pub(crate) struct Credential {
    library: Arc<Library>,
    handle: NonNull<GssCredential>,
}

// SAFETY: no thread owns credentials (see the top of `library.rs`).
unsafe impl Send for Credential {}

/// Usage of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Authenticate to services.
    Initiate,
    /// Authenticate clients.
    Accept,
}

/// Location of credentials, if not the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored<'a> {
    /// Ticket cache of a client, such as `FILE:/tmp/krb5cc_0`.
    Cache(&'a CStr),
    /// Keytab of a client.
    ClientKeytab(&'a CStr),
    /// Keytab of a service.
    Keytab(&'a CStr),
}

/// Information about credentials.
pub(crate) struct Inquiry {
    pub(crate) name: Option<Name>,
    /// Lifetime in seconds; all ones mean unlimited.
    pub(crate) lifetime: u32,
}

impl Credential {
    /// Opens stored credentials. Without a name, those are the default client or all keys of a service.
    ///
    /// `gss_acquire_cred` is this function without a list of stores, so it is not needed.
    pub(crate) fn acquire(
        library: &Arc<Library>,
        name: Option<&Name>,
        usage: Usage,
        stores: &[Stored<'_>],
    ) -> Result<Self, Failure> {
        let mut elements: Vec<KeyValue> = stores.iter().map(Stored::key_value).collect();
        // There are at most three stores.
        let count = u32::try_from(elements.len()).unwrap_or_default();
        let set = KeyValueSet { count, elements: elements.as_mut_ptr() };
        let set = if elements.is_empty() { ptr::null() } else { &raw const set };
        let name = name.map_or(ptr::null_mut(), Name::handle);
        Self::acquire_with(library, "gss_acquire_cred_from", usage, |minor, mechanisms, handle| {
            // SAFETY: all pointers are to values that outlive the call, and the library copies what it keeps.
            unsafe {
                (library.gss.gss_acquire_cred_from)(
                    minor,
                    name,
                    INDEFINITE,
                    mechanisms,
                    usage.number(),
                    set,
                    handle,
                    ptr::null_mut(),
                    ptr::null_mut(),
                )
            }
        })
    }

    /// Creates the credentials of a client with a password. The library keeps a copy of it until the credentials are
    /// dropped.
    pub(crate) fn with_password(
        library: &Arc<Library>,
        name: &Name,
        password: &str,
    ) -> Result<Self, Failure> {
        let password = borrowed(password.as_bytes());
        let usage = Usage::Initiate;
        Self::acquire_with(library, "gss_acquire_cred_with_password", usage, |minor, mechanisms, handle| {
            // SAFETY: as above.
            unsafe {
                (library.gss.gss_acquire_cred_with_password)(
                    minor,
                    name.handle(),
                    &raw const password,
                    INDEFINITE,
                    mechanisms,
                    usage.number(),
                    handle,
                    ptr::null_mut(),
                    ptr::null_mut(),
                )
            }
        })
    }

    /// Calls an acquire function, always with an explicit mechanism set: other mechanisms, built-in or installed, must
    /// not be used.
    fn acquire_with(
        library: &Arc<Library>,
        function: &'static str,
        usage: Usage,
        call: impl FnOnce(*mut u32, *const OidSet, *mut *mut GssCredential) -> u32,
    ) -> Result<Self, Failure> {
        let mut kerberos: [Oid; 2] = [oid(KERBEROS), oid(MICROSOFT_KERBEROS)];
        // A client uses only the first OID.
        let count = if usage == Usage::Accept { 2 } else { 1 };
        let mechanisms = OidSet { count, elements: kerberos.as_mut_ptr() };
        let (mut minor, mut handle) = (0, ptr::null_mut());
        let major = call(&raw mut minor, &raw const mechanisms, &raw mut handle);
        let credential = NonNull::new(handle).map(|handle| Self { library: Arc::clone(library), handle });
        library.outcome(function, major, minor)?;
        credential.ok_or_else(|| library.failure(function, major, minor))
    }

    /// Returns name and lifetime; requests the first ticket, if that has not been done.
    pub(crate) fn inquire(&self) -> Result<Inquiry, Failure> {
        let (mut minor, mut lifetime, mut name) = (0, 0, ptr::null_mut());
        // SAFETY: the credentials are open; all other pointers are to values of this frame, or null.
        let major = unsafe {
            (self.library.gss.gss_inquire_cred)(
                &raw mut minor,
                self.handle(),
                &raw mut name,
                &raw mut lifetime,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        // SAFETY: the handle is the library's, and there is no other reference to it.
        let name = unsafe { Name::of(&self.library, name) };
        self.library.outcome("gss_inquire_cred", major, minor)?;
        Ok(Inquiry { name, lifetime })
    }

    pub(super) fn handle(&self) -> *mut GssCredential {
        self.handle.as_ptr()
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        let (mut minor, mut handle) = (0, self.handle());
        // SAFETY: it is open and not used again.
        unsafe { (self.library.gss.gss_release_cred)(&raw mut minor, &raw mut handle) };
    }
}

impl Usage {
    fn number(self) -> c_int {
        match self {
            Self::Initiate => 1,
            Self::Accept => 2,
        }
    }
}

impl Stored<'_> {
    /// Returns a pair that is valid as long as the text.
    fn key_value(&self) -> KeyValue {
        let (key, value) = match self {
            Self::Cache(value) => (c"ccache", value),
            Self::ClientKeytab(value) => (c"client_keytab", value),
            Self::Keytab(value) => (c"keytab", value),
        };
        KeyValue { key: key.as_ptr(), value: value.as_ptr() }
    }
}

/// `GSS_C_INDEFINITE`
const INDEFINITE: u32 = u32::MAX;
