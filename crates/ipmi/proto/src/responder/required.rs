//! Required privilege level of commands (IPMI 2.0, appendix G).

use crate::message::Call;
use crate::message::DCMI;
use crate::{NetFn, Privilege};

/// Returns the required level of a command; unknown commands require the highest.
pub(super) fn privilege(call: &Call<'_>) -> Privilege {
    // In other groups the same numbers mean other commands.
    let is_other_group = call.net_fn == NetFn::GROUP && call.data.first() != Some(&DCMI);
    if is_other_group {
        Privilege::Administrator
    } else if is_in(call, USER) {
        Privilege::User
    } else if is_in(call, OPERATOR) {
        Privilege::Operator
    } else {
        Privilege::Administrator
    }
}

fn is_in(call: &Call<'_>, table: &[(u8, &[u8])]) -> bool {
    let (net_fn, command) = (call.net_fn.number(), call.command);
    table.iter().any(|(function, commands)| *function == net_fn && commands.contains(&command))
}

/// Commands by network function: chassis, sensor/event, application, storage, transport, and group (DCMI).
const USER: &[(u8, &[u8])] = &[
    (0x00, &[0x00, 0x01, 0x07, 0x0f]),
    (0x04, &[0x01, 0x10, 0x20, 0x21, 0x22, 0x23, 0x25, 0x27, 0x29, 0x2b, 0x2d, 0x2f]),
    (0x06, &[0x01, 0x04, 0x07, 0x08, 0x25, 0x2f, 0x34, 0x36, 0x37, 0x38, 0x3b, 0x3c, 0x3d, 0x41, 0x42]),
    (0x06, &[0x4a, 0x4b, 0x4e, 0x4f, 0x50, 0x54, 0x55, 0x57, 0x59]),
    (0x0a, &[0x10, 0x11, 0x20, 0x21, 0x22, 0x23, 0x28, 0x40, 0x41, 0x42, 0x43, 0x48, 0x5a, 0x5c]),
    (0x0c, &[0x04, 0x22]),
    (0x2c, &[0x01, 0x02, 0x03]),
];
const OPERATOR: &[(u8, &[u8])] = &[
    (0x00, &[0x02, 0x03, 0x04, 0x06, 0x08, 0x09]),
    (0x04, &[0x02, 0x13, 0x24, 0x26, 0x28, 0x2a, 0x2e, 0x30]),
    (0x06, &[0x22, 0x24, 0x3f, 0x44, 0x46, 0x48, 0x49, 0x4d, 0x52]),
    (0x0a, &[0x12, 0x24, 0x25, 0x26, 0x27, 0x29, 0x2a, 0x2b, 0x2c, 0x44, 0x45, 0x46, 0x47, 0x49, 0x5b, 0x5d]),
    (0x0c, &[0x02, 0x03]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capabilities::{Detail, GetAuthenticationCapabilities, GetCipherSuites};
    use crate::channel::{ChannelNumber, GetChannelAccess, GetChannelInfo, GetSessionInfo, Setting};
    use crate::command::user::{GetUserAccess, GetUserName, PasswordOperation, SetUserPassword, UserId};
    use crate::lan::{GetLanParameter, LanChange, LanParameter, SetLanParameter};
    use crate::message::SequenceNumber;
    use crate::payload::{GetSerialParameter, SerialChange, SerialParameter, SetSerialParameter};
    use crate::storage::{ClearSel, ClearStep, GetFruInfo, GetSelInfo, ReserveSel};
    use crate::{Command, Request, boot, chassis, controller, dcmi, device_id, event_log, guid};
    use crate::{power, security_key, sensor, system_info, threshold, watchdog};

    fn level(request: &Request) -> Privilege {
        privilege(&Call::decode(&request.encode(SequenceNumber::FIRST)).unwrap())
    }

    #[test]
    fn unknown_commands_require_the_highest_level() {
        let level =
            |net_fn, command, data: &[u8]| level(&Request::new(NetFn::new(net_fn).unwrap(), command, data));
        assert_eq!(level(0x30, 0x01, &[]), Privilege::Administrator);
        assert_eq!(level(0x2c, 0x03, &[0xdc]), Privilege::User, "Get Power Limit");
        assert_eq!(level(0x2c, 0x03, &[0x00]), Privilege::Administrator, "PICMG: Set Shelf Address Info");
        assert_eq!(level(0x2c, 0x03, &[]), Privilege::Administrator);
        for (command, name) in [(0x05, "Set Chassis Capabilities"), (0x0a, "Set Front Panel Enables")] {
            assert_eq!(level(0x00, command, &[]), Privilege::Administrator, "{name}");
        }
    }

    #[test]
    fn commands_of_the_console_have_the_level_of_the_controller() {
        fn holds<C: Command>(command: &C) {
            let request = command.request();
            assert_eq!(level(&request), C::PRIVILEGE, "{request:?}");
        }
        let (channel, user) = (ChannelNumber::THIS, UserId::new(1).unwrap());
        holds(&GetAuthenticationCapabilities { privilege: Privilege::User, detail: Detail::Ipmi20 });
        holds(&GetCipherSuites::here(0));
        holds(&GetChannelAccess { channel, setting: Setting::Volatile });
        holds(&GetChannelInfo(channel));
        holds(&GetSessionInfo::Own);
        holds(&GetUserAccess { channel, user });
        holds(&GetUserName(user));
        holds(&SetUserPassword { user, operation: PasswordOperation::Enable });
        holds(&GetLanParameter { channel, parameter: LanParameter::Address });
        holds(&SetLanParameter { channel, change: LanChange::Begin });
        holds(&GetSerialParameter { channel, parameter: SerialParameter::Enabled });
        holds(&SetSerialParameter { channel, change: SerialChange::Begin });
        holds(&ClearSel { reservation: 0, step: ClearStep::Poll });
        holds(&GetFruInfo(0));
        holds(&GetSelInfo);
        holds(&ReserveSel);
        holds(&boot::GetBootFlags);
        holds(&boot::SetBootOption::Begin);
        holds(&chassis::GetStatus);
        holds(&chassis::Control::PowerCycle);
        holds(&chassis::SetIdentify::Indefinitely);
        holds(&controller::Restart::Cold);
        holds(&controller::GetSelfTest);
        holds(&dcmi::GetPowerReading);
        holds(&device_id::GetDeviceId);
        holds(&event_log::GetSelTime);
        holds(&event_log::SetSelTime(0));
        holds(&event_log::DeleteSelEntry { reservation: 0, record: 1 });
        holds(&guid::GetSystemGuid);
        holds(&guid::GetDeviceGuid);
        holds(&power::GetRestartCause);
        holds(&power::SetRestorePolicy::Ask);
        holds(&security_key::GroupKeyRequest { channel, operation: security_key::KeyOperation::Read });
        holds(&sensor::GetReading(1));
        holds(&system_info::GetSystemInfo { text: system_info::SystemText::Name, block: 0 });
        holds(&threshold::GetThresholds(1));
        holds(&threshold::GetEventEnables(1));
        holds(&watchdog::GetWatchdog);
        holds(&watchdog::SetWatchdog::OFF);
        holds(&watchdog::ResetWatchdog);
    }
}
