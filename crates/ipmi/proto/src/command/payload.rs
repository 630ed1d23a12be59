//! Serial over LAN: activation and configuration (IPMI 2.0, 24.1, 24.2, 26.2 and 26.3).

use std::fmt;

use super::Command;
use super::channel::ChannelNumber;
use super::user::AccessLevel;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Activate Payload, for serial over LAN. Completion codes 80h to 84h are specific to this command:
/// [`ActivateSerial::refusal`].
#[derive(Clone, Copy, Debug)]
pub struct ActivateSerial {
    /// Protection of console packets.
    pub protection: Protection,
}

/// Protection of the packets of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Encrypted and authenticated, like the messages of the session.
    Full,
    /// Authenticated only, for suites without encryption.
    Authenticated,
    /// No protection.
    None,
}

/// Port and packet lengths of an active console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialPayload {
    /// Maximum payload length to the controller in bytes.
    pub most_in: u16,
    /// Maximum payload length from the controller in bytes.
    pub most_out: u16,
    /// UDP port of the payload.
    pub port: u16,
}

impl ActivateSerial {
    /// Returns the text for a completion code specific to this command, or `None`.
    #[must_use]
    pub fn refusal(code: u8) -> Option<&'static str> {
        match code {
            0x80 => Some("the console is already in use\n  end the other use with: sol deactivate"),
            0x81 => Some("serial over LAN is disabled\n  enable it with: sol set enabled on"),
            0x82 => Some("no further console can be opened"),
            0x83 => Some("the controller does not encrypt the console"),
            0x84 => {
                Some("the controller requires encryption of the console, but the session is not encrypted")
            }
            _ => None,
        }
    }
}

impl Command for ActivateSerial {
    type Reply = SerialPayload;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        let protection = match self.protection {
            Protection::Full => 0xc0,
            Protection::Authenticated => 0x40,
            Protection::None => 0,
        };
        Request::new(NetFn::APP, 0x48, &[SERIAL_OVER_LAN, INSTANCE, protection, 0, 0, 0])
    }

    fn reply(&self, octets: &[u8]) -> Result<SerialPayload, ProtoError> {
        let mut octets = Octets::new("the answer to Activate Payload", octets);
        let _auxiliary = octets.u32()?;
        Ok(SerialPayload { most_in: octets.u16()?, most_out: octets.u16()?, port: octets.u16()? })
    }
}

/// Deactivate Payload, for serial over LAN. Completion code 80h means that it is not active.
#[derive(Clone, Copy, Debug)]
pub struct DeactivateSerial;

impl Command for DeactivateSerial {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x49, &[SERIAL_OVER_LAN, INSTANCE, 0, 0, 0, 0])
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Get SOL Configuration Parameters. Completion code 80h means that the controller does not support the
/// parameter.
#[derive(Clone, Copy, Debug)]
pub struct GetSerialParameter {
    /// Channel.
    pub channel: ChannelNumber,
    /// Parameter.
    pub parameter: SerialParameter,
}

/// A parameter of serial over LAN (IPMI 2.0, table 26-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SerialParameter {
    /// Whether serial over LAN is enabled.
    Enabled,
    /// Required privilege level and protection.
    Authentication,
    /// Accumulation interval and send threshold.
    Accumulation,
    /// Retry count and interval.
    Retry,
    /// Volatile bit rate, lost when the controller restarts.
    VolatileRate,
    /// Non-volatile bit rate, used after a restart.
    LastingRate,
    /// UDP port.
    Port,
}

impl SerialParameter {
    fn number(self) -> u8 {
        match self {
            Self::Enabled => 1,
            Self::Authentication => 2,
            Self::Accumulation => 3,
            Self::Retry => 4,
            Self::LastingRate => 5,
            Self::VolatileRate => 6,
            Self::Port => 8,
        }
    }
}

