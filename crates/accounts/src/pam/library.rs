//! FFI to libpam, loaded at run time; the only module of this crate with foreign code.
//!
//! Linking to libpam would restrict the program to machines that have it, and the crates that wrap it need its headers
//! at build time. Only a few functions of the interface are needed (pam_start(3), pam_conv(3)).
//!
//! Safety rests on two assumptions: the declarations below are those of Linux-PAM's `security/_pam_types.h` and
//! `security/pam_appl.h`, and every library called `libpam.so.0` keeps to them.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::mem::{size_of, transmute};
use std::ptr::{self, NonNull};
use std::slice;

use zeroize::Zeroize as _;

use super::PamError;

/// Functions of libpam. The library is never unloaded, because modules leave threads and exit functions behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Library {
    start: Start,
    /// `None` before Linux-PAM 1.4.
    start_confdir: Option<StartConfdir>,
    set_item: SetItem,
    get_item: GetItem,
    authenticate: Judge,
    acct_mgmt: Judge,
    setcred: Judge,
    open_session: Judge,
    close_session: Judge,
    getenvlist: EnvList,
    end: End,
}

/// Input of one PAM transaction.
pub(super) struct Attempt<'a> {
    pub(super) service: &'a CStr,
    /// Directory of the service file, if it is not the default.
    pub(super) folder: Option<&'a CStr>,
    pub(super) user: &'a CStr,
    pub(super) password: &'a CStr,
    pub(super) peer: &'a CStr,
    pub(super) terminal: &'a CStr,
}

/// A refusal or failure of PAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) stage: Stage,
    /// Return value, as listed in pam(3).
    pub(super) code: c_int,
}

/// Stage of a transaction at which it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// `pam_start` and `pam_set_item`: before anything was verified.
    Start,
    /// `pam_authenticate`: the password may be wrong.
    Authenticate,
    /// `pam_acct_mgmt`: the password was right.
    Account,
    /// `pam_setcred` and `pam_open_session`: the account is permitted.
    Session,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = match self.stage {
            Stage::Start => "pam_start",
            Stage::Authenticate => "pam_authenticate",
            Stage::Account => "pam_acct_mgmt",
            Stage::Session => "pam_open_session",
        };
        write!(f, "{function} returned {}", self.code)
    }
}

impl Library {
    pub(super) fn load() -> Result<Self, PamError> {
        // SAFETY: the name ends in NUL. Loading runs the constructors of libpam and of what it needs, which
        // is what every program that links to it does.
        let loaded = unsafe { dlopen(c"libpam.so.0".as_ptr(), RTLD_NOW) };
        let loaded = NonNull::new(loaded).ok_or_else(|| PamError::Missing { cause: linker_error() })?;
        // SAFETY: a pointer to data and one to a function have the same size wherever there is dlsym (POSIX),
        // and each symbol is declared in pam_appl.h with exactly the type it gets here.
        unsafe {
            Ok(Self {
                start: transmute::<NonNull<c_void>, Start>(require(loaded, c"pam_start")?),
                start_confdir: find(loaded, c"pam_start_confdir")
                    .map(|found| transmute::<NonNull<c_void>, StartConfdir>(found)),
                set_item: transmute::<NonNull<c_void>, SetItem>(require(loaded, c"pam_set_item")?),
                get_item: transmute::<NonNull<c_void>, GetItem>(require(loaded, c"pam_get_item")?),
                authenticate: transmute::<NonNull<c_void>, Judge>(require(loaded, c"pam_authenticate")?),
                acct_mgmt: transmute::<NonNull<c_void>, Judge>(require(loaded, c"pam_acct_mgmt")?),
                setcred: transmute::<NonNull<c_void>, Judge>(require(loaded, c"pam_setcred")?),
                open_session: transmute::<NonNull<c_void>, Judge>(require(loaded, c"pam_open_session")?),
                close_session: transmute::<NonNull<c_void>, Judge>(require(loaded, c"pam_close_session")?),
                getenvlist: transmute::<NonNull<c_void>, EnvList>(require(loaded, c"pam_getenvlist")?),
                end: transmute::<NonNull<c_void>, End>(require(loaded, c"pam_end")?),
            })
        }
    }

