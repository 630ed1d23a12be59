//! `Win32_EncryptableVolume`: local volumes, with dm-crypt and LUKS in place of `BitLocker`.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use linux::storage::block::Block;
use linux::storage::encryption::{identity, layer, locked};
use linux::storage::file_system::DriveType;
use linux::storage::statistics::StatisticsQueries;
use linux::storage::volume::{Volume, volumes};
use wmi::{MethodCall, ProviderError, Target};

use crate::Machine;
use crate::table::{Fill, Table, failure, returned, text_key};

/// Volumes, encrypted or not, and locked LUKS devices.
pub(crate) struct EncryptableVolume;

/// A volume.
pub(crate) enum Row {
    /// A volume whose data can be read.
    Open(Box<Volume>),
    /// A LUKS device without its key.
    Locked(Block),
}

/// State of the protection (`GetProtectionStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    /// Not encrypted.
    Off = 0,
    /// Encrypted, and the key is in use.
    On = 1,
    /// Locked: what protects the key is unknown.
    Unknown = 2,
}

impl Row {
    fn id(&self) -> String {
        match self {
            Self::Open(volume) => volume.device_id(),
            Self::Locked(block) => block.node(),
        }
    }

    /// Returns the device of dm-crypt below the volume.
    fn layer(&self, machine: &Machine) -> Option<Block> {
        match self {
            Self::Open(volume) => layer(machine, volume.block.as_ref()?),
            Self::Locked(_) => None,
        }
    }

    fn protection(&self, machine: &Machine) -> Protection {
        match self {
            Self::Locked(_) => Protection::Unknown,
            Self::Open(_) if self.layer(machine).is_some() => Protection::On,
            Self::Open(_) => Protection::Off,
        }
    }

    /// Returns the value of `ConversionStatus`: 0 is fully decrypted, 1 fully encrypted.
    fn conversion(&self, machine: &Machine) -> u32 {
        u32::from(self.protection(machine) != Protection::Off)
    }

    /// Returns the UUID of the LUKS header.
    fn header(&self, machine: &Machine) -> Option<String> {
        match self {
            Self::Open(_) => identity(machine, &self.layer(machine)?).filter(|uuid| !uuid.is_empty()),
            Self::Locked(block) => block.udev(machine).property("ID_FS_UUID").map(str::to_owned),
        }
    }

    /// Returns the value of `VolumeType`: 0 is the volume of the operating system, 1 another fixed volume, 2 a
    /// removable one.
    fn kind(&self, machine: &Machine) -> u32 {
        match self {
            Self::Open(volume) if volume.place() == Some("/") => 0,
            Self::Open(volume) if volume.drive_type(machine) == DriveType::Removable => 2,
            Self::Locked(block) if block.is_removable(machine) => 2,
            Self::Open(_) | Self::Locked(_) => 1,
        }
    }
}

fn rows(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
    let volumes = volumes(machine, &Arc::<StatisticsQueries>::default()).map_err(failure)?.into_iter();
    // Swap space is a volume on Linux only.
    let open = volumes
        .filter(|volume| volume.kind != "swap" && volume.kind != "crypto_LUKS")
        .map(|volume| Row::Open(Box::new(volume)));
    Ok(open.chain(locked(machine).into_iter().map(Row::Locked)))
}

impl Table for EncryptableVolume {
    type Row = Row;

    const NAMESPACE: &'static str = "root/cimv2/security/microsoftvolumeencryption";

    const CLASS: &'static str = "Win32_EncryptableVolume";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("ConversionStatus", |machine, row| row.conversion(machine).into()),
        ("DeviceID", |_, row| row.id().into()),
        ("DriveLetter", |_, row| match row {
            Row::Open(volume) => volume.place().map(str::to_owned).into(),
            Row::Locked(_) => Value::Null,
        }),
        // 0 is "not encrypted"; root alone may see the cipher of others.
        ("EncryptionMethod", |machine, row| {
            (row.protection(machine) == Protection::Off).then_some(0_u32).into()
        }),
        ("IsVolumeInitializedForProtection", |machine, row| (row.conversion(machine) == 1).into()),
        ("PersistentVolumeID", |machine, row| row.header(machine).into()),
        ("ProtectionStatus", |machine, row| (row.protection(machine) as u32).into()),
        ("VolumeType", |machine, row| row.kind(machine).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        rows(machine)
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance(keys) = call.target else { return Err(ProviderError::NotCapable) };
        let id = text_key(keys);
        let row = rows(machine)?.find(|row| row.id().eq_ignore_ascii_case(id));
        let row =
            row.ok_or_else(|| ProviderError::failed(Status::NotFound, format!("volume {id} not found")))?;
        let answer = returned(call, 0_u32)?;
        Ok(match call.operation.method.name.as_str() {
            "GetConversionStatus" => {
                let status = row.conversion(machine);
                answer.with("ConversionStatus", status)?.with("EncryptionPercentage", status * 100)?
            }
            "GetLockStatus" => answer.with("LockStatus", u32::from(matches!(row, Row::Locked(_))))?,
            "GetProtectionStatus" => answer.with("ProtectionStatus", row.protection(machine) as u32)?,
            _ => return Err(ProviderError::NotCapable),
        })
    }
}
