//! System event log (SEL) records (IPMI 2.0, 32).

use crate::octets::Octets;
use crate::{ProtoError, SensorKey};

/// A record of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelRecord {
    /// Record id; ids are reused after the log was cleared.
    pub id: u16,
    /// Time of the entry; `None` for records without one.
    pub time: Option<SelTime>,
    /// Content of the record.
    pub entry: Entry,
}

/// Time of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelTime {
    /// Seconds since 1970, in the time zone of the controller.
    Since1970(u32),
    /// Seconds since the controller started, because its clock was not set (IPMI 2.0, 37.1).
    SinceStart(u32),
}

/// Content of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A sensor event.
    Event(SelEvent),
    /// A manufacturer-defined record with time stamp (types C0h to DFh).
    Manufacturer {
        /// Record type.
        kind: u8,
        /// IANA enterprise number of the manufacturer.
        manufacturer: u32,
        /// Manufacturer-defined data.
        octets: [u8; 6],
    },
    /// A manufacturer-defined record without time stamp (types E0h to FFh), or a record of an undefined type.
    Other {
        /// Record type.
        kind: u8,
        /// Record data.
        octets: [u8; 13],
    },
    /// A record that the controller sent with less than 16 bytes, so it cannot be decoded.
    CutOff {
        /// The bytes received, including the record id.
        octets: Vec<u8>,
    },
}

/// A sensor event (IPMI 2.0, table 32-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelEvent {
    /// Generator id: a bus address, or a software id if the lowest bit of the first byte is set.
    pub generator: [u8; 2],
    /// Sensor type (IPMI 2.0, table 42-3).
    pub sensor_kind: u8,
    /// Sensor number.
    pub sensor: u8,
    /// Whether the state was asserted or deasserted.
    pub direction: Direction,
    /// Event type, which defines the states (IPMI 2.0, table 42-1); 1 is thresholds.
    pub event_kind: u8,
    /// State offset, 0 to 15.
    pub offset: u8,
    /// Event data; the lower half of the first byte is the state offset.
    pub octets: [u8; 3],
}

/// Direction of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The state was entered.
    Asserted,
    /// The state was left.
    Deasserted,
}

impl SelEvent {
    /// Returns the identity of the sensor that the event is about.
    #[must_use]
    pub fn sensor_key(&self) -> SensorKey {
        SensorKey::new(self.generator, self.sensor)
    }

    /// Returns the threshold that was crossed and its direction, if the event is about a threshold (IPMI 2.0,
    /// table 42-2).
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

    /// Returns the raw reading that triggered the event, and the raw threshold, if the event contains them.
    #[must_use]
    pub fn readings(&self) -> (Option<u8>, Option<u8>) {
        let [first, second, third] = self.octets;
        let is_threshold = self.event_kind == 1;
        let reading = (is_threshold && first >> 6 == 1).then_some(second);
        (reading, (is_threshold && first >> 4 & 3 == 1).then_some(third))
    }
}

impl SelRecord {
    /// Decodes a record requested by this id. A truncated record becomes [`Entry::CutOff`], so that the rest
    /// of the log can still be read.
    #[must_use]
    pub fn read(requested: u16, record: &[u8]) -> Self {
        Self::decode(record).unwrap_or_else(|_| {
            let id = record.first_chunk().map_or(requested, |id| u16::from_le_bytes(*id));
            Self { id, time: None, entry: Entry::CutOff { octets: record.to_vec() } }
        })
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// If the record is truncated.
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

    /// Decodes a record from its type and the bytes after it.
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
    fn manufacturer_specific_records_are_kept() {
        // Record that Windows writes at shutdown, from Microsoft's documentation of LogRecord.
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