    /// Checks that this libpam supports service files in another directory.
    pub(super) fn require_confdir(&self) -> Result<(), PamError> {
        self.start_confdir.map(|_| ()).ok_or(PamError::Symbol { symbol: "pam_start_confdir" })
    }

    /// Runs authentication and account checks; returns the name of the authenticated user.
    pub(super) fn sign_in(&self, attempt: &Attempt<'_>) -> Result<String, Refusal> {
        let conversation = Conversation { converse, context: attempt.password.as_ptr().cast_mut().cast() };
        let mut transaction = self.start(attempt, &conversation)?;
        transaction.set(PAM_RHOST, attempt.peer)?;
        transaction.set(PAM_TTY, attempt.terminal)?;
        transaction.judge(Stage::Authenticate, self.authenticate)?;
        transaction.judge(Stage::Account, self.acct_mgmt)?;
        transaction.user()
    }

    /// Checks whether an authenticated user may use the account.
    pub(super) fn check_account(&self, attempt: &Attempt<'_>) -> Result<(), Refusal> {
        let conversation = Conversation { converse, context: attempt.password.as_ptr().cast_mut().cast() };
        let mut transaction = self.start(attempt, &conversation)?;
        transaction.set(PAM_RHOST, attempt.peer)?;
        transaction.set(PAM_TTY, attempt.terminal)?;
        transaction.judge(Stage::Account, self.acct_mgmt)
    }

    /// Opens a session for an authenticated user, calls `run`, and closes the session.
    pub(super) fn in_session<T>(
        &self,
        attempt: &Attempt<'_>,
        run: impl FnOnce(Vec<(String, String)>) -> T,
    ) -> Result<T, Refusal> {
        let conversation = Conversation { converse, context: attempt.password.as_ptr().cast_mut().cast() };
        let mut transaction = self.start(attempt, &conversation)?;
        transaction.set(PAM_RHOST, attempt.peer)?;
        transaction.set(PAM_TTY, attempt.terminal)?;
        transaction.judge(Stage::Account, self.acct_mgmt)?;
        transaction.call(self.setcred, PAM_ESTABLISH_CRED | PAM_SILENT)?;
        let opened = transaction.call(self.open_session, PAM_SILENT);
        let done = opened.map(|()| {
            let done = run(transaction.variables());
            if let Err(refusal) = transaction.call(self.close_session, PAM_SILENT) {
                tracing::warn!(code = refusal.code, "PAM failed to close a session");
            }
            done
        });
        let _ = transaction.call(self.setcred, PAM_DELETE_CRED | PAM_SILENT);
        done
    }

    fn start<'a>(
        &'a self,
        attempt: &Attempt<'a>,
        conversation: &'a Conversation,
    ) -> Result<Transaction<'a>, Refusal> {
        let mut handle = ptr::null_mut();
        let (service, user) = (attempt.service.as_ptr(), attempt.user.as_ptr());
        let code = match (attempt.folder, self.start_confdir) {
            // SAFETY: all strings end in NUL and are copied by libpam, as is the conversation; its context,
            // the password, outlives the transaction, which borrows it. The handle is written on success.
            (None, _) => unsafe { (self.start)(service, user, conversation, &raw mut handle) },
            // SAFETY: as above.
            (Some(folder), Some(start)) => unsafe {
                start(service, user, conversation, folder.as_ptr(), &raw mut handle)
            },
            (Some(_), None) => PAM_SYMBOL_ERR,
        };
        match NonNull::new(handle) {
            Some(handle) if code == PAM_SUCCESS => Ok(Transaction { library: self, handle, code }),
            _ => Err(Refusal { stage: Stage::Start, code }),
        }
    }
}

/// Looks up a function of a loaded library.
fn find(library: NonNull<c_void>, symbol: &'static CStr) -> Option<NonNull<c_void>> {
    // SAFETY: the handle is that of a loaded library, and the name ends in NUL.
    NonNull::new(unsafe { dlsym(library.as_ptr(), symbol.as_ptr()) })
}

