//! Boot device selection (IPMI 2.0, 28.12 to 28.14).

use std::fmt;
use std::str::FromStr;

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get System Boot Options, for the boot flags (parameter 5).
#[derive(Clone, Copy, Debug)]
pub struct GetBootFlags;

/// Boot flags, read by the firmware at the next start (IPMI 2.0, table 28-14, parameter 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootFlags {
    /// Whether the firmware uses the flags. They become invalid after a start or after one minute, unless set
    /// otherwise.
    pub are_valid: bool,
    /// Number of starts for which the flags apply.
    pub persistence: Persistence,
    /// Firmware type to start.
    pub firmware: Firmware,
    /// Device to start from.
    pub device: BootDevice,
    /// Remaining bytes, unchanged: locks, verbosity and console redirection.
    pub others: [u8; 3],
}

/// Number of starts for which boot flags apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// The next start only.
    #[default]
    Once,
    /// All further starts.
    Always,
}

/// Firmware type that boot flags apply to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// Legacy BIOS.
    #[default]
    Legacy,
    /// UEFI.
    Efi,
}

impl BootFlags {
    /// Returns valid flags that set only the boot device.
    #[must_use]
    pub fn new(device: BootDevice, persistence: Persistence, firmware: Firmware) -> Self {
        Self { are_valid: true, persistence, firmware, device, others: [0; 3] }
    }
}

impl BootFlags {
    /// Returns whether the machine starts in the same way with both flags. Flags without a device have no
    /// effect, whether they are valid or not.
    #[must_use]
    pub fn have_effect_of(&self, other: &Self) -> bool {
        let effect = |flags: &Self| {
            let Self { are_valid, persistence, firmware, device, .. } = *flags;
            (are_valid && device != BootDevice::NoOverride).then_some((persistence, firmware, device))
        };
        effect(self) == effect(other)
    }
}

impl fmt::Display for BootFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { are_valid, persistence, firmware, device, .. } = self;
        let validity = if *are_valid { "valid" } else { "not valid" };
        write!(f, "{device}, {}, {}, {validity}", persistence.name(), firmware.name())
    }
}

impl Persistence {
    /// Returns the name in tables and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Once => "next start",
            Self::Always => "all starts",
        }
    }
}

impl Firmware {
    /// Returns the name in tables and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Efi => "efi",
        }
    }
}

/// Boot device (IPMI 2.0, table 28-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootDevice {
    /// No override: the boot order in the firmware settings applies.
    NoOverride,
    /// Network boot.
    Pxe,
    /// Default hard disk.
    Disk,
    /// Default hard disk, in safe mode.
    SafeDisk,
    /// Diagnostic partition.
    Diagnostic,
    /// CD or DVD.
    Cd,
    /// Firmware setup.
    Setup,
    /// Remote removable media.
    RemoteFloppy,
    /// Remote CD or DVD.
    RemoteCd,
    /// Primary remote media.
    RemoteMedia,
    /// Remote hard disk.
    RemoteDisk,
    /// Floppy or primary removable media.
    Floppy,
    /// A number reserved by the specification.
    Reserved(
        /// INVARIANT: 10, 12, 13 or 14.
        ReservedDevice,
    ),
}

/// A boot device number that is not defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedDevice(u8);

impl BootDevice {
    /// All defined devices, with their names on the command line.
    pub const WORDS: [(&str, Self); 12] = [
        ("none", Self::NoOverride),
        ("pxe", Self::Pxe),
        ("disk", Self::Disk),
        ("safe", Self::SafeDisk),
        ("diag", Self::Diagnostic),
        ("cdrom", Self::Cd),
        ("bios", Self::Setup),
        ("remote-floppy", Self::RemoteFloppy),
        ("remote-cdrom", Self::RemoteCd),
        ("remote-media", Self::RemoteMedia),
        ("remote-disk", Self::RemoteDisk),
        ("floppy", Self::Floppy),
    ];

    /// Returns the name on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, device)| *device == self).map_or("reserved", |(word, _)| word)
    }

    fn number(self) -> u8 {
        match self {
            Self::NoOverride => 0,
            Self::Pxe => 1,
            Self::Disk => 2,
            Self::SafeDisk => 3,
            Self::Diagnostic => 4,
            Self::Cd => 5,
            Self::Setup => 6,
            Self::RemoteFloppy => 7,
            Self::RemoteCd => 8,
            Self::RemoteMedia => 9,
            Self::RemoteDisk => 11,
            Self::Floppy => 15,
            Self::Reserved(ReservedDevice(number)) => number,
        }
    }

    fn of_number(number: u8) -> Self {
        let known = Self::WORDS.iter().find(|(_, device)| device.number() == number);
        known.map_or(Self::Reserved(ReservedDevice(number)), |(_, device)| *device)
    }
}

impl fmt::Display for BootDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for BootDevice {
    type Err = ProtoError;

    fn from_str(text: &str) -> Result<Self, ProtoError> {
        let known = Self::WORDS.iter().find(|(word, _)| *word == text);
        known.map(|(_, device)| *device).ok_or_else(|| ProtoError::Word {
            what: "a device to start from",
            word: text.to_owned(),
            known: Self::WORDS.map(|(word, _)| word).join(", "),
        })
    }
}

