//! Records of the event log (IPMI 2.0, 32).

use crate::ProtoError;
use crate::octets::Octets;

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelRecord {
    /// Its number; it is used again after the log was cleared.
    pub id: u16,
    /// When; none in records that have no time.
    pub time: Option<SelTime>,
    /// What.
    pub entry: Entry,
}

/// When something was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelTime {
    /// Seconds since 1970, in the controller's own time zone.
    Since1970(u32),
    /// Seconds since the controller started: its clock had not been set (IPMI 2.0, 37.1).
    SinceStart(u32),
}

/// What was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An event of a sensor.
    Event(SelEvent),
    /// A record of a manufacturer's own with a time (types C0h to DFh).
    Manufacturer {
        /// The type.
        kind: u8,
        /// The manufacturer's number of a private enterprise (IANA).
        manufacturer: u32,
        /// What it says.
        octets: [u8; 6],
    },
    /// A record of a manufacturer's own without one (types E0h to FFh), or of a type that nobody defines.
    Other {
        /// The type.
        kind: u8,
        /// What it says.
        octets: [u8; 13],
    },
    /// One that the controller has sent shorter than all are, so that nobody knows what it says.
    CutOff {
        /// What there is of it, with its number.
        octets: Vec<u8>,
    },
}

/// An event of a sensor (IPMI 2.0, table 32-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelEvent {
    /// Who has sent it: an address on the bus, or of software if the lowest bit of the first octet is set.
    pub generator: [u8; 2],
    /// The type of the sensor (IPMI 2.0, table 42-3).
    pub sensor_kind: u8,
    /// The sensor's number.
    pub sensor: u8,
    /// Whether the state has come or gone.
    pub direction: Direction,
    /// How the state is to be read (IPMI 2.0, table 42-1); 1 is thresholds.
    pub event_kind: u8,
    /// The state, 0 to 15.
    pub offset: u8,
    /// All three octets of the event's data, of which the lower half of the first is the state.
    pub octets: [u8; 3],
}

/// Whether a state has come or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It has come.
    Asserted,
    /// It has gone.
    Deasserted,
}

impl SelEvent {
    /// What happened, if it is about a threshold (IPMI 2.0, table 42-2).
    #[must_use]
    pub fn threshold(&self) -> Option<&'static str> {
        let names = [
            "Lower Non-critical going low",
            "Lower Non-critical going high",
            "Lower Critical going low",
            "Lower Critical going high",
            "Lower Non-recoverable going low",
            "Lower Non-recoverable going high",
            "Upper Non-critical going low",
            "Upper Non-critical going high",
            "Upper Critical going low",
            "Upper Critical going high",
            "Upper Non-recoverable going low",
            "Upper Non-recoverable going high",
        ];
        if self.event_kind == 1 { names.get(usize::from(self.offset)).copied() } else { None }
    }

    /// The raw reading that has triggered it, and the raw threshold, where the event has them.
    #[must_use]
    pub fn readings(&self) -> (Option<u8>, Option<u8>) {
        let [first, second, third] = self.octets;
        let is_threshold = self.event_kind == 1;
        let reading = (is_threshold && first >> 6 == 1).then_some(second);
        (reading, (is_threshold && first >> 4 & 3 == 1).then_some(third))
    }
}

impl SelRecord {
    /// Reads a record that was asked for by this number. One that is cut off is told as such, so that the others can be
    /// read.
    #[must_use]
    pub fn read(asked: u16, record: &[u8]) -> Self {
        Self::decode(record).unwrap_or_else(|_| {
            let id = record.first_chunk().map_or(asked, |id| u16::from_le_bytes(*id));
            Self { id, time: None, entry: Entry::CutOff { octets: record.to_vec() } }
        })
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When it is cut off.
    pub fn decode(record: &[u8]) -> Result<Self, ProtoError> {
        let mut octets = Octets::new("a record of the event log", record);
        let (id, kind) = (octets.u16()?, octets.u8()?);
        if kind >= 0xe0 || !(kind == EVENT || kind >= 0xc0) {
            return Ok(Self { id, time: None, entry: Entry::Other { kind, octets: octets.array()? } });
        }
        let time = SelTime::new(octets.u32()?);
        if kind != EVENT {
            let (manufacturer, octets) = (octets.u24()?, octets.array()?);
            return Ok(Self { id, time, entry: Entry::Manufacturer { kind, manufacturer, octets } });
        }
        let (generator, [_version, sensor_kind, sensor, event]) = (octets.array()?, octets.array()?);
        let octets: [u8; 3] = octets.array()?;
        let [first, ..] = octets;
        let direction = if event & 0x80 == 0 { Direction::Asserted } else { Direction::Deasserted };
        let (event_kind, offset) = (event & 0x7f, first & 0x0f);
        let event = SelEvent { generator, sensor_kind, sensor, direction, event_kind, offset, octets };
        Ok(Self { id, time, entry: Entry::Event(event) })
    }
}

impl SelTime {
    fn new(seconds: u32) -> Option<Self> {
        match seconds {
            u32::MAX => None,
            0..0x2000_0000 => Some(Self::SinceStart(seconds)),
            _ => Some(Self::Since1970(seconds)),
        }
    }
}

const EVENT: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest of a record after its number.
    fn decode(kind: u8, rest: [u8; 13]) -> SelRecord {
        let record = [&[7, 0, kind], &rest[..]].concat();
        for length in 0..record.len() {
            assert!(SelRecord::decode(&record[..length]).is_err(), "{length}");
            let SelRecord { id, time, entry } = SelRecord::read(9, &record[..length]);
            let octets = record[..length].to_vec();
            assert_eq!((id, time, entry), (if length < 2 { 9 } else { 7 }, None, Entry::CutOff { octets }));
        }
        SelRecord::decode(&record).unwrap()
    }

    #[test]
    fn an_event_of_a_threshold_has_its_readings() {
        let record = decode(2, [1, 0, 0, 0, 0x20, 0, 4, 1, 1, 0x81, 0x59, 0x60, 0x5f]);
        assert_eq!((record.id, record.time), (7, Some(SelTime::SinceStart(1))));
        let Entry::Event(event) = record.entry else { panic!("{record:?}") };
        assert_eq!((event.sensor, event.direction, event.offset), (1, Direction::Deasserted, 9));
        assert_eq!(event.threshold(), Some("Upper Critical going high"));
        assert_eq!(event.readings(), (Some(0x60), Some(0x5f)));
    }

    #[test]
    fn records_of_manufacturers_are_kept() {
        // What Windows writes when it shuts down, from Microsoft's documentation of LogRecord.
        let record = decode(0xdd, [0x7b, 0xfe, 0xc4, 0x49, 0x37, 1, 0, 0, 0, 0, 0, 0xc0, 0]);
        let octets = [0, 0, 0, 0, 0xc0, 0];
        assert_eq!(record.entry, Entry::Manufacturer { kind: 0xdd, manufacturer: 311, octets });
        assert_eq!(record.time, Some(SelTime::Since1970(0x49c4_fe7b)));
        assert!(matches!(
            decode(0xe0, [9; 13]),
            SelRecord { time: None, entry: Entry::Other { kind: 0xe0, .. }, .. }
        ));
        assert!(decode(2, [0xff; 13]).time.is_none());
    }
}
