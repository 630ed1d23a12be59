//! `MSStorageDriver_FailurePredictStatus` of `root/wmi`: failure predictions of disks.

use linux::storage::drive::Drive;
use linux::storage::smart::Smart;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Disks that report a prediction.
pub(super) struct FailurePrediction;

impl Table for FailurePrediction {
    type Row = Drive;

    const NAMESPACE: &'static str = "root/wmi";

    const CLASS: &'static str = "MSStorageDriver_FailurePredictStatus";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        ("Active", |_, _| true.into()),
        // As on Windows: the `PNPDeviceID` of `Win32_DiskDrive` with a number appended.
        ("InstanceName", |_, drive| format!("{}_0", drive.block.folder).into()),
        ("PredictFailure", |machine, drive| drive.smart(machine).and_then(Smart::expects_failure).into()),
        ("Reason", |_, _| 0_u32.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(Drive::all(machine)
            .filter(|drive| drive.smart(machine).and_then(Smart::expects_failure).is_some()))
    }
}
