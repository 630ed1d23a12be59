//! Export of a context's keys in the "lucid" format of the library (`gssapi/gssapi_krb5.h`).

use std::ptr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::security::RawContext;
use super::symbols::{BufferSet, GssKrb5, LucidContext, LucidKey, Oid};
use super::{ERROR_BITS, oid};
use crate::message_protection::{EncryptionType, KeyOwner, SessionParameters, Side};

/// Result of exporting a context's keys.
pub(crate) enum Keys {
    /// The keys were exported, and the library has released the context.
    Exported {
        parameters: SessionParameters,
        /// Sequence number of the other end's first message.
        next_received: u64,
    },
    /// The keys are not available; the library must protect the messages.
    Unavailable(RawContext),
}

impl RawContext {
    /// Exports the keys of an established context, if its encryption type is supported here.
    pub(crate) fn into_keys(mut self) -> Keys {
        let library = Arc::clone(&self.library);
        let Some(functions) = &library.gss_krb5 else { return Keys::Unavailable(self) };
        // Checked first, because exporting the keys consumes the context.
        if self.handle.is_null() || !self.has_supported_type(functions) {
            return Keys::Unavailable(self);
        }
        let (mut minor, mut lucid) = (0, ptr::null_mut());
        // SAFETY: the context is open; on success the library deletes it and makes the handle null.
        let major = unsafe {
            (functions.gss_krb5_export_lucid_sec_context)(
                &raw mut minor,
                &raw mut self.handle,
                VERSION,
                &raw mut lucid,
            )
        };
        if major & ERROR_BITS != 0 || lucid.is_null() {
            return Keys::Unavailable(self);
        }
        // SAFETY: version 1 was asked for, so the library has allocated one of these; it stays until it is freed.
        let keys = read(unsafe { &*lucid.cast::<LucidContext>() });
        // SAFETY: it is the library's, there are no references to it any more, and it is freed once. The library overwrites
        // the keys.
        unsafe { (functions.gss_krb5_free_lucid_sec_context)(&raw mut minor, lucid) };
        match keys {
            Some((parameters, next_received)) => Keys::Exported { parameters, next_received },
            // The context is gone, so every function fails.
            None => Keys::Unavailable(self),
        }
    }

    fn has_supported_type(&self, functions: &GssKrb5) -> bool {
        let wanted = oid(SESSION_KEY);
        let (mut minor, mut set) = (0, ptr::null_mut());
        // SAFETY: the context is open, all other pointers are to values of this frame.
        let major = unsafe {
            (functions.gss_inquire_sec_context_by_oid)(
                &raw mut minor,
                self.handle,
                ptr::from_ref::<Oid>(&wanted),
                &raw mut set,
            )
        };
        if major & ERROR_BITS != 0 || set.is_null() {
            return false;
        }
        let number = number(set);
        // SAFETY: the set is the library's and is released once; the library overwrites its content.
        unsafe { (functions.gss_release_buffer_set)(&raw mut minor, &raw mut set) };
        number.and_then(|number| EncryptionType::of_number(number.into())).is_some()
    }
}

/// Returns the number of the encryption type: the last component of the second element's object identifier.
fn number(set: *const BufferSet) -> Option<u8> {
    // SAFETY: the library has made the set and it is not released yet; it has `count` elements.
    let elements = unsafe {
        let BufferSet { count, elements } = &*set;
        if elements.is_null() {
            return None;
        }
        std::slice::from_raw_parts(*elements, *count)
    };
    let [_, name, ..] = elements else { return None };
    if name.value.is_null() {
        return None;
    }
    // SAFETY: as above; a buffer has `length` octets.
    let name = unsafe { std::slice::from_raw_parts(name.value.cast::<u8>(), name.length) };
    match name.strip_prefix(ENCRYPTION_TYPE)? {
        [number @ 0..0x80] => Some(*number),
        _ => None,
    }
}

fn read(lucid: &LucidContext) -> Option<(SessionParameters, u64)> {
    if lucid.version != VERSION || lucid.protocol != PROTOCOL_OF_RFC_4121 {
        return None;
    }
    let (owner, key) = match lucid.keys.has_acceptor_key {
        0 => (KeyOwner::Initiator, &lucid.keys.key),
        _ => (KeyOwner::Acceptor, &lucid.keys.acceptor_key),
    };
    let LucidKey { kind, length, data } = *key;
    let encryption_type = EncryptionType::of_number(kind)?;
    let length = usize::try_from(length).ok().filter(|length| *length == encryption_type.key_length())?;
    if data.is_null() {
        return None;
    }
    // SAFETY: the key is inside a context that is not freed yet, and has `length` octets.
    let key = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) };
    let parameters = SessionParameters {
        side: if lucid.is_initiator == 0 { Side::Acceptor } else { Side::Initiator },
        owner,
        encryption_type,
        key: Zeroizing::new(key.to_vec()),
        next_sent: lucid.next_sent,
    };
    Some((parameters, lucid.next_received))
}

const VERSION: u32 = 1;
const PROTOCOL_OF_RFC_4121: u32 = 1;

/// `GSS_C_INQ_SSPI_SESSION_KEY`, 1.2.840.113554.1.2.2.5.5
const SESSION_KEY: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x05\x05";
/// OID prefix 1.2.840.113554.1.2.2.4, followed by the number of the encryption type.
const ENCRYPTION_TYPE: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x04";
