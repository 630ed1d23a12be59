//! Messages waiting for the software of the machine (IPMI 2.0, 22.4).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Message Flags. Controllers respond to it through the driver of their machine, and hardly any over the
/// network.
#[derive(Clone, Copy, Debug)]
pub struct GetMessageFlags;

/// Items waiting for the software of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFlags {
    /// A message is waiting.
    pub has_message: bool,
    /// The event message buffer is full.
    pub has_event: bool,
    /// The watchdog pre-timeout interrupt occurred.
    pub has_watchdog: bool,
}

impl MessageFlags {
    /// Returns whether any flag is set.
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
        let [has_message, has_event, has_watchdog] = [0x01, 0x02, 0x08].map(|bit| flags & bit != 0);
        Ok(MessageFlags { has_message, has_event, has_watchdog })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manufacturer_specific_flags_are_ignored() {
        assert!(!GetMessageFlags.reply(&[0xe4]).unwrap().any());
        assert!([1, 2, 8].iter().all(|flags| GetMessageFlags.reply(&[*flags]).unwrap().any()));
        assert!(GetMessageFlags.reply(&[]).is_err());
    }
}
