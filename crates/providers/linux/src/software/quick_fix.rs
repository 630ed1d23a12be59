//! `Win32_QuickFixEngineering`: installed updates.

use linux::software::{Kind, Update};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};

/// Upgrades made by apt, or installed advisories of dnf.
pub(crate) struct QuickFix;

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

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Update>, ProviderError> {
        let updates = Update::all(machine).map_err(failure)?;
        Ok(updates.into_iter())
    }
}
