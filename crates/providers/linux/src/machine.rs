//! The machine, with the settings of its administrator for these classes.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cim::{DateTime, Name, Timestamp};
use linux::account::{Group, User};
use linux::listing::Listing;
use linux::now;
use sddl::DomainSid;

use crate::choices::{Choices, Chosen};
use crate::masquerade::{Masquerade, Texts};

/// A machine whose instances the providers return: this one, or a directory tree that imitates one.
///
/// Dereferences to the [`linux::Machine`] from which the data is read.
#[derive(Debug)]
pub struct Machine {
    linux: linux::Machine,
    masquerade: Masquerade,
    state: PathBuf,
    user_state: Option<PathBuf>,
    drive_aliases: Vec<(String, String)>,
    chosen: Chosen,
}

impl Deref for Machine {
    type Target = linux::Machine;

    fn deref(&self) -> &linux::Machine {
        &self.linux
    }
}

impl Machine {
    /// Returns this machine.
    #[must_use]
    pub fn this() -> Self {
        Self::of(linux::Machine::this())
    }

    /// Returns a machine whose `/proc`, `/sys`, `/etc`, `/usr` and `/var` are below a directory, without a
    /// bus.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self::of(linux::Machine::at(root))
    }

    fn of(linux: linux::Machine) -> Self {
        Self {
            state: linux.path("var/lib/telarch"),
            linux,
            masquerade: Masquerade::default(),
            user_state: None,
            drive_aliases: Vec::new(),
            chosen: Chosen::default(),
        }
    }

    /// Sets the directories in which providers store data: of the machine, and of the user they run as.
    #[must_use]
    pub fn keeping(self, state: impl Into<PathBuf>, user_state: Option<PathBuf>) -> Self {
        Self { state: state.into(), user_state, ..self }
    }

    /// Returns the directory for data of the machine.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Returns the directory for data of the user that this process runs as; `None` if nothing is stored.
    #[must_use]
    pub fn user_state(&self) -> Option<&Path> {
        self.user_state.as_deref()
    }

    /// Adds an alias for the disk mounted at `place`, for scripts that refer to `C:`.
    #[must_use]
    pub fn drive_alias(mut self, alias: impl Into<String>, place: impl Into<String>) -> Self {
        self.drive_aliases.push((alias.into(), place.into()));
        self
    }

    /// Returns the aliases of disks, with their mount points.
    pub(crate) fn drive_aliases(&self) -> Vec<(String, String)> {
        [self.drive_aliases.as_slice(), self.choices().drive_aliases.as_slice()].concat()
    }

    /// Returns the settings of the administrator.
    pub(crate) fn choices(&self) -> Arc<Choices> {
        self.chosen.of(self)
    }

    /// Returns the users that are enumerated.
    pub(crate) fn users(&self) -> Listing<User> {
        User::all(self, self.choices().accounts)
    }

    /// Returns the groups that are enumerated.
    pub(crate) fn groups(&self) -> Listing<Group> {
        Group::all(self, self.choices().accounts)
    }

    /// Sets the machine SID, from which the SIDs of users and groups are derived; without it they have none.
    #[must_use]
    pub fn with_sid(self, sid: DomainSid) -> Self {
        Self { linux: self.linux.with_sid(sid), ..self }
    }

    /// Sets the address of the bus, such as `unix:path=/run/dbus/system_bus_socket`.
    #[must_use]
    pub fn with_bus(self, address: impl Into<String>) -> Self {
        Self { linux: self.linux.with_bus(address), ..self }
    }

    /// Returns the texts that the administrator has set for a class.
    pub(crate) fn texts(&self, class: &Name) -> Option<Arc<Texts>> {
        self.masquerade.of(self, class)
    }

    /// Returns the current offset of local time from UTC in minutes.
    #[must_use]
    pub fn offset(&self) -> i16 {
        match self.timestamp(now()) {
            Some(DateTime::Timestamp(now)) => now.offset(),
            _ => 0,
        }
    }

    /// Returns a time with the machine's current offset from UTC.
    #[must_use]
    pub fn timestamp(&self, unix_micros: i64) -> Option<DateTime> {
        let offset = jiff::Timestamp::from_microsecond(unix_micros)
            .map(|timestamp| jiff::tz::TimeZone::system().to_offset(timestamp).seconds() / 60)
            .unwrap_or_default();
        Timestamp::from_unix_micros(unix_micros, i16::try_from(offset).unwrap_or_default())
            .map(DateTime::Timestamp)
    }
}
