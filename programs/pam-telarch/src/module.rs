//! Functions that libpam calls, and those of libpam that they call; the only module of this crate with foreign code.
//!
//! libpam passes its handle and the arguments of the configuration line as C strings (pam_sm_authenticate(3),
//! pam_sm_chauthtok(3)). The functions of libpam are looked up at run time, so that building the module needs no
//! headers or libraries of PAM.
//!
//! Safety rests on two assumptions: libpam calls the exported functions as its manual pages describe, and the
//! declarations below are those of Linux-PAM's `security/pam_modules.h` and `security/pam_ext.h`.
//!
//! No panic leaves this module: it would be undefined behaviour in a foreign program, so every call is inside
//! `catch_unwind`. The standard library is linked statically, so its panic hook is that of this module only.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::transmute;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Once;
use std::time::SystemTime;

use auth::Secret;

use crate::options::Options;
use crate::sign_in::{Machine, Message, Severity};

/// Called after a user has given a password.
///
/// # Safety
/// As pam_sm_authenticate(3) describes: `handle` is that of a transaction, and `arguments` points to `count` C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_sm_authenticate(
    handle: *mut c_void,
    _flags: c_int,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    // SAFETY: promised by the caller.
    unsafe { store(handle, count, arguments) }
}

/// Called before and after a password is changed.
///
/// # Safety
/// As for [`pam_sm_authenticate`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_sm_chauthtok(
    handle: *mut c_void,
    flags: c_int,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    // The first of two calls precedes the change.
    if flags & PAM_UPDATE_AUTHTOK == 0 {
        return PAM_IGNORE;
    }
    // SAFETY: promised by the caller.
    unsafe { store(handle, count, arguments) }
}

/// Called where a stack that contains this module establishes or deletes credentials; does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn pam_sm_setcred(
    _handle: *mut c_void,
    _flags: c_int,
    _count: c_int,
    _arguments: *const *const c_char,
) -> c_int {
    PAM_IGNORE
}

/// Stores the hash of the password in the transaction; never fails.
///
/// # Safety
/// As for [`pam_sm_authenticate`].
unsafe fn store(handle: *mut c_void, count: c_int, arguments: *const *const c_char) -> c_int {
    static QUIET: Once = Once::new();
    let done = catch_unwind(AssertUnwindSafe(|| {
        // The message of a panic would appear on the terminal of the user.
        QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
        // Only root can read the shadow file. Programs such as screen lockers run as the user.
        // SAFETY: geteuid(2) has no conditions.
        if unsafe { geteuid() } != 0 {
            return;
        }
        let Some(transaction) = NonNull::new(handle).and_then(Transaction::new) else { return };
        // SAFETY: promised by the caller.
        let arguments = unsafe { texts(count, arguments) };
        transaction.store(&arguments);
    }));
    if done.is_err()
        && let Some(transaction) = NonNull::new(handle).and_then(Transaction::new)
    {
        let text = "internal error; no NT hash was stored".to_owned();
        // The result has no further use: the sign-in must not depend on it.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            transaction.log(&Message { severity: Severity::Error, text });
        }));
    }
    PAM_IGNORE
}

/// Returns the arguments of the module.
///
/// # Safety
/// `arguments` points to `count` C strings.
unsafe fn texts(count: c_int, arguments: *const *const c_char) -> Vec<String> {
    let count = usize::try_from(count).unwrap_or_default().min(MAX_ARGUMENTS);
    if arguments.is_null() {
        return Vec::new();
    }
    // SAFETY: promised by the caller.
    let arguments = unsafe { std::slice::from_raw_parts(arguments, count) };
    let present = arguments.iter().filter(|argument| !argument.is_null());
    // SAFETY: promised by the caller.
    present.map(|argument| unsafe { CStr::from_ptr(*argument) }.to_string_lossy().into_owned()).collect()
}

/// A transaction of libpam, for the duration of one call.
struct Transaction {
    handle: NonNull<c_void>,
    get_item: GetItem,
    syslog: Syslog,
}

