//! `MSFT_StoragePool`: volume groups of LVM.

use linux::storage::lvm::{Row, volume_groups};
use wmi::ProviderError;

use super::{Health, object_id};
use crate::Machine;
use crate::table::{Fill, Table, failure};

/// Volume groups.
pub(super) struct StoragePool;

/// Returns whether an attribute of the group has this value (vgs(8), `vg_attr`).
fn has(row: &Row, place: usize, letter: char) -> bool {
    row.text("vg_attr").is_some_and(|attributes| attributes.chars().nth(place) == Some(letter))
}

/// Returns the health: a group is partial if physical volumes are missing.
fn health(row: &Row) -> Health {
    if has(row, 3, 'p') { Health::Unhealthy } else { Health::Healthy }
}

impl Table for StoragePool {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_StoragePool";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AllocatedSize", |_, row| {
            let sizes = row.number::<u64>("vg_size").zip(row.number::<u64>("vg_free"));
            sizes.and_then(|(size, free)| size.checked_sub(free)).into()
        }),
        ("FriendlyName", |_, row| row.text("vg_name").into()),
        ("HealthStatus", |_, row| health(row).number().into()),
        ("IsClustered", |_, row| (has(row, 5, 'c') || has(row, 5, 's')).into()),
        ("IsPrimordial", |_, _| false.into()),
        ("IsReadOnly", |_, row| has(row, 0, 'r').into()),
        ("Name", |_, row| row.text("vg_name").into()),
        ("ObjectId", |_, row| object_id("StoragePool", &row.text("vg_uuid").unwrap_or_default()).into()),
        // 2 is OK, 3 degraded.
        ("OperationalStatus", |_, row| vec![if health(row) == Health::Healthy { 2_u16 } else { 3 }].into()),
        ("Size", |_, row| row.number::<u64>("vg_size").into()),
        ("UniqueId", |_, row| row.text("vg_uuid").into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(volume_groups().map_err(failure)?.into_iter())
    }
}
