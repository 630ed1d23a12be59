//! The timer that acts when the machine says nothing any more (IPMI 2.0, 27).

use std::time::Duration;

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Watchdog Timer (IPMI 2.0, 27.7).
#[derive(Clone, Copy, Debug)]
pub struct GetWatchdog;

/// The timer and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// For whom it runs.
    pub user: TimerUser,
    /// Whether it runs.
    pub is_running: bool,
    /// Whether what it does is written to the event log.
    pub is_logged: bool,
    /// What it does at the end.
    pub action: TimeoutAction,
    /// What it does before the end.
    pub warning: PreTimeout,
    /// How long before the end it does that; whole seconds, at most 255.
    pub warns_before: Duration,
    /// For whom it has run out since that was looked at; a bit for each [`TimerUser`] by its number.
    pub expired_for: u8,
    /// How long it runs; tenths of seconds.
    pub interval: Duration,
    /// How long it still has to run; some controllers do not say it.
    pub remaining: Option<Duration>,
}

/// For whom the timer runs (IPMI 2.0, 27.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerUser {
    /// The firmware, which tests the processors (FRB2).
    Frb2,
    /// The firmware's self test.
    Post,
    /// The loader of the operating system.
    OsLoad,
    /// The operating system, or software on it (SMS/OS).
    Os,
    /// The manufacturer's own.
    Oem,
    /// A number that is reserved.
    Unknown,
}

impl TimerUser {
    /// Its name.
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

/// What the timer does at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutAction {
    /// Nothing.
    None,
    /// A hard reset.
    Reset,
    /// The power goes.
    PowerDown,
    /// The power goes and comes again.
    PowerCycle,
    /// A number that is reserved.
    Unknown,
}

impl TimeoutAction {
    /// All that can be set, with the words for them.
    pub const WORDS: [(&str, Self); 4] =
        [("none", Self::None), ("reset", Self::Reset), ("off", Self::PowerDown), ("cycle", Self::PowerCycle)];

    /// Its word.
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

/// What the timer does before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreTimeout {
    /// Nothing.
    None,
    /// A system management interrupt.
    Smi,
    /// A diagnostic interrupt.
    Nmi,
    /// A message that waits for the operating system.
    Message,
    /// A number that is reserved.
    Unknown,
}

impl PreTimeout {
    /// Its name.
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

/// Set Watchdog Timer (IPMI 2.0, 27.6). It stands still afterwards, until it is reset.
#[derive(Clone, Copy, Debug)]
pub struct SetWatchdog {
    /// For whom it runs.
    pub user: TimerUser,
    /// What it does at its end.
    pub action: TimeoutAction,
    /// What it does before.
    pub warning: PreTimeout,
    /// How long before, in seconds.
    pub warns_before: u8,
    /// How long it runs, in tenths of seconds.
    pub tenths: u16,
}

impl SetWatchdog {
    /// A timer that stands still and does nothing at all.
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
        // What has run out for this user is no news any more.
        let cleared = 1 << self.user.number();
        let data = [self.user.number(), actions, self.warns_before, cleared, low, high];
        Request::new(NetFn::APP, 0x24, &data)
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Reset Watchdog Timer: it begins anew (IPMI 2.0, 27.5). The code 80h says that nobody has set it up.
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
    fn a_timer_reads_as_it_was_set() {
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
