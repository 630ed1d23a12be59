//! Security contexts held by the library.

use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::buffer::{EMPTY, Owned, borrowed};
use super::credential::Credential;
use super::name::Name;
use super::symbols::{Buffer, ChannelBindings, GssContext, IovBuffer};
use super::{Failure, Library, oid};
use crate::KERBEROS;

/// A context held by the library, from the first token on; deleted when dropped.
///
/// It must not be used after a function has failed.
pub(crate) struct RawContext {
    pub(super) library: Arc<Library>,
    /// Null before the first token.
    pub(super) handle: *mut GssContext,
}

// SAFETY: a context has one owner, and no thread owns it (see the top of `library.rs`). It is not `Sync`.
unsafe impl Send for RawContext {}

/// Parameters of a client's request.
pub(crate) struct Request<'a> {
    pub(crate) credential: &'a Credential,
    pub(crate) target: &'a Name,
    pub(crate) flags: u32,
    /// Requested lifetime in seconds; 0 means the lifetime of the ticket.
    pub(crate) lifetime: u32,
    pub(crate) binding: Option<&'a [u8]>,
}

/// Result of processing a token.
pub(crate) struct Progress {
    /// Token for the other end; may be empty.
    pub(crate) token: Vec<u8>,
    pub(crate) flags: u32,
    pub(crate) is_complete: bool,
}

/// Information about a context.
pub(crate) struct ContextInfo {
    pub(crate) flags: u32,
    /// Lifetime in seconds; all ones mean unlimited.
    pub(crate) lifetime: u32,
}

/// Reason why a message could not be opened or protected.
#[derive(Debug)]
pub(crate) enum MessageFailure {
    /// The library reported an error.
    Failed(Failure),
    /// The message is repeated, too old or too early (RFC 2743 1.2.3).
    OutOfSequence,
    /// The message is signed but not encrypted.
    NotSealed,
}

impl RawContext {
    pub(crate) fn new(library: &Arc<Library>) -> Self {
        Self { library: Arc::clone(library), handle: ptr::null_mut() }
    }

