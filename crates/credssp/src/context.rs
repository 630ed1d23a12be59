//! The connection as a security context: each message is one record.

use auth::{MechListMic, SealError, SecurityContext};
use tracing::debug;

use crate::tls::Tls;

/// Seals what may be one record at most.
pub(crate) struct Context {
    /// Nothing after a failure: the records of both ends no longer fit.
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
        Some(MOST_PLAIN)
    }

    /// The header is the beginning of the record, as long as the record's trailer is: clients join the two again.
    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        let mut tls = self.tls.take().ok_or(SealError::Failed)?;
        if message.is_empty() || message.len() > MOST_PLAIN {
            return Err(SealError::Failed);
        }
        let mut header = tls.send(message).map_err(|error| {
            debug!(%error, "A message was not sealed");
            SealError::Failed
        })?;
        *message = header.split_off(tls.trailer().min(header.len()));
        self.tls = Some(tls);
        Ok(header)
    }

    /// Takes whole records, wherever they are divided.
    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        let mut tls = self.tls.take().ok_or(SealError::Failed)?;
        let records = [header, message].concat();
        if !are_whole_records(&records) {
            return Err(SealError::Forged);
        }
        *message = tls.receive(&records).map_err(|error| {
            debug!(%error, "A sealed message was refused");
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

/// Whether the last record ends where the octets do (RFC 8446, 5.1): half a record would be completed by the next
/// message.
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

/// The most that fits into one record (RFC 8446, 5.1).
const MOST_PLAIN: usize = 1 << 14;
