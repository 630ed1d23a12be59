//! `Win32_QuickFixEngineering`: the updates that are in effect.

use std::sync::Arc;

use jiff::civil::Date;
use wmi::{ProviderError, Scan};

use super::{advisory, apt_history};
use crate::Machine;
use crate::package;
use crate::table::{Fill, Push, Table, failure};

/// What apt has upgraded, or the advisories that dnf finds installed.
pub(crate) struct QuickFix;

/// An update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// A package with its version, or an advisory.
    pub(super) id: String,
    pub(super) kind: Kind,
    /// When it was installed, where that is known.
    pub(super) day: Option<Date>,
    /// Who asked for it, where that is known.
    pub(super) by: Option<String>,
}

/// What an update is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Security,
    /// Or nobody says what.
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
        // Windows writes months and days without zeros, and the year last.
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