/// The value of a parameter of serial over LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SerialValue {
    /// Whether serial over LAN is enabled.
    Enabled(bool),
    /// Required privilege level and protection.
    Authentication {
        /// Whether encryption is required.
        demands_encryption: bool,
        /// Whether authentication is required.
        demands_authentication: bool,
        /// Minimum privilege level.
        level: AccessLevel,
    },
    /// Accumulation of characters before a packet is sent.
    Accumulation {
        /// Accumulation interval in units of 5 ms.
        steps: u8,
        /// Number of characters after which a packet is sent at once.
        characters: u8,
    },
    /// Resending of unacknowledged packets.
    Retry {
        /// Number of retries, 0 to 7.
        times: u8,
        /// Retry interval in units of 10 ms.
        steps: u8,
    },
    /// Bit rate of the serial line.
    Rate(BitRate),
    /// UDP port.
    Port(u16),
}

impl fmt::Display for SerialValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requirement = |is_required: bool| if is_required { "required" } else { "not required" };
        match *self {
            Self::Enabled(is_on) => f.write_str(if is_on { "on" } else { "off" }),
            Self::Authentication { demands_encryption, demands_authentication, level } => write!(
                f,
                "level {}, encryption {}, authentication {}",
                level.name(),
                requirement(demands_encryption),
                requirement(demands_authentication)
            ),
            Self::Accumulation { steps, characters } => {
                write!(f, "{} ms, or {characters} characters", u16::from(steps) * 5)
            }
            Self::Retry { times, steps } => {
                write!(f, "{times} times, after {} ms each", u16::from(steps) * 10)
            }
            Self::Rate(rate) => f.write_str(rate.name()),
            Self::Port(port) => port.fmt(f),
        }
    }
}

/// Bit rate of a serial line (IPMI 2.0, table 26-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitRate {
    /// The configured rate of the serial port.
    AsSerial,
    /// 9.6 kbit/s.
    K9_6,
    /// 19.2 kbit/s.
    K19_2,
    /// 38.4 kbit/s.
    K38_4,
    /// 57.6 kbit/s.
    K57_6,
    /// 115.2 kbit/s.
    K115_2,
    /// A reserved number.
    Unknown,
}

impl BitRate {
    /// All rates that can be set, with their names.
    pub const WORDS: [(&str, Self); 6] = [
        ("serial", Self::AsSerial),
        ("9.6", Self::K9_6),
        ("19.2", Self::K19_2),
        ("38.4", Self::K38_4),
        ("57.6", Self::K57_6),
        ("115.2", Self::K115_2),
    ];

    /// Returns the name: kbit/s, or `serial`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, rate)| *rate == self).map_or("reserved", |(word, _)| word)
    }

    fn number(self) -> u8 {
        match self {
            Self::AsSerial => 0,
            Self::K9_6 => 6,
            Self::K19_2 => 7,
            Self::K38_4 => 8,
            Self::K57_6 => 9,
            Self::K115_2 => 10,
            Self::Unknown => 15,
        }
    }
}

impl Command for GetSerialParameter {
    type Reply = SerialValue;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::TRANSPORT, 0x22, &[self.channel.number(), self.parameter.number(), 0, 0])
    }

    fn reply(&self, octets: &[u8]) -> Result<SerialValue, ProtoError> {
        let mut octets = Octets::new("the answer to Get SOL Configuration Parameters", octets);
        let _revision = octets.u8()?;
        Ok(match self.parameter {
            SerialParameter::Enabled => SerialValue::Enabled(octets.u8()? & 1 == 1),
            SerialParameter::Authentication => {
                let flags = octets.u8()?;
                SerialValue::Authentication {
                    demands_encryption: flags & 0x80 != 0,
                    demands_authentication: flags & 0x40 != 0,
                    level: AccessLevel::of_number(flags),
                }
            }
            SerialParameter::Accumulation => {
                let [steps, characters] = octets.array()?;
                SerialValue::Accumulation { steps, characters }
            }
            SerialParameter::Retry => {
                let [times, steps] = octets.array()?;
                SerialValue::Retry { times: times & 7, steps }
            }
            SerialParameter::VolatileRate | SerialParameter::LastingRate => {
                let number = octets.u8()? & 0x0f;
                let known = BitRate::WORDS.into_iter().find(|(_, rate)| rate.number() == number);
                SerialValue::Rate(known.map_or(BitRate::Unknown, |(_, rate)| rate))
            }
            SerialParameter::Port => SerialValue::Port(octets.u16()?),
        })
    }
}

