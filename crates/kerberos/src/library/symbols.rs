//! Functions of libgssapi_krb5 and libkrb5, declared as in `gssapi/gssapi.h`, `gssapi/gssapi_ext.h` and `krb5.h`.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr::NonNull;

use crate::KerberosError;

/// Declares each function once, as a typed field and as a symbol name.
macro_rules! symbols {
    ($table:ident: $($symbol:ident($($argument:ty),* $(,)?) $(-> $result:ty)?;)+) => {
        /// Function pointers of a library.
        #[derive(Debug)]
        pub(super) struct $table {
            $(pub(super) $symbol: unsafe extern "C" fn($($argument),*) $(-> $result)?,)+
        }

        impl $table {
            fn find(library: &Loaded) -> Result<Self, KerberosError> {
                Ok(Self {
                    $($symbol: {
                        let found = library.require(stringify!($symbol), concat!(stringify!($symbol), "\0"))?;
                        // SAFETY: a pointer to data and one to a function have the same size wherever there is
                        // dlsym (POSIX), and the headers declare the symbol with exactly the type it gets here.
                        unsafe {
                            transmute::<
                                NonNull<c_void>,
                                unsafe extern "C" fn($($argument),*) $(-> $result)?,
                            >(found)
                        }
                    },)+
                })
            }
        }
    };
}