fn require(library: NonNull<c_void>, symbol: &'static CStr) -> Result<NonNull<c_void>, PamError> {
    find(library, symbol).ok_or(PamError::Symbol { symbol: symbol.to_str().unwrap_or_default() })
}

/// A transaction between `pam_start` and `pam_end`.
struct Transaction<'a> {
    library: &'a Library,
    handle: NonNull<c_void>,
    /// Last return value, which `pam_end` passes to the modules.
    code: c_int,
}

impl Transaction<'_> {
    fn set(&mut self, item: c_int, text: &CStr) -> Result<(), Refusal> {
        // SAFETY: the handle is open; the items set here are strings, which libpam copies.
        self.code = unsafe { (self.library.set_item)(self.handle.as_ptr(), item, text.as_ptr().cast()) };
        self.outcome(Stage::Start)
    }

    fn judge(&mut self, stage: Stage, function: Judge) -> Result<(), Refusal> {
        // SAFETY: the handle is open, and the context of its conversation, the password, is still there.
        self.code = unsafe { function(self.handle.as_ptr(), PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK) };
        self.outcome(stage)
    }

    fn call(&mut self, function: Judge, flags: c_int) -> Result<(), Refusal> {
        // SAFETY: the handle is open, and the context of its conversation, the password, is still there.
        self.code = unsafe { function(self.handle.as_ptr(), flags) };
        self.outcome(Stage::Session)
    }

    /// Returns the environment variables that the modules have set, except those that are not UTF-8.
    fn variables(&mut self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        // SAFETY: the handle is open; the list belongs to the caller.
        let list = unsafe { (self.library.getenvlist)(self.handle.as_ptr()) };
        if list.is_null() {
            return variables;
        }
        let mut at = list;
        loop {
            // SAFETY: the list ends in a null pointer, and none was seen before this one.
            let text = unsafe { *at };
            if text.is_null() {
                break;
            }
            // SAFETY: each is a string that ends in NUL, from malloc(3), and is freed once, after its last use.
            unsafe {
                let pair = CStr::from_ptr(text).to_str().ok().and_then(|text| text.split_once('='));
                variables.extend(pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
                free(text.cast());
            }
            // SAFETY: there is at least the null pointer after one that is not null.
            at = unsafe { at.add(1) };
        }
        // SAFETY: from malloc(3), and not used again.
        unsafe { free(list.cast()) };
        variables
    }

    /// Returns the name of the authenticated user.
    fn user(&mut self) -> Result<String, Refusal> {
        let mut user: *const c_void = ptr::null();
        // SAFETY: the handle is open, and `user` takes the one pointer that is written.
        self.code = unsafe { (self.library.get_item)(self.handle.as_ptr(), PAM_USER, &raw mut user) };
        self.outcome(Stage::Start)?;
        let no_name = Refusal { stage: Stage::Start, code: PAM_BAD_ITEM };
        if user.is_null() {
            return Err(no_name);
        }
        // SAFETY: PAM_USER is a string that ends in NUL and belongs to the handle, which is open.
        let user = unsafe { CStr::from_ptr(user.cast()) };
        user.to_str().ok().filter(|user| !user.is_empty()).map(str::to_owned).ok_or(no_name)
    }

    fn outcome(&self, stage: Stage) -> Result<(), Refusal> {
        if self.code == PAM_SUCCESS { Ok(()) } else { Err(Refusal { stage, code: self.code }) }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used again.
        unsafe { (self.library.end)(self.handle.as_ptr(), self.code) };
    }
}

