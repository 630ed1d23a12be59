//! What machines start from, as texts of CIM (CIM_BootSourceSetting.StructuredBootString).

use ipmi::proto::boot::BootDevice;

/// All that a controller can be told, in the order that indexes mean: `CIM:` for those that CIM names, `IPMI:` for
/// the others.
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

/// The device of a text, without regard to case.
pub(crate) fn device(text: &str) -> Option<BootDevice> {
    SOURCES.iter().find(|(source, _)| source.eq_ignore_ascii_case(text)).map(|(_, device)| *device)
}

/// The index of a device; none of what is no source, such as the firmware's own settings.
pub(crate) fn index(device: BootDevice) -> Option<u8> {
    (0..).zip(SOURCES).find(|(_, (_, source))| *source == device).map(|(index, _)| index)
}