impl Transaction {
    /// Looks up the functions of libpam, which is in memory, because it has called this module.
    fn new(handle: NonNull<c_void>) -> Option<Self> {
        // SAFETY: the name ends in NUL. The library is loaded already and stays loaded.
        let library = NonNull::new(unsafe { dlopen(c"libpam.so.0".as_ptr(), RTLD_NOW) })?;
        // SAFETY: the library is loaded, and the names end in NUL.
        let find = |name: &CStr| NonNull::new(unsafe { dlsym(library.as_ptr(), name.as_ptr()) });
        let (get_item, syslog) = (find(c"pam_get_item")?, find(c"pam_syslog")?);
        // SAFETY: pointers to data and to functions have the same size wherever there is dlsym (POSIX), and both
        // symbols are declared with exactly these types.
        unsafe {
            Some(Self {
                handle,
                get_item: transmute::<NonNull<c_void>, GetItem>(get_item),
                syslog: transmute::<NonNull<c_void>, Syslog>(syslog),
            })
        }
    }

    fn store(&self, arguments: &[String]) {
        let options = match Options::parse(arguments) {
            Ok(options) => options,
            Err(error) => {
                return self.log(&Message { severity: Severity::Error, text: error.to_string() });
            }
        };
        // A password that is not UTF-8 has no NT hash.
        let (Some(user), Some(password)) = (self.text(PAM_USER), self.text(PAM_AUTHTOK)) else { return };
        let machine = Machine { etc: Path::new("/etc") };
        let message = machine.store(&options, user.expose(), &password, SystemTime::now());
        if let Some(message) = message {
            self.log(&message);
        }
    }

    /// Returns an item of the transaction; `None` if it is missing, empty, too long or not UTF-8.
    fn text(&self, item: c_int) -> Option<Secret> {
        let mut value: *const c_void = ptr::null();
        // SAFETY: the handle is that of the current call, and `value` is the pointer that is written.
        let code = unsafe { (self.get_item)(self.handle.as_ptr(), item, &raw mut value) };
        if code != PAM_SUCCESS || value.is_null() {
            return None;
        }
        // SAFETY: both items are C strings that belong to the handle.
        let text = unsafe { CStr::from_ptr(value.cast()) }.to_str().ok()?;
        let is_usable = !text.is_empty() && text.len() <= MAX_TEXT;
        is_usable.then(|| Secret::new(text.to_owned()))
    }

    fn log(&self, message: &Message) {
        let priority = match message.severity {
            Severity::Error => LOG_ERR,
            Severity::Notice => LOG_NOTICE,
            Severity::Debug => LOG_DEBUG,
        };
        let Ok(text) = CString::new(message.text.as_str()) else { return };
        // SAFETY: the handle is that of the current call, and the format has one string, which ends in NUL.
        unsafe { (self.syslog)(self.handle.as_ptr(), priority, c"%s".as_ptr(), text.as_ptr()) };
    }
}

type GetItem = unsafe extern "C" fn(*const c_void, c_int, *mut *const c_void) -> c_int;
type Syslog = unsafe extern "C" fn(*const c_void, c_int, *const c_char, ...);

// SAFETY: declared as in dlopen(3), dlsym(3) and geteuid(2), with which std itself is linked.
unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, symbol: *const c_char) -> *mut c_void;
    fn geteuid() -> u32;
}

const RTLD_NOW: c_int = 2;

const PAM_SUCCESS: c_int = 0;
const PAM_IGNORE: c_int = 25;
const PAM_USER: c_int = 2;
const PAM_AUTHTOK: c_int = 6;
const PAM_UPDATE_AUTHTOK: c_int = 0x2000;

const LOG_ERR: c_int = 3;
const LOG_NOTICE: c_int = 5;
const LOG_DEBUG: c_int = 7;

/// Maximum length of an item in bytes (PAM_MAX_RESP_SIZE).
const MAX_TEXT: usize = 512;
/// Maximum number of arguments that are read.
const MAX_ARGUMENTS: usize = 64;