/// Set SOL Configuration Parameters.
#[derive(Clone, Copy, Debug)]
pub struct SetSerialParameter {
    /// Channel.
    pub channel: ChannelNumber,
    /// Change to make.
    pub change: SerialChange,
}

/// A change of the serial-over-LAN configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SerialChange {
    /// Locks the parameters against changes by others.
    Begin,
    /// Unlocks the parameters.
    End,
    /// Enables or disables serial over LAN.
    Enabled(bool),
    /// Sets the volatile bit rate, lost when the controller restarts.
    VolatileRate(BitRate),
    /// Sets the non-volatile bit rate, used after a restart.
    LastingRate(BitRate),
}

impl SerialChange {
    /// Returns the name of the changed setting for messages.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Begin | Self::End => "the lock of the console settings",
            Self::Enabled(_) => "serial over LAN",
            Self::VolatileRate(_) => "the volatile bit rate of the console",
            Self::LastingRate(_) => "the non-volatile bit rate of the console",
        }
    }

    /// Returns the parameter and value to expect when reading back; `None` for steps that cannot be read.
    #[must_use]
    pub fn read_back(self) -> Option<(SerialParameter, SerialValue)> {
        match self {
            Self::Begin | Self::End => None,
            Self::Enabled(is_on) => Some((SerialParameter::Enabled, SerialValue::Enabled(is_on))),
            Self::VolatileRate(rate) => Some((SerialParameter::VolatileRate, SerialValue::Rate(rate))),
            Self::LastingRate(rate) => Some((SerialParameter::LastingRate, SerialValue::Rate(rate))),
        }
    }
}

impl Command for SetSerialParameter {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        let (number, octet) = match self.change {
            SerialChange::Begin => (0, 1),
            SerialChange::End => (0, 0),
            SerialChange::Enabled(is_on) => (SerialParameter::Enabled.number(), u8::from(is_on)),
            SerialChange::VolatileRate(rate) => (SerialParameter::VolatileRate.number(), rate.number()),
            SerialChange::LastingRate(rate) => (SerialParameter::LastingRate.number(), rate.number()),
        };
        Request::new(NetFn::TRANSPORT, 0x21, &[self.channel.number(), number, octet])
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Payload type of serial over LAN; only one instance is used.
const SERIAL_OVER_LAN: u8 = 1;
const INSTANCE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activated_console_reports_its_packet_sizes() {
        let activate = ActivateSerial { protection: Protection::Full };
        assert_eq!(activate.request().data, [1, 1, 0xc0, 0, 0, 0]);
        let payload = activate.reply(&[0, 0, 0, 0, 0x00, 1, 0xff, 0, 0x6f, 2, 0xff, 0xff]).unwrap();
        assert_eq!(payload, SerialPayload { most_in: 256, most_out: 255, port: 623 });
        assert!(ActivateSerial::refusal(0x80).is_some() && ActivateSerial::refusal(0x85).is_none());
        assert!(activate.reply(&[0; 9]).is_err());
    }

    #[test]
    fn parameters_are_those_of_the_table() {
        let channel = ChannelNumber::new(1).unwrap();
        let read = |parameter, octets: &[u8]| {
            GetSerialParameter { channel, parameter }.reply(&[&[0x11], octets].concat())
        };
        assert_eq!(read(SerialParameter::Enabled, &[1]), Ok(SerialValue::Enabled(true)));
        assert_eq!(read(SerialParameter::VolatileRate, &[0xfa]), Ok(SerialValue::Rate(BitRate::K115_2)));
        let authentication = SerialValue::Authentication {
            demands_encryption: true,
            demands_authentication: false,
            level: AccessLevel::Operator,
        };
        assert_eq!(read(SerialParameter::Authentication, &[0x83]), Ok(authentication));
        assert_eq!(read(SerialParameter::Retry, &[0xff, 2]), Ok(SerialValue::Retry { times: 7, steps: 2 }));
        assert!(read(SerialParameter::Port, &[1]).is_err());
        let set = SetSerialParameter { channel, change: SerialChange::LastingRate(BitRate::K9_6) };
        assert_eq!(set.request().data, [1, 5, 6]);
    }
}
