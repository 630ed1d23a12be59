//! IPMI commands and their responses, one file per group of commands.

pub mod boot;
pub mod capabilities;
pub mod channel;
mod channel_number;
pub mod chassis;
pub mod controller;
pub mod dcmi;
pub mod device_id;
pub mod device_sdr;
pub mod event_log;
pub mod guid;
pub mod lan;
pub mod lan6;
pub mod message_flags;
pub mod payload;
pub mod power;
pub mod raw;
pub mod security_key;
pub mod sensor;
pub mod storage;
pub mod system_info;
pub mod threshold;
pub mod user;
pub mod watchdog;

use crate::{Privilege, ProtoError, Request};

/// An IPMI command and the type of its response.
pub trait Command {
    /// Decoded response.
    type Reply;

    /// Minimum privilege level (IPMI 2.0, appendix G).
    const PRIVILEGE: Privilege;

    /// Returns the request to send.
    fn request(&self) -> Request;

    /// Decodes the data after the completion code of a successful response.
    ///
    /// # Errors
    /// If the data is too short or has an invalid value. Extra bytes at the end are ignored, because later
    /// versions append fields.
    fn reply(&self, octets: &[u8]) -> Result<Self::Reply, ProtoError>;
}
