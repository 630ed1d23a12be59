//! Configuration of this machine (krb5.conf(5)).

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::ptr;
use std::ptr::NonNull;

use super::{Library, readable};
use crate::KerberosError;

impl Library {
    /// Returns the default realm from `krb5.conf` and DNS.
    ///
    /// # Errors
    /// [`KerberosError::Configuration`] if the configuration is invalid or has no default realm.
    pub fn default_realm(&self) -> Result<String, KerberosError> {
        let settings = Settings::read(self)?;
        let mut realm = ptr::null_mut();
        // SAFETY: the settings are open; the realm is written on success.
        let code = unsafe { (self.krb5.krb5_get_default_realm)(settings.handle(), &raw mut realm) };
        if code != 0 || realm.is_null() {
            return Err(self.misconfigured(settings.handle(), code));
        }
        // SAFETY: on success it is a text that ends in NUL, and it is freed once, after the copy.
        unsafe {
            let copy = CStr::from_ptr(realm).to_string_lossy().into_owned();
            (self.krb5.krb5_free_default_realm)(settings.handle(), realm);
            Ok(copy)
        }
    }

    /// Returns the path of the default keytab, if it is a file.
    pub(crate) fn default_keytab(&self) -> Option<PathBuf> {
        let settings = Settings::read(self).ok()?;
        let mut name = [0_u8; 4_096];
        let length = c_int::try_from(name.len()).ok()?;
        // SAFETY: the settings are open; at most `length` octets are written.
        let code =
            unsafe { (self.krb5.krb5_kt_default_name)(settings.handle(), name.as_mut_ptr().cast(), length) };
        let name = CStr::from_bytes_until_nul(&name).ok().filter(|_| code == 0)?.to_bytes();
        let typed = name.strip_prefix(b"FILE:").or_else(|| name.strip_prefix(b"WRFILE:"));
        let path = typed.or_else(|| name.starts_with(b"/").then_some(name));
        path.map(|path| OsStr::from_bytes(path).into())
    }

    /// Creates an error with the library's message. `settings` may be null.
    fn misconfigured(&self, settings: *mut c_void, code: i32) -> KerberosError {
        // SAFETY: the function takes any code, and null settings; it returns a text that ends in NUL or null.
        let text = unsafe { (self.krb5.krb5_get_error_message)(settings, code) };
        if text.is_null() {
            return KerberosError::Configuration { cause: format!("error {code}") };
        }
        // SAFETY: as above; it is freed once, after the copy.
        let cause = unsafe {
            let copy = readable(CStr::from_ptr(text).to_bytes());
            (self.krb5.krb5_free_error_message)(settings, text);
            copy
        };
        KerberosError::Configuration { cause }
    }
}

/// Settings held by libkrb5; freed when dropped.
struct Settings<'a> {
    library: &'a Library,
    handle: NonNull<c_void>,
}

impl<'a> Settings<'a> {
    fn read(library: &'a Library) -> Result<Self, KerberosError> {
        let mut handle = ptr::null_mut();
        // SAFETY: it writes the pointer only on success.
        let code = unsafe { (library.krb5.krb5_init_context)(&raw mut handle) };
        let handle = NonNull::new(handle).filter(|_| code == 0);
        handle
            .map(|handle| Self { library, handle })
            .ok_or_else(|| library.misconfigured(ptr::null_mut(), code))
    }

    fn handle(&self) -> *mut c_void {
        self.handle.as_ptr()
    }
}

impl Drop for Settings<'_> {
    fn drop(&mut self) {
        // SAFETY: they are open and not used again.
        unsafe { (self.library.krb5.krb5_free_context)(self.handle()) };
    }
}
