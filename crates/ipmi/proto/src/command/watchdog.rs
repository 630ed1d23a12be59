//! Watchdog timer, which acts when the machine stops responding (IPMI 2.0, 27).

use std::time::Duration;

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Watchdog Timer (IPMI 2.0, 27.7).
#[derive(Clone, Copy, Debug)]
pub struct GetWatchdog;

/// State of the watchdog timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// Use of the timer.
    pub user: TimerUser,
    /// Whether the timer is running.
    pub is_running: bool,
    /// Whether expiration is logged in the event log.
    pub is_logged: bool,
    /// Action when the timer expires.
    pub action: TimeoutAction,
    /// Interrupt before the timer expires.
    pub warning: PreTimeout,
    /// Time between the interrupt and expiration, 0 to 255 whole seconds.
    pub warns_before: Duration,
    /// Uses for which the timer has expired since the flags were cleared; one bit for each [`TimerUser`]
    /// number.
    pub expired_for: u8,
    /// Initial countdown, a multiple of 100 ms.
    pub interval: Duration,
    /// Remaining time; `None` if the controller does not report it.
    pub remaining: Option<Duration>,
}

/// Use of the timer (IPMI 2.0, 27.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerUser {
    /// Processor test by the firmware (FRB2).
    Frb2,
    /// Power-on self test of the firmware.
    Post,
    /// Operating system loader.
    OsLoad,
    /// Operating system, or management software on it (SMS/OS).
    Os,
    /// Manufacturer-defined use.
    Oem,
    /// A reserved number.
    Unknown,
}

impl TimerUser {
    /// Returns the name of the use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Frb2 => "BIOS FRB2",
            Self::Post => "BIOS/POST",
            Self::OsLoad => "OS Load",
            Self::Os => "SMS/OS",
            Self::Oem => "OEM",
            Self::Unknown => "reserved",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Frb2 => 1,
            Self::Post => 2,
            Self::OsLoad => 3,
            Self::Os => 4,
            Self::Oem => 5,
            Self::Unknown => 0,
        }
    }

    fn of_number(number: u8) -> Self {
        let all = [Self::Frb2, Self::Post, Self::OsLoad, Self::Os, Self::Oem];
        all.into_iter().find(|user| user.number() == number).unwrap_or(Self::Unknown)
    }
}

/// Action when the timer expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutAction {
    /// No action.
    None,
    /// Hard reset.
    Reset,
    /// Power off.
    PowerDown,
    /// Power cycle.
    PowerCycle,
    /// A reserved number.
    Unknown,
}

impl TimeoutAction {
    /// All actions that can be set, with their names.
    pub const WORDS: [(&str, Self); 4] =
        [("none", Self::None), ("reset", Self::Reset), ("off", Self::PowerDown), ("cycle", Self::PowerCycle)];

    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, action)| *action == self).map_or("reserved", |(word, _)| word)
    }

    fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Reset => 1,
            Self::PowerDown => 2,
            Self::PowerCycle => 3,
            Self::Unknown => 7,
        }
    }

    fn of_number(number: u8) -> Self {
        let known = Self::WORDS.into_iter().find(|(_, action)| action.number() == number);
        known.map_or(Self::Unknown, |(_, action)| action)
    }
}

/// Interrupt before the timer expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreTimeout {
    /// No interrupt.
    None,
    /// System management interrupt (SMI).
    Smi,
    /// Diagnostic interrupt (NMI).
    Nmi,
    /// Messaging interrupt.
    Message,
    /// A reserved number.
    Unknown,
}

impl PreTimeout {
    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Smi => "SMI",
            Self::Nmi => "NMI",
            Self::Message => "message",
            Self::Unknown => "reserved",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Smi => 1,
            Self::Nmi => 2,
            Self::Message => 3,
            Self::Unknown => 7,
        }
    }

    fn of_number(number: u8) -> Self {
        let all = [Self::None, Self::Smi, Self::Nmi, Self::Message];
        all.into_iter().find(|warning| warning.number() == number).unwrap_or(Self::Unknown)
    }
}

impl Command for GetWatchdog {
    type Reply = Watchdog;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x25, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<Watchdog, ProtoError> {
        let mut octets = Octets::new("the answer to Get Watchdog Timer", octets);
        let [user, actions, seconds, expired_for] = octets.array()?;
        let mut tenths = || octets.u16().map(|tenths| Duration::from_millis(u64::from(tenths) * 100));
        Ok(Watchdog {
            user: TimerUser::of_number(user & 7),
            is_running: user & 0x40 != 0,
            is_logged: user & 0x80 == 0,
            action: TimeoutAction::of_number(actions & 7),
            warning: PreTimeout::of_number(actions >> 4 & 7),
            warns_before: Duration::from_secs(seconds.into()),
            expired_for,
            interval: tenths()?,
            remaining: tenths().ok(),
        })
    }
}

/// Set Watchdog Timer (IPMI 2.0, 27.6). Afterwards the timer is stopped until it is reset.
#[derive(Clone, Copy, Debug)]
pub struct SetWatchdog {
    /// Use of the timer.
    pub user: TimerUser,
    /// Action when the timer expires.
    pub action: TimeoutAction,
    /// Interrupt before the timer expires.
    pub warning: PreTimeout,
    /// Time between the interrupt and expiration in seconds.
    pub warns_before: u8,
    /// Initial countdown in units of 100 ms.
    pub tenths: u16,
}

impl SetWatchdog {
    /// A stopped timer without action.
    pub const OFF: Self = Self {
        user: TimerUser::Os,
        action: TimeoutAction::None,
        warning: PreTimeout::None,
        warns_before: 0,
        tenths: 0,
    };
}

impl Command for SetWatchdog {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let [low, high] = self.tenths.to_le_bytes();
        let actions = self.warning.number() << 4 | self.action.number();
        // Clears the expiration flag of this use.
        let cleared = 1 << self.user.number();
        let data = [self.user.number(), actions, self.warns_before, cleared, low, high];
        Request::new(NetFn::APP, 0x24, &data)
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Reset Watchdog Timer: starts or restarts the countdown (IPMI 2.0, 27.5). Completion code 80h means that
/// the timer was never set.
#[derive(Clone, Copy, Debug)]
pub struct ResetWatchdog;

impl Command for ResetWatchdog {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x22, &[])
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_encoded_and_decoded() {
        let set = SetWatchdog {
            user: TimerUser::Os,
            action: TimeoutAction::PowerCycle,
            warning: PreTimeout::Nmi,
            warns_before: 10,
            tenths: 600,
        };
        let sent = set.request().data.clone();
        assert_eq!(sent, [4, 0x23, 10, 0x10, 0x58, 2]);
        let read = GetWatchdog.reply(&[&[0x44], &sent[1..], &[0x57, 2]].concat()).unwrap();
        assert_eq!((read.user, read.action, read.warning), (set.user, set.action, set.warning));
        assert!(read.is_running && read.is_logged && read.warns_before.as_secs() == 10);
        assert_eq!((read.interval.as_secs(), read.remaining), (60, Some(Duration::from_millis(59_900))));
        let odd = GetWatchdog.reply(&[0x80, 0x75, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!((odd.user, odd.action), (TimerUser::Unknown, TimeoutAction::Unknown));
        assert_eq!((odd.warning, odd.is_logged), (PreTimeout::Unknown, false));
        assert_eq!(GetWatchdog.reply(&[0; 6]).unwrap().remaining, None);
        assert!(GetWatchdog.reply(&[0; 5]).is_err());
    }
}
