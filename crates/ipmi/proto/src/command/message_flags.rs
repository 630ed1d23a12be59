//! What a controller has for the software of its machine (IPMI 2.0, 22.4).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Message Flags. Controllers answer it through the driver of their machine, and hardly any over the network.
#[derive(Clone, Copy, Debug)]
pub struct GetMessageFlags;

/// What there is for the software of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFlags {
    /// A message waits.
    pub has_message: bool,
    /// The buffer of events is full.
    pub has_event: bool,
    /// The watchdog is about to act.
    pub has_watchdog: bool,
}

impl MessageFlags {
    /// Whether there is anything.
    #[must_use]
    pub fn any(self) -> bool {
        self.has_message || self.has_event || self.has_watchdog
    }
}

impl Command for GetMessageFlags {
    type Reply = MessageFlags;
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x31, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<MessageFlags, ProtoError> {
        let flags = Octets::new("the answer to Get Message Flags", octets).u8()?;
        let is_set = |bit: u8| flags >> bit & 1 == 1;
        Ok(MessageFlags { has_message: is_set(0), has_event: is_set(1), has_watchdog: is_set(3) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_manufacturers_are_no_attention() {
        assert!(!GetMessageFlags.reply(&[0xe4]).unwrap().any());
        assert!([1, 2, 8].iter().all(|flags| GetMessageFlags.reply(&[*flags]).unwrap().any()));
        assert!(GetMessageFlags.reply(&[]).is_err());
    }
}
