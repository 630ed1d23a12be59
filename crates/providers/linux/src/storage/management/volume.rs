//! `MSFT_Volume`.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use cim::{Instance, Value};
use linux::storage::statistics::{Statistics, StatisticsQueries};
use linux::storage::volume::{Volume as Row, volumes};
use wmi::{Lookup, MethodCall, ProviderError, Scan, Target};

use super::{Health, object_id};
use crate::Machine;
use crate::storage::checks::relabel_device;
use crate::storage::logical_disk::drive_number;
use crate::storage::volume::no_such;
use crate::storage::wants_any;
use crate::table::{Fill, Push, Table, failure, returned, text_key};

/// Volumes of the machine.
pub(super) struct Volume {
    queries: Arc<StatisticsQueries>,
}

impl Volume {
    pub(super) fn new(queries: &Arc<StatisticsQueries>) -> Self {
        Self { queries: queries.clone() }
    }

    fn find(&self, machine: &Machine, wanted: &str) -> Result<Option<Row>, ProviderError> {
        let mut all = volumes(machine, &self.queries).map_err(failure)?.into_iter();
        Ok(all.find(|row| id(row).eq_ignore_ascii_case(wanted)))
    }
}

/// Returns the object identifier of a volume.
pub(super) fn id(row: &Row) -> String {
    object_id("Volume", &row.device_id())
}

/// Returns the health of a volume: a warning if the file system has recorded an error, unknown if it does not
/// answer.
fn health(machine: &Machine, row: &Row) -> Health {
    let Some(file_system) = &row.file_system else { return Health::Unknown };
    match (file_system.statistics(machine), file_system.is_dirty(machine)) {
        (None, _) => Health::Unknown,
        (Some(_), Some(true)) => Health::Warning,
        (Some(_), _) => Health::Healthy,
    }
}

/// Values of `OperationalStatus` of volumes.
const UNKNOWN: u16 = 0;
const OK: u16 = 2;
const SCAN_NEEDED: u16 = 0xD00D;

/// Returns the number of a file system type in the DMTF schema; 0 for others.
fn kind(name: &str) -> u16 {
    match name {
        "vfat" | "msdos" => 4,
        "ext2" => 11,
        "ext3" => 12,
        "hfs" | "hfsplus" => 3,
        "ntfs" | "ntfs3" => 14,
        "reiserfs" => 13,
        "ufs" => 2,
        "xfs" => 9,
        "afs" => 10,
        _ => 0,
    }
}

/// Columns that only the file system itself can fill; asking may take long.
const TOLD: &[&str] = &["AllocationUnitSize", "HealthStatus", "OperationalStatus", "Size", "SizeRemaining"];

impl Table for Volume {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_Volume";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AllocationUnitSize", |machine, row| {
            row.statistics(machine).and_then(|statistics| u32::try_from(statistics.block).ok()).into()
        }),
        ("DriveType", |machine, row| drive_number(row.drive_type(machine)).into()),
        ("FileSystem", |_, row| row.kind.clone().into()),
        ("FileSystemLabel", |_, row| row.identity.label.clone().unwrap_or_default().into()),
        ("FileSystemType", |_, row| kind(&row.kind).into()),
        ("HealthStatus", |machine, row| health(machine, row).number().into()),
        ("ObjectId", |_, row| id(row).into()),
        ("OperationalStatus", |machine, row| {
            let status = match health(machine, row) {
                Health::Healthy => OK,
                Health::Warning | Health::Unhealthy => SCAN_NEEDED,
                Health::Unknown => UNKNOWN,
            };
            vec![status].into()
        }),
        ("Path", |_, row| row.place().map_or_else(|| row.device_id(), str::to_owned).into()),
        ("Size", |machine, row| {
            row.statistics(machine)
                .map(Statistics::size)
                .or_else(|| row.block.as_ref().filter(|_| row.file_system.is_none())?.size(machine))
                .into()
        }),
        ("SizeRemaining", |machine, row| row.statistics(machine).map(Statistics::free).into()),
        ("UniqueId", |_, row| row.device_id().into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        let rows = volumes(machine, &self.queries).map_err(failure)?;
        if wants_any(scan, TOLD) {
            for file_system in rows.iter().filter_map(|row| row.file_system.as_ref()) {
                file_system.ask(machine);
            }
        }
        rows.into_iter().try_for_each(push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        self.find(machine, text_key(lookup.keys))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance(keys) = call.target else { return Err(ProviderError::NotCapable) };
        let row = self.find(machine, text_key(keys))?.ok_or_else(|| no_such(text_key(keys)))?;
        match call.operation.method.name.as_str() {
            "SetFileSystemLabel" => {
                let label = call.input.value("FileSystemLabel").and_then(Value::as_str).unwrap_or_default();
                relabel_device(&row.source(), &row.kind, row.place(), label, LIMIT)?;
                returned(call, 0_u32)
            }
            "Flush" => {
                let place = row.place().ok_or_else(|| {
                    ProviderError::failed(
                        cim::Status::Failed,
                        "a volume that is not mounted has nothing to write",
                    )
                })?;
                File::open(machine.path(place))
                    .and_then(|folder| rustix::fs::syncfs(&folder).map_err(Into::into))
                    .map_err(failure)?;
                returned(call, 0_u32)
            }
            _ => Err(ProviderError::NotCapable),
        }
    }
}

/// Time limit for writing a label.
const LIMIT: Duration = Duration::from_secs(30);