impl Command for GetBootFlags {
    type Reply = BootFlags;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        Request::new(NetFn::CHASSIS, 0x09, &[FLAGS, 0, 0])
    }

    fn reply(&self, octets: &[u8]) -> Result<BootFlags, ProtoError> {
        let mut octets = Octets::new("the answer to Get System Boot Options", octets);
        let [_version, parameter] = octets.array()?;
        if parameter & 0x7f != FLAGS {
            return Err(ProtoError::Unexpected { what: "the boot option", value: parameter.into() });
        }
        let [first, second, third, fourth, fifth] = octets.array()?;
        Ok(BootFlags {
            are_valid: first & VALID != 0 && parameter & LOCKED == 0,
            persistence: if first & PERSISTENT == 0 { Persistence::Once } else { Persistence::Always },
            firmware: if first & EFI == 0 { Firmware::Legacy } else { Firmware::Efi },
            device: BootDevice::of_number(second >> 2 & 0x0f),
            others: [third, fourth, fifth],
        })
    }
}

/// Set System Boot Options: one step of changing the boot device. Send the steps in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBootOption {
    /// Locks the parameters against changes by others (parameter 0); controllers may reject it.
    Begin,
    /// Keeps the flags valid until the next start instead of one minute (parameter 3).
    KeepUntilStart,
    /// Marks the flags as not read by the firmware yet (parameter 4).
    Unread,
    /// Sets the flags (parameter 5).
    Flags(BootFlags),
    /// Commits the changes (parameter 0). Controllers without rollback do not support this step.
    Commit,
    /// Unlocks the parameters (parameter 0).
    End,
}

impl Command for SetBootOption {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let data: &[u8] = match self {
            Self::Begin => &[0, 1],
            Self::KeepUntilStart => &[3, 0x08],
            // Clears the acknowledgement of the BIOS, which is the one that selects the boot device.
            Self::Unread => &[4, 1, 1],
            Self::Commit => &[0, 2],
            Self::End => &[0, 0],
            Self::Flags(flags) => {
                let mut first = if flags.are_valid { VALID } else { 0 };
                first |= if flags.persistence == Persistence::Always { PERSISTENT } else { 0 };
                first |= if flags.firmware == Firmware::Efi { EFI } else { 0 };
                let [third, fourth, fifth] = flags.others;
                let octets = [FLAGS, first, flags.device.number() << 2, third, fourth, fifth];
                return Request::new(NetFn::CHASSIS, 0x08, &octets);
            }
        };
        Request::new(NetFn::CHASSIS, 0x08, data)
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

const FLAGS: u8 = 5;
const VALID: u8 = 0x80;
const PERSISTENT: u8 = 0x40;
const EFI: u8 = 0x20;
/// Bit in the parameter number of a response that marks the parameter as invalid or locked.
const LOCKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_flags_are_encoded_and_decoded() {
        for (_, device) in BootDevice::WORDS {
            for persistence in [Persistence::Once, Persistence::Always] {
                for firmware in [Firmware::Legacy, Firmware::Efi] {
                    let flags = BootFlags::new(device, persistence, firmware);
                    let data = SetBootOption::Flags(flags).request().data.clone();
                    assert_eq!(GetBootFlags.reply(&[&[1], &data[..]].concat()), Ok(flags));
                    assert_eq!(device.name().parse(), Ok(device));
                }
            }
        }
    }

    #[test]
    fn flags_without_effect_are_equal() {
        let flags = |device| BootFlags::new(device, Persistence::Once, Firmware::Legacy);
        let (none, pxe) = (flags(BootDevice::NoOverride), flags(BootDevice::Pxe));
        let invalid = BootFlags { are_valid: false, ..pxe };
        assert!(none.have_effect_of(&invalid) && !invalid.have_effect_of(&pxe));
        assert!(pxe.have_effect_of(&BootFlags { others: [0x80, 0, 0], ..pxe }));
        let always = BootFlags { persistence: Persistence::Always, firmware: Firmware::Efi, ..pxe };
        assert!(!always.have_effect_of(&pxe));
        assert_eq!(always.to_string(), "pxe, all starts, efi, valid");
        assert_eq!(invalid.to_string(), "pxe, next start, legacy, not valid");
    }

    #[test]
    fn boot_flags_are_encoded_as_by_ipmitool() {
        // Request of `ipmitool chassis bootdev pxe options=efiboot,persistent`.
        let flags = BootFlags::new(BootDevice::Pxe, Persistence::Always, Firmware::Efi);
        assert_eq!(SetBootOption::Flags(flags).request().data, [5, 0xe0, 4, 0, 0, 0]);
    }

    #[test]
    fn a_response_with_another_parameter_is_rejected() {
        assert!(GetBootFlags.reply(&[1, 4, 0, 0, 0, 0, 0]).is_err());
        assert!(GetBootFlags.reply(&[1, 5, 0, 0, 0, 0]).is_err());
        let marked = GetBootFlags.reply(&[1, 0x85, 0x80, 10 << 2, 0, 0, 0]).unwrap();
        assert!(!marked.are_valid && marked.device.name() == "reserved" && marked.device.number() == 10);
        assert!("tape".parse::<BootDevice>().unwrap_err().to_string().contains("\"tape\""));
    }
}
