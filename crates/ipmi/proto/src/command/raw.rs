//! Raw commands, without encoding or decoding.

use super::Command;
use crate::{Privilege, ProtoError, Request};

/// A request whose response data is returned undecoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(pub Request);

impl Command for Raw {
    type Reply = Vec<u8>;
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        self.0.clone()
    }

    fn reply(&self, octets: &[u8]) -> Result<Vec<u8>, ProtoError> {
        Ok(octets.to_vec())
    }
}