/// Conversation function: answers prompts without echo with the password, and ignores messages. All other prompts fail,
/// because no user is present.
///
/// # Safety
/// As pam_conv(3) has it: `messages` points to `count` pointers to messages, `responses` to one pointer, and
/// `context` is that of the conversation, here a password that ends in NUL.
unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    context: *mut c_void,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    if !(1..=PAM_MAX_NUM_MSG).contains(&count)
        || messages.is_null()
        || responses.is_null()
        || context.is_null()
    {
        return PAM_CONV_ERR;
    }
    // SAFETY: promised by the caller.
    let (messages, password) =
        unsafe { (slice::from_raw_parts(messages, count), CStr::from_ptr(context.cast_const().cast())) };
    let Some(mut replies) = Replies::new(count) else { return PAM_BUF_ERR };
    for (at, message) in messages.iter().enumerate() {
        // SAFETY: promised by the caller; a null pointer is none.
        let style = unsafe { message.as_ref() }.map(|message| message.style);
        match style {
            Some(PAM_PROMPT_ECHO_OFF) => {
                if !replies.answer(at, password) {
                    return PAM_BUF_ERR;
                }
            }
            Some(PAM_ERROR_MSG | PAM_TEXT_INFO) => {}
            _ => return PAM_CONV_ERR,
        }
    }
    // SAFETY: promised by the caller; what is written now belongs to it.
    unsafe { *responses = replies.hand_over() };
    PAM_SUCCESS
}

/// Responses in memory of malloc(3), which PAM frees; until they are handed over, they are freed here.
struct Replies {
    /// INVARIANT: from calloc, `count` responses, each text null or from calloc and ending in NUL.
    first: NonNull<Response>,
    count: usize,
}

impl Replies {
    fn new(count: usize) -> Option<Self> {
        // SAFETY: calloc may be called with anything; all zeros are null pointers and zeros.
        let first = unsafe { calloc(count, size_of::<Response>()) };
        NonNull::new(first.cast()).map(|first| Self { first, count })
    }

    /// Sets a response. Returns `false` if there is no memory.
    fn answer(&mut self, at: usize, text: &CStr) -> bool {
        let octets = text.to_bytes_with_nul();
        let Some(response) = self.all().get_mut(at) else { return false };
        // SAFETY: calloc may be called with anything.
        let Some(copy) = NonNull::new(unsafe { calloc(octets.len(), 1) }) else { return false };
        // SAFETY: the copy has room for as many octets and is new, so they do not overlap.
        unsafe { ptr::copy_nonoverlapping(octets.as_ptr(), copy.as_ptr().cast(), octets.len()) };
        response.text = copy.as_ptr().cast();
        true
    }

    fn all(&mut self) -> &mut [Response] {
        // SAFETY: `first` points to `count` responses to which there is no other reference.
        unsafe { slice::from_raw_parts_mut(self.first.as_ptr(), self.count) }
    }

    fn hand_over(self) -> *mut Response {
        let first = self.first.as_ptr();
        std::mem::forget(self);
        first
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        for response in self.all() {
            if let Some(text) = NonNull::new(response.text) {
                // SAFETY: the text ends in NUL and belongs to these replies only; it is freed once, after the
                // last use.
                unsafe {
                    let octets = CStr::from_ptr(text.as_ptr()).count_bytes();
                    slice::from_raw_parts_mut(text.as_ptr(), octets).zeroize();
                    free(text.as_ptr().cast());
                }
            }
        }
        // SAFETY: from calloc, and not used again.
        unsafe { free(self.first.as_ptr().cast()) };
    }
}

/// Returns the message of the last dynamic linker error in this thread.
fn linker_error() -> String {
    // SAFETY: dlerror has no conditions; its text, if any, ends in NUL and stays until the next call here.
    let text = unsafe { dlerror() };
    if text.is_null() {
        return "cannot load libpam.so.0".to_owned();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// `struct pam_message`
#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

/// `struct pam_response`
#[repr(C)]
struct Response {
    text: *mut c_char,
    unused: c_int,
}

/// `struct pam_conv`
#[repr(C)]
struct Conversation {
    converse: Converse,
    context: *mut c_void,
}

type Converse = unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;
type Start =
    unsafe extern "C" fn(*const c_char, *const c_char, *const Conversation, *mut *mut c_void) -> c_int;
type StartConfdir = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const Conversation,
    *const c_char,
    *mut *mut c_void,
) -> c_int;
type SetItem = unsafe extern "C" fn(*mut c_void, c_int, *const c_void) -> c_int;
type GetItem = unsafe extern "C" fn(*const c_void, c_int, *mut *const c_void) -> c_int;
type Judge = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
type EnvList = unsafe extern "C" fn(*mut c_void) -> *mut *mut c_char;
type End = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

// SAFETY: declared as in dlopen(3), dlsym(3), dlerror(3) and malloc(3), with which std itself is linked.
unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, symbol: *const c_char) -> *mut c_void;
    fn dlerror() -> *const c_char;
    fn calloc(count: usize, octets: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
}

