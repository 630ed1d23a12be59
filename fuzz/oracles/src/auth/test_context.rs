//! A fake security context with reproducible messages. It protects nothing.
//!
//! The tests of `telarch-auth` include this file as well.

use auth::sealed_body::Protocol;
use auth::{MechListMic, SealError, SecurityContext};

/// One end of a fake context; both ends have the same parameters.
pub(super) struct TestContext {
    shape: Protocol,
    largest: Option<usize>,
    /// Added to every byte; zero leaves messages unchanged.
    key: u8,
    sealed: u64,
    opened: u64,
}

impl TestContext {
    pub(super) fn new(shape: Protocol, key: u8) -> Self {
        let largest = (shape == Protocol::CredSsp).then_some(16_384);
        Self { shape, largest, key, sealed: 0, opened: 0 }
    }

    pub(super) fn with_largest(self, largest: usize) -> Self {
        Self { largest: Some(largest), ..self }
    }

    /// Number of messages opened or rejected so far.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }
}

impl SecurityContext for TestContext {
    fn can_seal(&self) -> bool {
        true
    }

    fn largest_message(&self) -> Option<usize> {
        self.largest
    }

    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        let tag = tag(self.sealed, message);
        self.sealed += 1;
        message.iter_mut().for_each(|octet| *octet = octet.wrapping_add(self.key));
        if self.shape != Protocol::CredSsp {
            return Ok(tag.to_vec());
        }
        let length = u16::try_from(message.len() + TAG).map_err(|_| SealError::Failed)?;
        let [high, low] = length.to_be_bytes();
        let mut record = vec![0x17, 3, 3, high, low];
        record.append(message);
        record.extend_from_slice(&tag);
        *message = record.split_off(TAG + 1);
        Ok(record)
    }

    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        let number = self.opened;
        self.opened += 1;
        let claimed = if self.shape == Protocol::CredSsp {
            let records = [header, message.as_slice()].concat();
            let ([0x17, 3, 3, high, low], rest) = records.split_first_chunk().ok_or(SealError::Forged)?
            else {
                return Err(SealError::Forged);
            };
            if rest.len() != usize::from(u16::from_be_bytes([*high, *low])) {
                return Err(SealError::Forged);
            }
            let (sealed, claimed) = rest.split_last_chunk::<TAG>().ok_or(SealError::Forged)?;
            message.clear();
            message.extend_from_slice(sealed);
            *claimed
        } else {
            <[u8; TAG]>::try_from(header).map_err(|_| SealError::Forged)?
        };
        message.iter_mut().for_each(|octet| *octet = octet.wrapping_sub(self.key));
        if tag(number, message) == claimed { Ok(()) } else { Err(SealError::Forged) }
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

const TAG: usize = 16;

/// Returns sequence number and FNV-1a checksum of a message.
fn tag(number: u64, message: &[u8]) -> [u8; TAG] {
    let step = |sum: u64, octet: &u8| (sum ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
    let sum = message.iter().fold(0xcbf2_9ce4_8422_2325 ^ number, step);
    let mut tag = [0; TAG];
    for (to, from) in tag.iter_mut().zip(number.to_le_bytes().into_iter().chain(sum.to_le_bytes())) {
        *to = from;
    }
    tag
}
