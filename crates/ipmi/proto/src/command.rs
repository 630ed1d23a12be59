//! What can be asked, and how the answers read. Each command is a file of its own.

pub mod boot;
pub mod capabilities;
pub mod channel;
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

/// A command of IPMI with its answer.
pub trait Command {
    /// What the answer says.
    type Reply;

    /// The level of privilege that it takes (IPMI 2.0, appendix G).
    const PRIVILEGE: Privilege;

    /// What is sent.
    fn request(&self) -> Request;

    /// Reads what follows the completion code of an answer that says "done".
    ///
    /// # Errors
    /// When it is too short, or means nothing. More than is known is no error: later versions add to the end.
    fn reply(&self, octets: &[u8]) -> Result<Self::Reply, ProtoError>;
}
