//! `Win32_QuickFixEngineering`: installed updates.

use std::sync::Arc;

use jiff::civil::Date;
use wmi::{ProviderError, Scan};

use super::{advisory, apt_history};
use crate::Machine;
use crate::package;
use crate::table::{Fill, Push, Table, failure};

/// Upgrades made by apt, or installed advisories of dnf.
pub(crate) struct QuickFix;

/// An update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// Package with its version, or name of an advisory.
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Installation date; `None` if unknown.
    pub(super) day: Option<Date>,
    /// User who requested it; `None` if unknown.
    pub(super) by: Option<String>,
}

/// Purpose of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Security,
    /// Other or unknown purpose.
    Other,
}

impl Table for QuickFix {
    type Row = Update;

    const CLASS: &'static str = "Win32_QuickFixEngineering";

    const COLUMNS: &'static [(&'static str, Fill<Update>)] = &[
        ("Description", |_, update| match update.kind {
            Kind::Security => "Security Update".into(),
            Kind::Other => "Update".into(),
        }),
        ("FixComments", |_, _| "".into()),
        ("HotFixID", |_, update| update.id.clone().into()),
        ("InstalledBy", |_, update| update.by.clone().into()),
        // Windows writes month, day and year, without leading zeros.
        ("InstalledOn", |_, update| {
            update.day.map(|day| format!("{}/{}/{}", day.month(), day.day(), day.year())).into()
        }),
        ("ServicePackInEffect", |_, _| "".into()),
        ("Status", |_, _| "OK".into()),
    ];

    const UNKNOWN: &'static [&'static str] = &["Caption", "Name"];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Update>,
    ) -> Result<(), ProviderError> {
        let updates = match package::kind(machine) {
            Some(package::Kind::Rpm) => advisory::updates(machine)?,
            Some(package::Kind::Dpkg) => apt_history::updates(machine).map_err(failure)?,
            None => Vec::new(),
        };
        updates.into_iter().try_for_each(push)
    }
}
