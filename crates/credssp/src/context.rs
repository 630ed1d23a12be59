//! The TLS connection as a security context: each message is one record (MS-WSMV 2.2.9.1.3).

use auth::{MechListMic, SealError, SecurityContext};
use tracing::debug;

use crate::tls::Tls;

/// Security context that seals at most one record per message.
pub(crate) struct Context {
    /// `None` after a failure: the record sequences of both ends no longer match.
    tls: Option<Tls>,
}

impl Context {
    pub(crate) fn new(tls: Tls) -> Self {
        Self { tls: Some(tls) }
    }
}

impl SecurityContext for Context {
    fn can_seal(&self) -> bool {
        true
    }

    fn largest_message(&self) -> Option<usize> {
        Some(MAX_PLAINTEXT)
    }

    /// Returns the first part of the record as the header, with the length of the record's trailer; clients concatenate
    /// both parts.
    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        let mut tls = self.tls.take().ok_or(SealError::Failed)?;
        if message.is_empty() || message.len() > MAX_PLAINTEXT {
            return Err(SealError::Failed);
        }
        let mut header = tls.send(message).map_err(|error| {
            debug!(%error, "Sealing a message failed");
            SealError::Failed
        })?;
        *message = header.split_off(tls.trailer().min(header.len()));
        self.tls = Some(tls);
        Ok(header)
    }

    /// Accepts whole records, divided at any position.
    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        let mut tls = self.tls.take().ok_or(SealError::Failed)?;
        let records = [header, message].concat();
        if !are_whole_records(&records) {
            return Err(SealError::Forged);
        }
        *message = tls.receive(&records).map_err(|error| {
            debug!(%error, "Rejected a sealed message");
            SealError::Forged
        })?;
        self.tls = Some(tls);
        Ok(())
    }

    fn sign(&mut self, _message: &[u8]) -> Result<Vec<u8>, SealError> {
        Err(SealError::Unavailable)
    }

    fn verify(&mut self, _message: &[u8], _signature: &[u8]) -> Result<(), SealError> {
        Err(SealError::Unavailable)
    }

    fn mech_list_mic(&self) -> MechListMic {
        MechListMic::Optional
    }
}

/// Returns `true` if the data ends at the end of a record (RFC 8446 5.1). Otherwise the next message would complete the
/// record.
fn are_whole_records(mut octets: &[u8]) -> bool {
    loop {
        match octets {
            [] => return true,
            [_, _, _, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some(rest) = rest.get(length..) else { return false };
                octets = rest;
            }
            _ => return false,
        }
    }
}

/// Maximum plain text of one record (RFC 8446 5.1).
const MAX_PLAINTEXT: usize = 1 << 14;