const RTLD_NOW: c_int = 2;

const PAM_SUCCESS: c_int = 0;
const PAM_SYMBOL_ERR: c_int = 2;
const PAM_BUF_ERR: c_int = 5;
const PAM_CONV_ERR: c_int = 19;
const PAM_BAD_ITEM: c_int = 29;

const PAM_USER: c_int = 2;
const PAM_TTY: c_int = 3;
const PAM_RHOST: c_int = 4;

const PAM_ESTABLISH_CRED: c_int = 2;
const PAM_DELETE_CRED: c_int = 4;
const PAM_DISALLOW_NULL_AUTHTOK: c_int = 1;
const PAM_SILENT: c_int = 0x8000;

const PAM_PROMPT_ECHO_OFF: c_int = 1;
const PAM_ERROR_MSG: c_int = 3;
const PAM_TEXT_INFO: c_int = 4;
const PAM_MAX_NUM_MSG: usize = 32;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PROMPT_ECHO_ON: c_int = 2;

    /// Calls the conversation as libpam does; returns the responses, freed as libpam frees them.
    fn ask(styles: &[c_int]) -> Result<Vec<Option<String>>, c_int> {
        let messages: Vec<Message> =
            styles.iter().map(|style| Message { style: *style, text: c"?".as_ptr() }).collect();
        let mut pointers: Vec<*const Message> = messages.iter().map(ptr::from_ref).collect();
        let mut responses: *mut Response = ptr::null_mut();
        let context = c"secret".as_ptr().cast_mut().cast();
        let count = c_int::try_from(styles.len()).unwrap();
        // SAFETY: as many messages as told, a pointer to be written, and a text that ends in NUL.
        let code = unsafe { converse(count, pointers.as_mut_ptr(), &raw mut responses, context) };
        if code != PAM_SUCCESS {
            assert!(responses.is_null(), "responses were set together with an error");
            return Err(code);
        }
        let replies = Replies { first: NonNull::new(responses).unwrap(), count: styles.len() };
        // SAFETY: these are the responses that were just given, as many as messages.
        let responses = unsafe { slice::from_raw_parts(replies.first.as_ptr(), replies.count) };
        // SAFETY: a text that is not null ends in NUL.
        let text =
            |response: &Response| unsafe { CStr::from_ptr(response.text) }.to_str().unwrap().to_owned();
        Ok(responses.iter().map(|r| (!r.text.is_null()).then(|| text(r))).collect())
    }

    #[test]
    fn only_prompts_without_echo_get_the_password() {
        let secret = Some("secret".to_owned());
        assert_eq!(ask(&[PAM_PROMPT_ECHO_OFF]), Ok(vec![secret.clone()]));
        let mixed = [PAM_TEXT_INFO, PAM_PROMPT_ECHO_OFF, PAM_ERROR_MSG, PAM_PROMPT_ECHO_OFF];
        assert_eq!(ask(&mixed), Ok(vec![None, secret.clone(), None, secret]));
        assert_eq!(ask(&[PROMPT_ECHO_ON]), Err(PAM_CONV_ERR));
        assert_eq!(ask(&[PAM_PROMPT_ECHO_OFF, PROMPT_ECHO_ON]), Err(PAM_CONV_ERR));
        assert_eq!(ask(&[99]), Err(PAM_CONV_ERR));
        assert_eq!(ask(&[]), Err(PAM_CONV_ERR));
        assert_eq!(ask(&[PAM_PROMPT_ECHO_OFF; 32]).unwrap().len(), 32);
        assert_eq!(ask(&[PAM_PROMPT_ECHO_OFF; 33]), Err(PAM_CONV_ERR));
    }
}
