//! What the machine starts from next (IPMI 2.0, 28.12 to 28.14).

use std::fmt;
use std::str::FromStr;

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get System Boot Options, of the boot flags (parameter 5).
#[derive(Clone, Copy, Debug)]
pub struct GetBootFlags;

/// What the firmware is told about the next start (IPMI 2.0, table 28-14, parameter 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootFlags {
    /// Whether the firmware is to look at them at all. It forgets them, or a minute does, unless told otherwise.
    pub are_valid: bool,
    /// For how many starts they count.
    pub persistence: Persistence,
    /// Which sort of firmware they are for.
    pub firmware: Firmware,
    /// What is started from.
    pub device: BootDevice,
    /// Locks, verbosity and redirection: the octets behind the device, as they are.
    pub others: [u8; 3],
}

/// For how many starts boot flags count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// For the next one.
    #[default]
    Once,
    /// For all that follow.
    Always,
}

/// Which sort of firmware boot flags are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS of the old sort.
    #[default]
    Legacy,
    /// UEFI.
    Efi,
}

impl BootFlags {
    /// Valid flags that say nothing but where to start from.
    #[must_use]
    pub fn new(device: BootDevice, persistence: Persistence, firmware: Firmware) -> Self {
        Self { are_valid: true, persistence, firmware, device, others: [0; 3] }
    }
}

/// What a machine can start from (IPMI 2.0, table 28-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootDevice {
    /// Whatever the firmware's own settings say.
    NoOverride,
    /// The network.
    Pxe,
    /// The default disk.
    Disk,
    /// The default disk, in a safe mode.
    SafeDisk,
    /// The partition for diagnosis.
    Diagnostic,
    /// A CD or DVD.
    Cd,
    /// The settings of the firmware.
    Setup,
    /// A removable medium over the network.
    RemoteFloppy,
    /// A CD or DVD over the network.
    RemoteCd,
    /// The primary medium over the network.
    RemoteMedia,
    /// A disk over the network.
    RemoteDisk,
    /// A floppy, or the primary removable medium.
    Floppy,
    /// A number that the specification reserves.
    Reserved(
        /// INVARIANT: 10, 12, 13 or 14.
        ReservedDevice,
    ),
}

/// A number of a device that nobody has defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedDevice(u8);

impl BootDevice {
    /// All that are defined, with the words for them.
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

    /// Its word on the command line and in tables.
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

/// Set System Boot Options: one of the steps that change what is started from, in the order in which they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBootOption {
    /// Nobody else may change them now (parameter 0); controllers may refuse it.
    Begin,
    /// The flags stay valid until the next start, rather than for a minute (parameter 3).
    KeepUntilStart,
    /// The firmware has not seen them yet (parameter 4).
    Unread,
    /// The flags themselves (parameter 5).
    Flags(BootFlags),
    /// What was set counts (parameter 0): those that could take it back do not any more; others do not know this.
    Commit,
    /// Others may change them again (parameter 0).
    End,
}

impl Command for SetBootOption {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let data: &[u8] = match self {
            Self::Begin => &[0, 1],
            Self::KeepUntilStart => &[3, 0x08],
            // Of the readers the firmware, which is the one that starts from something.
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
/// Of the parameter's number in answers: it is marked as invalid.
const LOCKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_were_set_read_back() {
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
    fn octets_are_those_of_ipmitool() {
        // ipmitool chassis bootdev pxe options=efiboot,persistent
        let flags = BootFlags::new(BootDevice::Pxe, Persistence::Always, Firmware::Efi);
        assert_eq!(SetBootOption::Flags(flags).request().data, [5, 0xe0, 4, 0, 0, 0]);
    }

    #[test]
    fn answers_about_something_else_are_refused() {
        assert!(GetBootFlags.reply(&[1, 4, 0, 0, 0, 0, 0]).is_err());
        assert!(GetBootFlags.reply(&[1, 5, 0, 0, 0, 0]).is_err());
        let marked = GetBootFlags.reply(&[1, 0x85, 0x80, 10 << 2, 0, 0, 0]).unwrap();
        assert!(!marked.are_valid && marked.device.name() == "reserved" && marked.device.number() == 10);
        assert!("tape".parse::<BootDevice>().unwrap_err().to_string().contains("\"tape\""));
    }
}
