//! Boot sources as CIM texts (CIM_BootSourceSetting.StructuredBootString).

use ipmi::proto::boot::BootDevice;

/// All boot sources that a controller supports, in index order: with prefix `CIM:` if CIM defines the name,
/// otherwise `IPMI:`.
pub(crate) const SOURCES: [(&str, BootDevice); 11] = [
    ("CIM:Hard-Disk:1", BootDevice::Disk),
    ("CIM:Network:1", BootDevice::Pxe),
    ("CIM:CD/DVD:1", BootDevice::Cd),
    ("CIM:Floppy:1", BootDevice::Floppy),
    ("IPMI:Setup:1", BootDevice::Setup),
    ("IPMI:Diagnostic:1", BootDevice::Diagnostic),
    ("IPMI:Safe-Disk:1", BootDevice::SafeDisk),
    ("IPMI:Remote-CD/DVD:1", BootDevice::RemoteCd),
    ("IPMI:Remote-Floppy:1", BootDevice::RemoteFloppy),
    ("IPMI:Remote-Hard-Disk:1", BootDevice::RemoteDisk),
    ("IPMI:Remote-Media:1", BootDevice::RemoteMedia),
];

/// Returns the device with this text, case-insensitive.
pub(crate) fn device(text: &str) -> Option<BootDevice> {
    SOURCES.iter().find(|(source, _)| source.eq_ignore_ascii_case(text)).map(|(_, device)| *device)
}

/// Returns the index of a device; `None` if it is not a boot source, such as "no override".
pub(crate) fn index(device: BootDevice) -> Option<u8> {
    (0..).zip(SOURCES).find(|(_, (_, source))| *source == device).map(|(index, _)| index)
}