    /// Processes a client's token. The client's name is returned with the last one.
    pub(crate) fn accept(
        &mut self,
        credential: &Credential,
        token: &[u8],
        binding: Option<&[u8]>,
    ) -> Result<(Progress, Option<Name>), Failure> {
        let library = Arc::clone(&self.library);
        let input = borrowed(token);
        let bindings = binding.map(bindings);
        let mut output = Owned::empty(&library);
        let (mut minor, mut flags, mut client) = (0, 0, ptr::null_mut());
        // SAFETY: the credentials are open, the context is open or null, all other pointers are to values of this
        // frame or null; delegated credentials are not asked for, so the library keeps none.
        let major = unsafe {
            (library.gss.gss_accept_sec_context)(
                &raw mut minor,
                &raw mut self.handle,
                credential.handle(),
                &raw const input,
                bindings.as_ref().map_or(ptr::null(), ptr::from_ref),
                &raw mut client,
                ptr::null_mut(),
                output.out(),
                &raw mut flags,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        // SAFETY: the handle is the library's, and there is no other reference to it.
        let client = unsafe { Name::of(&library, client) };
        Ok((library.progress("gss_accept_sec_context", major, minor, &output, flags)?, client))
    }

    /// Processes a service's token; `None` at the beginning.
    pub(crate) fn initiate(
        &mut self,
        request: &Request<'_>,
        token: Option<&[u8]>,
    ) -> Result<Progress, Failure> {
        let library = Arc::clone(&self.library);
        let mechanism = oid(KERBEROS);
        let input = token.map(borrowed);
        let bindings = request.binding.map(bindings);
        let mut output = Owned::empty(&library);
        let (mut minor, mut flags) = (0, 0);
        // SAFETY: as above; the target is open, too.
        let major = unsafe {
            (library.gss.gss_init_sec_context)(
                &raw mut minor,
                request.credential.handle(),
                &raw mut self.handle,
                request.target.handle(),
                &raw const mechanism,
                request.flags,
                request.lifetime,
                bindings.as_ref().map_or(ptr::null(), ptr::from_ref),
                input.as_ref().map_or(ptr::null(), ptr::from_ref),
                ptr::null_mut(),
                output.out(),
                &raw mut flags,
                ptr::null_mut(),
            )
        };
        library.progress("gss_init_sec_context", major, minor, &output, flags)
    }

    /// Encrypts in place, appends padding, and returns the header.
    ///
    /// There is no buffer for a trailer, so the library includes it in the header, where the other end expects it (RFC
    /// 4121 4.2.5).
    pub(crate) fn wrap(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, MessageFailure> {
        let handle = self.established("gss_wrap_iov")?;
        let library = &self.library;
        let mut iov = Iov {
            library,
            buffers: [
                IovBuffer { kind: HEADER | ALLOCATE, buffer: EMPTY },
                IovBuffer { kind: DATA, buffer: borrowed_mut(message) },
                IovBuffer { kind: PADDING | ALLOCATE, buffer: EMPTY },
            ],
        };
        let (mut minor, mut is_sealed) = (0, 0);
        // SAFETY: the context is open; the buffers are as the invariant of `Iov` has them, and the message is borrowed
        // exclusively.
        let major = unsafe {
            (library.gss.gss_wrap_iov)(
                &raw mut minor,
                handle,
                1,
                0,
                &raw mut is_sealed,
                iov.buffers.as_mut_ptr(),
                iov.count(),
            )
        };
        library.outcome("gss_wrap_iov", major, minor).map_err(MessageFailure::Failed)?;
        if is_sealed == 0 {
            return Err(MessageFailure::NotSealed);
        }
        let [header, _, padding] = iov.allocated();
        drop(iov);
        message.extend_from_slice(&padding);
        Ok(header)
    }

    /// Opens in place a message that [`wrap`](Self::wrap) of the other end created.
    pub(crate) fn unwrap_in_place(
        &mut self,
        header: &[u8],
        message: &mut Vec<u8>,
    ) -> Result<(), MessageFailure> {
        let handle = self.established("gss_unwrap_iov")?;
        let library = &self.library;
        // The library rotates the header in place.
        let mut header = header.to_vec();
        let mut iov = [
            IovBuffer { kind: HEADER, buffer: borrowed_mut(&mut header) },
            IovBuffer { kind: DATA, buffer: borrowed_mut(message) },
        ];
        let (mut minor, mut is_sealed) = (0, 0);
        // SAFETY: the context is open; both buffers are borrowed exclusively and outlive the call.
        let major = unsafe {
            (library.gss.gss_unwrap_iov)(
                &raw mut minor,
                handle,
                &raw mut is_sealed,
                ptr::null_mut(),
                iov.as_mut_ptr(),
                IOV_LENGTH,
            )
        };
        self.check_opened("gss_unwrap_iov", major, minor, is_sealed)?;
        let [_, data] = iov;
        message.truncate(data.buffer.length);
        Ok(())
    }

    /// Opens a token that is not divided into header and message.
    pub(crate) fn unwrap_whole(&mut self, token: &[u8]) -> Result<Vec<u8>, MessageFailure> {
        let handle = self.established("gss_unwrap")?;
        let input = borrowed(token);
        let mut output = Owned::empty(&self.library);
        let (mut minor, mut is_sealed) = (0, 0);
        // SAFETY: the context is open; all other pointers are to values of this frame, or null.
        let major = unsafe {
            (self.library.gss.gss_unwrap)(
                &raw mut minor,
                handle,
                &raw const input,
                output.out(),
                &raw mut is_sealed,
                ptr::null_mut(),
            )
        };
        self.check_opened("gss_unwrap", major, minor, is_sealed)?;
        Ok(output.octets().to_vec())
    }

    pub(crate) fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, MessageFailure> {
        let handle = self.established("gss_get_mic")?;
        let message = borrowed(message);
        let mut output = Owned::empty(&self.library);
        let mut minor = 0;
        // SAFETY: as above.
        let major = unsafe {
            (self.library.gss.gss_get_mic)(&raw mut minor, handle, 0, &raw const message, output.out())
        };
        self.library.outcome("gss_get_mic", major, minor).map_err(MessageFailure::Failed)?;
        Ok(output.octets().to_vec())
    }

    pub(crate) fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), MessageFailure> {
        let handle = self.established("gss_verify_mic")?;
        let (message, signature) = (borrowed(message), borrowed(signature));
        let mut minor = 0;
        // SAFETY: as above.
        let major = unsafe {
            (self.library.gss.gss_verify_mic)(
                &raw mut minor,
                handle,
                &raw const message,
                &raw const signature,
                ptr::null_mut(),
            )
        };
        self.check_sequence("gss_verify_mic", major, minor)
    }

    pub(crate) fn inquire(&self) -> Result<ContextInfo, Failure> {
        let (mut minor, mut flags, mut lifetime) = (0, 0, 0);
        // SAFETY: the context is open, since none is made public before; all other pointers are to values of this
        // frame, or null.
        let major = unsafe {
            (self.library.gss.gss_inquire_context)(
                &raw mut minor,
                self.handle,
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut lifetime,
                ptr::null_mut(),
                &raw mut flags,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        // The library reports an expired context as an error; the lifetime is 0 then.
        match self.library.outcome("gss_inquire_context", major, minor) {
            Err(failure) if failure.major == CONTEXT_EXPIRED => Ok(ContextInfo { flags, lifetime: 0 }),
            outcome => outcome.map(|_| ContextInfo { flags, lifetime }),
        }
    }

    /// Returns the name of the service whose key decrypted the client's ticket.
    pub(crate) fn service(&self) -> Result<Option<Name>, Failure> {
        let (mut minor, mut service) = (0, ptr::null_mut());
        // SAFETY: as above; the context is the acceptor's, so its target is the service.
        let major = unsafe {
            (self.library.gss.gss_inquire_context)(
                &raw mut minor,
                self.handle,
                ptr::null_mut(),
                &raw mut service,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        // SAFETY: the handle is the library's, and there is no other reference to it.
        let service = unsafe { Name::of(&self.library, service) };
        self.library.outcome("gss_inquire_context", major, minor)?;
        Ok(service)
    }

    /// Serializes the context with its keys, and releases it.
    pub(crate) fn export(mut self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let library = Arc::clone(&self.library);
        let mut output = Owned::empty(&library);
        let mut minor = 0;
        // SAFETY: the context is open; on success the library deletes it and makes the handle null.
        let major = unsafe {
            (library.gss.gss_export_sec_context)(&raw mut minor, &raw mut self.handle, output.out())
        };
        library.outcome("gss_export_sec_context", major, minor)?;
        let octets = Zeroizing::new(output.octets().to_vec());
        output.wipe();
        Ok(octets)
    }

    /// Restores a serialized context.
    ///
    /// The library trusts the data: it must come from [`export`](Self::export) of a trusted process.
    pub(crate) fn import(library: &Arc<Library>, octets: &[u8]) -> Result<Self, Failure> {
        let mut context = Self::new(library);
        let input = borrowed(octets);
        let mut minor = 0;
        // SAFETY: all pointers are to values of this frame.
        let major = unsafe {
            (library.gss.gss_import_sec_context)(&raw mut minor, &raw const input, &raw mut context.handle)
        };
        library.outcome("gss_import_sec_context", major, minor)?;
        Ok(context)
    }

    /// Returns the handle of an established context. The message functions do not check for null themselves.
    fn established(&self, function: &'static str) -> Result<*mut GssContext, MessageFailure> {
        if self.handle.is_null() {
            return Err(MessageFailure::Failed(self.library.failure(function, NO_CONTEXT, 0)));
        }
        Ok(self.handle)
    }

    fn check_opened(
        &self,
        function: &'static str,
        major: u32,
        minor: u32,
        is_sealed: c_int,
    ) -> Result<(), MessageFailure> {
        self.check_sequence(function, major, minor)?;
        if is_sealed == 0 { Err(MessageFailure::NotSealed) } else { Ok(()) }
    }

    /// Rejects messages out of sequence, which the library reports only in supplementary bits.
    fn check_sequence(&self, function: &'static str, major: u32, minor: u32) -> Result<(), MessageFailure> {
        let supplementary = self.library.outcome(function, major, minor).map_err(MessageFailure::Failed)?;
        if supplementary == 0 { Ok(()) } else { Err(MessageFailure::OutOfSequence) }
    }
}

impl Drop for RawContext {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            let mut minor = 0;
            // SAFETY: it is open and not used again.
            unsafe {
                (self.library.gss.gss_delete_sec_context)(
                    &raw mut minor,
                    &raw mut self.handle,
                    ptr::null_mut(),
                )
            };
        }
    }
}

impl Library {
    /// Rejects replayed tokens, which the library reports together with success, too.
    fn progress(
        &self,
        function: &'static str,
        major: u32,
        minor: u32,
        output: &Owned<'_>,
        flags: u32,
    ) -> Result<Progress, Failure> {
        let supplementary = self.outcome(function, major, minor)?;
        if supplementary & !CONTINUE_NEEDED != 0 {
            return Err(self.failure(function, major, minor));
        }
        let token = output.octets().to_vec();
        Ok(Progress { token, flags, is_complete: supplementary & CONTINUE_NEEDED == 0 })
    }
}

/// Creates channel bindings with application data only, without addresses (RFC 5929, `tls-server-end-point`).
fn bindings(application_data: &[u8]) -> ChannelBindings {
    ChannelBindings {
        initiator_address_type: 0,
        initiator_address: EMPTY,
        acceptor_address_type: 0,
        acceptor_address: EMPTY,
        application_data: borrowed(application_data),
    }
}

/// Returns a buffer that the library changes during one call.
fn borrowed_mut(octets: &mut [u8]) -> Buffer {
    Buffer { length: octets.len(), value: octets.as_mut_ptr().cast() }
}

/// Buffers of one message; those allocated by the library are released when dropped.
struct Iov<'a> {
    library: &'a Library,
    /// INVARIANT: buffers with [`ALLOCATE`] are empty or allocated by the library, which then sets [`ALLOCATED`].
    buffers: [IovBuffer; 3],
}

impl Iov<'_> {
    fn count(&self) -> c_int {
        3
    }

    /// Returns copies of the allocated buffers, in order.
    fn allocated(&self) -> [Vec<u8>; 3] {
        self.buffers.each_ref().map(|IovBuffer { kind, buffer }| {
            if kind & ALLOCATED == 0 || buffer.value.is_null() {
                return Vec::new();
            }
            // SAFETY: by the invariant it points to `length` octets of the library.
            unsafe { std::slice::from_raw_parts(buffer.value.cast::<u8>(), buffer.length) }.to_vec()
        })
    }
}

impl Drop for Iov<'_> {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: only what is marked as the library's is released, once.
        unsafe {
            (self.library.gss.gss_release_iov_buffer)(&raw mut minor, self.buffers.as_mut_ptr(), self.count())
        };
    }
}

const DATA: u32 = 1;
const HEADER: u32 = 2;
const PADDING: u32 = 9;
const ALLOCATE: u32 = 0x1_0000;
const ALLOCATED: u32 = 0x2_0000;
const IOV_LENGTH: c_int = 2;

/// `GSS_S_NO_CONTEXT`
const NO_CONTEXT: u32 = 8 << 16;
/// `GSS_S_CONTEXT_EXPIRED`
const CONTEXT_EXPIRED: u32 = 12 << 16;
/// `GSS_S_CONTINUE_NEEDED`
const CONTINUE_NEEDED: u32 = 1;
