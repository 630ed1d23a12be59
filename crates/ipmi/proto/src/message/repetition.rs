//! Commands that must not be executed twice.

use super::{DCMI, NetFn, Request, SEND_MESSAGE};

impl Request {
    /// Returns whether the controller may safely execute the request twice, which happens if a response is
    /// lost and the request is resent.
    ///
    /// A request that is not repeatable is resent in the identical packet, which a controller accepts only
    /// once because of its sequence number (IPMI 2.0, 6.12.13). So it is executed at most once, but it may
    /// remain unknown whether it was executed.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        is_repeatable(self.net_fn, self.command, &self.data)
    }

    /// Returns whether the response may take much longer than usual, so that the request should not be resent
    /// early: power control, and requests that are not repeatable.
    pub(crate) fn takes_its_time(&self) -> bool {
        (self.net_fn.number(), self.command) == (0x00, 0x02) || !self.is_repeatable()
    }
}

pub(super) fn is_repeatable(net_fn: NetFn, command: u8, data: &[u8]) -> bool {
    match (net_fn.number(), command, data) {
        // Chassis Control: cycle, reset, pulse or interrupt must not be repeated; on, off and soft shutdown
        // may be.
        (0x00, 0x02, [control, ..]) => matches!(control & 0x0f, 0 | 1 | 5),
        // Chassis Reset.
        (0x00, 0x03, _) => false,
        // Cold Reset, Warm Reset, Manufacturing Test On; a bridged message or bus access (Master Write-Read)
        // may have any effect; Get Message and Read Event Message Buffer remove what they return.
        (0x06, 0x02 | 0x03 | 0x05 | SEND_MESSAGE | 0x52 | 0x33 | 0x35, _) => false,
        // Platform Event, Alert Immediate.
        (0x04, 0x02 | 0x16, _) => false,
        // Add SDR, Partial Add SDR, Add SEL Entry, Partial Add SEL Entry, Delete SEL Entry: deleting the
        // first record again would delete another one.
        (0x0a, 0x24 | 0x25 | 0x26 | 0x44..=0x46, _) => false,
        // Callback.
        (0x0c, 0x19, _) => false,
        // DCMI commands that change nothing: their numbers are below those of power limits.
        (0x2c, 0..=0x03, [DCMI, ..]) => true,
        // Bridge, firmware, group and OEM commands: unknown, so not repeatable.
        (number, ..) => matches!(number, 0x00 | 0x04 | 0x06 | 0x0a | 0x0c),
    }
}

#[cfg(test)]
mod tests {
    use crate::{NetFn, Request};

    #[test]
    fn a_power_cycle_is_not_repeatable_and_power_on_is() {
        let chassis = |control| Request::new(NetFn::CHASSIS, 2, &[control]).is_repeatable();
        assert_eq!([0, 1, 2, 3, 4, 5].map(chassis), [true, true, false, false, false, true]);
        assert!(Request::new(NetFn::APP, 1, &[]).is_repeatable());
        assert!(!Request::new(NetFn::APP, 2, &[]).is_repeatable());
        assert!(!Request::new(NetFn::new(0x30).unwrap(), 1, &[]).is_repeatable());
        assert!(Request::new(NetFn::new(0x2c).unwrap(), 2, &[0xdc, 1, 0, 0]).is_repeatable());
    }

    #[test]
    fn commands_with_other_side_effects_are_not_repeatable() {
        let ask = |net_fn, command, data: &[u8]| {
            Request::new(NetFn::new(net_fn).unwrap(), command, data).is_repeatable()
        };
        for (net_fn, command, name) in [
            (0x00, 0x03, "Chassis Reset"),
            (0x02, 0x20, "Bridge Request"),
            (0x04, 0x16, "Alert Immediate"),
            (0x06, 0x05, "Manufacturing Test On"),
            (0x06, 0x33, "Get Message"),
            (0x06, 0x35, "Read Event Message Buffer"),
            (0x06, 0x52, "Master Write-Read"),
            (0x08, 0x01, "firmware"),
            (0x0a, 0x45, "Partial Add SEL Entry"),
            (0x0a, 0x46, "Delete SEL Entry"),
            (0x0c, 0x19, "Callback"),
        ] {
            assert!(!ask(net_fn, command, &[0; 4]), "{name}");
        }
        assert!(ask(0x06, 0x04, &[]), "Get Self Test Results");
        assert!(ask(0x0a, 0x47, &[0, 0, b'C', b'L', b'R', 0]), "Clear SEL");
        assert!(!ask(0x2c, 0x02, &[0, 1]), "another group");
    }
}