symbols! { Gss:
    gss_accept_sec_context(
        *mut u32, *mut *mut GssContext, *mut GssCredential, *const Buffer, *const ChannelBindings, *mut *mut GssName,
        *mut *mut Oid, *mut Buffer, *mut u32, *mut u32, *mut *mut GssCredential,
    ) -> u32;
    gss_acquire_cred_from(
        *mut u32, *mut GssName, u32, *const OidSet, c_int, *const KeyValueSet, *mut *mut GssCredential,
        *mut *mut OidSet, *mut u32,
    ) -> u32;
    gss_acquire_cred_with_password(
        *mut u32, *mut GssName, *const Buffer, u32, *const OidSet, c_int, *mut *mut GssCredential, *mut *mut OidSet,
        *mut u32,
    ) -> u32;
    gss_delete_sec_context(*mut u32, *mut *mut GssContext, *mut Buffer) -> u32;
    gss_display_name(*mut u32, *mut GssName, *mut Buffer, *mut *mut Oid) -> u32;
    gss_display_status(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32;
    gss_export_sec_context(*mut u32, *mut *mut GssContext, *mut Buffer) -> u32;
    gss_get_mic(*mut u32, *mut GssContext, u32, *const Buffer, *mut Buffer) -> u32;
    gss_get_name_attribute(
        *mut u32, *mut GssName, *const Buffer, *mut c_int, *mut c_int, *mut Buffer, *mut Buffer, *mut c_int,
    ) -> u32;
    gss_import_name(*mut u32, *const Buffer, *const Oid, *mut *mut GssName) -> u32;
    gss_import_sec_context(*mut u32, *const Buffer, *mut *mut GssContext) -> u32;
    gss_init_sec_context(
        *mut u32, *mut GssCredential, *mut *mut GssContext, *mut GssName, *const Oid, u32, u32,
        *const ChannelBindings, *const Buffer, *mut *mut Oid, *mut Buffer, *mut u32, *mut u32,
    ) -> u32;
    gss_inquire_context(
        *mut u32, *mut GssContext, *mut *mut GssName, *mut *mut GssName, *mut u32, *mut *mut Oid, *mut u32,
        *mut c_int, *mut c_int,
    ) -> u32;
    gss_inquire_cred(
        *mut u32, *mut GssCredential, *mut *mut GssName, *mut u32, *mut c_int, *mut *mut OidSet,
    ) -> u32;
    gss_localname(*mut u32, *mut GssName, *const Oid, *mut Buffer) -> u32;
    gss_release_buffer(*mut u32, *mut Buffer) -> u32;
    gss_release_cred(*mut u32, *mut *mut GssCredential) -> u32;
    gss_release_iov_buffer(*mut u32, *mut IovBuffer, c_int) -> u32;
    gss_release_name(*mut u32, *mut *mut GssName) -> u32;
    gss_unwrap(*mut u32, *mut GssContext, *const Buffer, *mut Buffer, *mut c_int, *mut u32) -> u32;
    gss_unwrap_iov(*mut u32, *mut GssContext, *mut c_int, *mut u32, *mut IovBuffer, c_int) -> u32;
    gss_verify_mic(*mut u32, *mut GssContext, *const Buffer, *const Buffer, *mut u32) -> u32;
    gss_wrap_iov(*mut u32, *mut GssContext, c_int, u32, *mut c_int, *mut IovBuffer, c_int) -> u32;
}

// Functions of `gssapi/gssapi_krb5.h`, which other implementations lack.
symbols! { GssKrb5:
    gss_inquire_sec_context_by_oid(*mut u32, *mut GssContext, *const Oid, *mut *mut BufferSet) -> u32;
    gss_release_buffer_set(*mut u32, *mut *mut BufferSet) -> u32;
    gss_krb5_export_lucid_sec_context(*mut u32, *mut *mut GssContext, u32, *mut *mut c_void) -> u32;
    gss_krb5_free_lucid_sec_context(*mut u32, *mut c_void) -> u32;
}

symbols! { Krb5:
    krb5_init_context(*mut *mut c_void) -> i32;
    krb5_free_context(*mut c_void);
    krb5_get_default_realm(*mut c_void, *mut *mut c_char) -> i32;
    krb5_free_default_realm(*mut c_void, *mut c_char);
    krb5_kt_default_name(*mut c_void, *mut c_char, c_int) -> i32;
    krb5_get_error_message(*mut c_void, i32) -> *const c_char;
    krb5_free_error_message(*mut c_void, *const c_char);
}

impl Gss {
    pub(super) fn load(name: &'static CStr) -> Result<Self, KerberosError> {
        Self::find(&Loaded::open(name)?)
    }
}

impl GssKrb5 {
    pub(super) fn load(name: &'static CStr) -> Result<Self, KerberosError> {
        Self::find(&Loaded::open(name)?)
    }
}

impl Krb5 {
    pub(super) fn load(name: &'static CStr) -> Result<Self, KerberosError> {
        Self::find(&Loaded::open(name)?)
    }
}

/// A loaded library. It is never unloaded, because it registers callbacks with the process.
struct Loaded {
    name: &'static CStr,
    handle: NonNull<c_void>,
}

impl Loaded {
    fn open(name: &'static CStr) -> Result<Self, KerberosError> {
        // SAFETY: the name ends in NUL. Loading runs the constructors of the library and of what it needs, which
        // is what every program that links to it does.
        let handle = unsafe { dlopen(name.as_ptr(), RTLD_NOW) };
        let handle = NonNull::new(handle).ok_or_else(|| KerberosError::Missing { cause: linker_error() })?;
        Ok(Self { name, handle })
    }

    /// Looks up a function. `symbol` and `with_nul` are the same name.
    fn require(
        &self,
        symbol: &'static str,
        with_nul: &'static str,
    ) -> Result<NonNull<c_void>, KerberosError> {
        self.find(with_nul)
            .ok_or_else(|| KerberosError::Symbol { library: self.name.to_str().unwrap_or_default(), symbol })
    }

    fn find(&self, with_nul: &'static str) -> Option<NonNull<c_void>> {
        let name = CStr::from_bytes_with_nul(with_nul.as_bytes()).ok()?;
        // SAFETY: the handle is that of a loaded library, and the name ends in NUL.
        NonNull::new(unsafe { dlsym(self.handle.as_ptr(), name.as_ptr()) })
    }
}

/// Returns the message of the last dynamic linker error in this thread.
fn linker_error() -> String {
    // SAFETY: dlerror has no conditions; its text, if any, ends in NUL and stays until the next call here.
    let text = unsafe { dlerror() };
    if text.is_null() {
        return "cannot load the library".to_owned();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// `struct gss_name_struct`, an opaque type.
#[repr(C)]
pub(super) struct GssName {
    private: [u8; 0],
}

/// `struct gss_cred_id_struct`, an opaque type.
#[repr(C)]
pub(super) struct GssCredential {
    private: [u8; 0],
}

/// `struct gss_ctx_id_struct`, an opaque type.
#[repr(C)]
pub(super) struct GssContext {
    private: [u8; 0],
}

/// `gss_buffer_desc`
#[repr(C)]
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) length: usize,
    pub(super) value: *mut c_void,
}

/// `gss_buffer_set_desc`
#[repr(C)]
pub(super) struct BufferSet {
    pub(super) count: usize,
    pub(super) elements: *mut Buffer,
}

/// `gss_krb5_lucid_key_t`
#[repr(C)]
pub(super) struct LucidKey {
    pub(super) kind: u32,
    pub(super) length: u32,
    pub(super) data: *const c_void,
}

/// `gss_krb5_rfc1964_keydata_t`
#[repr(C)]
pub(super) struct LucidKeysOfRfc1964 {
    pub(super) signing: u32,
    pub(super) sealing: u32,
    pub(super) key: LucidKey,
}

/// `gss_krb5_cfx_keydata_t`
#[repr(C)]
pub(super) struct LucidKeys {
    pub(super) has_acceptor_key: u32,
    pub(super) key: LucidKey,
    pub(super) acceptor_key: LucidKey,
}

/// `gss_krb5_lucid_context_v1_t`
#[repr(C)]
pub(super) struct LucidContext {
    pub(super) version: u32,
    pub(super) is_initiator: u32,
    pub(super) end: u32,
    pub(super) next_sent: u64,
    pub(super) next_received: u64,
    pub(super) protocol: u32,
    pub(super) keys_of_rfc1964: LucidKeysOfRfc1964,
    pub(super) keys: LucidKeys,
}

/// `gss_OID_desc`
#[repr(C)]
pub(super) struct Oid {
    pub(super) length: u32,
    pub(super) elements: *mut c_void,
}

/// `gss_OID_set_desc`
#[repr(C)]
pub(super) struct OidSet {
    pub(super) count: usize,
    pub(super) elements: *mut Oid,
}

/// `struct gss_channel_bindings_struct`
#[repr(C)]
pub(super) struct ChannelBindings {
    pub(super) initiator_address_type: u32,
    pub(super) initiator_address: Buffer,
    pub(super) acceptor_address_type: u32,
    pub(super) acceptor_address: Buffer,
    pub(super) application_data: Buffer,
}

/// `gss_iov_buffer_desc`
#[repr(C)]
pub(super) struct IovBuffer {
    pub(super) kind: u32,
    pub(super) buffer: Buffer,
}

/// `gss_key_value_element_desc`
#[repr(C)]
pub(super) struct KeyValue {
    pub(super) key: *const c_char,
    pub(super) value: *const c_char,
}

/// `gss_key_value_set_desc`
#[repr(C)]
pub(super) struct KeyValueSet {
    pub(super) count: u32,
    pub(super) elements: *mut KeyValue,
}

// SAFETY: declared as in dlopen(3), dlsym(3) and dlerror(3), with which std itself is linked.
unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, symbol: *const c_char) -> *mut c_void;
    fn dlerror() -> *const c_char;
}

const RTLD_NOW: c_int = 2;
