//! Sensor data records: descriptions of sensors and devices (IPMI 2.0, 43).

mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::linear::{self, AnalogFormat, Factors, Linearization, Quantity};
use crate::message::CONTROLLER;
use crate::octets::Octets;
use crate::{Destination, ProtoError, SensorKey};

use self::text::type_length;
pub(crate) use self::text::{fru_field, fru_text};

/// A record of an SDR repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Record id in the repository.
    pub id: u16,
    /// Decoded content.
    pub body: Body,
}

/// Content of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// Readable sensors that share a record, at least one; they differ only in number and name.
    Sensors(Vec<Arc<Sensor>>),
    /// Sensors that only send events and cannot be read, at least one; they differ only in number and name.
    EventOnly(Vec<Arc<Sensor>>),
    /// A device with a FRU inventory.
    Fru {
        /// Device number on this controller; `None` if the device belongs to another controller or is on
        /// another bus.
        device: Option<u8>,
        /// Name of the device.
        name: String,
    },
    /// A management controller.
    Controller {
        /// Bus address of the controller.
        address: u8,
        /// Name of the controller.
        name: String,
    },
    /// A record of any other type, not decoded.
    Other {
        /// Type of the record.
        kind: u8,
        /// Bytes after the header.
        octets: Vec<u8>,
    },
}

/// Description of a sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// Name of the sensor.
    pub name: String,
    /// Bus address of the controller that owns the sensor.
    pub owner: u8,
    /// Logical unit of the owner, 0 to 3.
    pub unit: u8,
    /// Sensor number at the owner.
    pub number: u8,
    /// Entity that the sensor belongs to: entity id and instance (IPMI 2.0, table 43-13).
    pub entity: (u8, u8),
    /// Sensor type (IPMI 2.0, table 42-3).
    pub kind: u8,
    /// Event/reading type, which defines the states (IPMI 2.0, table 42-1); 1 is thresholds.
    pub event_kind: u8,
    /// Units of a reading.
    pub units: Units,
    /// Channel through which the owner is reached; 0 is the internal bus.
    pub channel: u8,
    /// Conversion factors of a reading; `None` if the sensor has only states or separate factors for each
    /// reading.
    pub factors: Option<Factors>,
    /// Factors by raw value, for a sensor that is not linear.
    pub by_reading: Option<ByReading>,
    /// Raw thresholds in the record, which may differ from those in force: upper non-recoverable, critical,
    /// non-critical, then lower non-recoverable, critical, non-critical.
    pub thresholds: [Option<u8>; 6],
    /// Whether thresholds can be read and set at run time.
    pub threshold_access: ThresholdAccess,
    /// Settable thresholds as bits: lower non-critical, critical, non-recoverable, then upper non-critical,
    /// critical, non-recoverable.
    pub settable: u8,
    /// Possible states as bits; empty for threshold sensors.
    pub possible_states: u16,
    /// Further properties of an analog sensor; `None` for sensors with only states.
    pub analog: Option<Analog>,
}

/// Threshold access support (IPMI 2.0, table 43-1, Sensor Capabilities).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdAccess {
    /// The sensor has no thresholds.
    None,
    /// Readable with Get Sensor Thresholds.
    Readable,
    /// Also settable with Set Sensor Thresholds, as far as [`Sensor::settable`] permits.
    Settable,
    /// The sensor has thresholds, but they cannot be read or set.
    Fixed,
}

/// Properties of an analog reading in a Full Sensor Record, besides its conversion factors (IPMI 2.0, table
/// 43-1); raw values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Analog {
    /// Tolerance and accuracy; a sensor that is not linear has separate values for each reading.
    pub exactness: Exactness,
    /// Nominal reading.
    pub nominal: Option<u8>,
    /// Upper end of the normal range.
    pub normal_max: Option<u8>,
    /// Lower end of the normal range.
    pub normal_min: Option<u8>,
    /// Maximum possible reading.
    pub max: u8,
    /// Minimum possible reading.
    pub min: u8,
    /// Positive-going hysteresis: how far a reading must fall below the threshold before the event is
    /// deasserted; `None` if unknown.
    pub hysteresis: Option<u8>,
}

/// Tolerance and accuracy of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exactness {
    /// Tolerance in half counts.
    pub tolerance: u8,
    /// Accuracy in hundredths of a percent, and a power of ten to multiply it by.
    pub accuracy: (u16, u8),
}

impl Exactness {
    /// Decodes the bytes that contain the upper bits of M, the upper bits of B, and the accuracy with its
    /// exponent.
    pub(crate) fn of([m_high, b_high, accuracy]: [u8; 3]) -> Self {
        Self {
            tolerance: m_high & 0x3f,
            accuracy: (u16::from(b_high & 0x3f) | u16::from(accuracy >> 4) << 6, accuracy >> 2 & 3),
        }
    }
}

impl Sensor {
    /// Returns whether the sensor has thresholds rather than discrete states.
    #[must_use]
    pub fn is_threshold(&self) -> bool {
        self.event_kind == 1
    }

    /// Returns the identity of the sensor.
    #[must_use]
    pub fn key(&self) -> SensorKey {
        let Self { channel, owner, unit, number, .. } = *self;
        SensorKey { channel, owner, unit, number }
    }

    /// Returns whether Get Sensor Thresholds returns the thresholds in force.
    #[must_use]
    pub fn has_readable_thresholds(&self) -> bool {
        matches!(self.threshold_access, ThresholdAccess::Readable | ThresholdAccess::Settable)
    }

    /// Returns the quantity of a raw reading; `None` if there are no factors for it.
    #[must_use]
    pub fn quantity(&self, raw: u8) -> Option<Quantity> {
        let factors = match self.factors {
            Some(factors) => factors,
            None => self.by_reading.as_ref()?.factors.get(&raw)?.0,
        };
        factors.quantity(raw)
    }

    /// Returns the raw value whose quantity is nearest; `None` if the quantity is outside the range. For a
    /// sensor that is not linear, only raw values with known factors are considered.
    #[must_use]
    pub fn nearest(&self, quantity: f64) -> Option<u8> {
        let known = (0..=u8::MAX).filter_map(|raw| Some((raw, self.quantity(raw)?.to_f64())));
        linear::nearest(known, quantity)
    }

    /// Returns the destination for requests about the sensor.
    ///
    /// # Errors
    /// If the owner is system software, which does not answer requests.
    pub fn destination(&self) -> Result<Destination, ProtoError> {
        Destination::on_channel(self.channel, self.owner, self.unit)
    }
}

/// Separate conversion factors for each reading, which have to be requested from the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByReading {
    /// Format of the raw byte.
    pub format: AnalogFormat,
    /// Factors and exactness by raw value, as far as they were requested.
    pub factors: BTreeMap<u8, (Factors, Exactness)>,
}

/// Units of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// Whether the reading is a percentage of the base unit.
    pub is_percentage: bool,
    /// Rate, per unit of time: 0 none, 1 µs, 2 ms, 3 s, 4 min, 5 h, 6 day.
    pub rate: u8,
    /// Number of the base unit (IPMI 2.0, table 43-15).
    pub base: u8,
    /// Modifier unit, if there is one.
    pub second: Option<(SecondUnit, u8)>,
}

/// Use of the modifier unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondUnit {
    /// The base unit is divided by it.
    Divides,
    /// The base unit is multiplied by it.
    Multiplies,
}

impl Units {
    /// Returns the usual symbol, such as `RPM` or `C`.
    #[must_use]
    pub fn sign(&self) -> String {
        self.to_string()
    }
}

fn unit_name(number: u8) -> &'static str {
    UNITS.get(usize::from(number)).copied().unwrap_or("unknown")
}

/// Prints the usual symbol, such as `RPM` or `C`.
impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_percentage, self.base) {
            (true, 0) => f.write_str("%")?,
            (is_percentage, base) => {
                f.write_str(if is_percentage { "% " } else { "" })?;
                f.write_str(unit_name(base))?;
                if let Some((how, second)) = self.second {
                    f.write_str(match how {
                        SecondUnit::Divides => "/",
                        SecondUnit::Multiplies => "*",
                    })?;
                    f.write_str(unit_name(second))?;
                }
            }
        }
        match ["", "us", "ms", "s", "min", "h", "day"].get(usize::from(self.rate)) {
            None | Some(&"") => Ok(()),
            Some(rate) => write!(f, "/{rate}"),
        }
    }
}

/// Length of the record header in bytes: id, version, type, and the length of the rest.
pub const HEADER_OCTETS: u8 = 5;

/// Returns the length of a record, including its header.
///
/// # Errors
/// If the header is truncated.
pub fn octets_of(header: &[u8]) -> Result<usize, ProtoError> {
    let mut octets = Octets::new("the header of a record", header);
    let [_, _, _, _, length] = octets.array()?;
    Ok(usize::from(length) + usize::from(HEADER_OCTETS))
}

impl Record {
    /// Decodes a record with its header. Unknown record types are kept undecoded.
    ///
    /// # Errors
    /// If the record is truncated.
    pub fn decode(record: &[u8]) -> Result<Self, ProtoError> {
        let mut octets = Octets::new("a record of the repository", record);
        let id = octets.u16()?;
        let [_version, kind, length] = octets.array()?;
        let body = octets.take(length.into())?;
        let octets = Octets::new("a record of the repository", body);
        let body = match kind {
            0x01 => Body::Sensors(vec![Arc::new(full(octets)?)]),
            0x02 => Body::Sensors(compact(octets)?.into_iter().map(Arc::new).collect()),
            0x03 => Body::EventOnly(event_only(octets)?.into_iter().map(Arc::new).collect()),
            0x11 => fru(octets)?,
            0x12 => controller(octets)?,
            _ => Body::Other { kind, octets: body.to_vec() },
        };
        Ok(Self { id, body })
    }
}

/// Decodes a Full Sensor Record (IPMI 2.0, table 43-1).
fn full(octets: Octets<'_>) -> Result<Sensor, ProtoError> {
    let (mut sensor, readable, units, mut octets) = readable_sensor(octets)?;
    let [linearization, m, m_high, b, b_high, accuracy, exponents, flags, nominal, normal_max, normal_min] =
        octets.array()?;
    let [max, min] = octets.array()?;
    let thresholds: [u8; 6] = octets.array()?;
    let [hysteresis, _, _reserved, _, _manufacturer] = octets.array()?;
    sensor.name = type_length(&mut octets)?;
    let format = match units >> 6 {
        0 => Some(AnalogFormat::Unsigned),
        1 => Some(AnalogFormat::OnesComplement),
        2 => Some(AnalogFormat::TwosComplement),
        _ => None,
    };
    sensor.factors = format.zip(Linearization::new(linearization)).map(|(format, linearization)| Factors {
        linearization,
        ..linear_factors([m, m_high, b, b_high, exponents], format)
    });
    if matches!(linearization & 0x7f, 0x70..=0x7f) {
        sensor.by_reading = format.map(|format| ByReading { format, factors: BTreeMap::new() });
    }
    sensor.analog = format.is_some().then(|| Analog {
        exactness: Exactness::of([m_high, b_high, accuracy]),
        nominal: (flags & 1 != 0).then_some(nominal),
        normal_max: (flags & 2 != 0).then_some(normal_max),
        normal_min: (flags & 4 != 0).then_some(normal_min),
        max,
        min,
        hysteresis: (hysteresis != 0).then_some(hysteresis),
    });
    if sensor.is_threshold() {
        // The mask starts with lower non-critical, the values start with upper non-recoverable.
        let places = [5, 4, 3, 2, 1, 0];
        for ((slot, value), place) in sensor.thresholds.iter_mut().zip(thresholds).zip(places) {
            *slot = (readable >> place & 1 == 1).then_some(value);
        }
    }
    Ok(sensor)
}

/// Decodes a Compact Sensor Record (IPMI 2.0, table 43-2), which may describe several similar sensors.
fn compact(octets: Octets<'_>) -> Result<Vec<Sensor>, ProtoError> {
    let (mut sensor, _, _, mut octets) = readable_sensor(octets)?;
    let [sharing, modifier] = octets.array()?;
    let _hysteresis_reserved_and_manufacturer: [u8; 6] = octets.array()?;
    sensor.name = type_length(&mut octets)?;
    shared(&sensor, sharing, modifier)
}

/// Decodes an Event-only Record (IPMI 2.0, table 43-3), which may describe several similar sensors.
fn event_only(octets: Octets<'_>) -> Result<Vec<Sensor>, ProtoError> {
    let mut octets = octets;
    let [owner, unit, number, entity, instance, kind, event_kind, sharing, modifier, _, _] =
        octets.array()?;
    let units = Units { is_percentage: false, rate: 0, base: 0, second: None };
    let sensor = Sensor {
        name: type_length(&mut octets)?,
        owner,
        unit: unit & 3,
        channel: unit >> 4,
        number,
        entity: (entity, instance),
        kind,
        event_kind,
        units,
        factors: None,
        by_reading: None,
        thresholds: [None; 6],
        threshold_access: ThresholdAccess::None,
        settable: 0,
        possible_states: 0,
        analog: None,
    };
    shared(&sensor, sharing, modifier)
}

/// Decodes the fields common to full and compact records. Returns the sensor, the mask of readable
/// thresholds, the first byte of the units and the remaining bytes.
fn readable_sensor(octets: Octets<'_>) -> Result<(Sensor, u8, u8, Octets<'_>), ProtoError> {
    let mut octets = octets;
    let [owner, unit, number, entity, instance, _initialization, capabilities, kind, event_kind] =
        octets.array()?;
    let [_, _, _, _, readable, settable, flags, base, second] = octets.array()?;
    let second = match flags >> 1 & 3 {
        1 => Some((SecondUnit::Divides, second)),
        2 => Some((SecondUnit::Multiplies, second)),
        _ => None,
    };
    let sensor = Sensor {
        name: String::new(),
        owner,
        unit: unit & 3,
        channel: unit >> 4,
        number,
        entity: (entity, instance),
        kind,
        event_kind,
        units: Units { is_percentage: flags & 1 == 1, rate: flags >> 3 & 7, base, second },
        factors: None,
        by_reading: None,
        thresholds: [None; 6],
        threshold_access: match (event_kind, capabilities >> 2 & 3) {
            (1, 1) => ThresholdAccess::Readable,
            (1, 2) => ThresholdAccess::Settable,
            (1, 3) => ThresholdAccess::Fixed,
            _ => ThresholdAccess::None,
        },
        settable: if event_kind == 1 { settable & 0x3f } else { 0 },
        possible_states: if event_kind == 1 { 0 } else { u16::from_le_bytes([readable, settable & 0x7f]) },
        analog: None,
    };
    Ok((sensor, readable, flags, octets))
}

/// Returns the sensors that share a record: numbers count up, and so do names if there are several.
fn shared(sensor: &Sensor, sharing: u8, modifier: u8) -> Result<Vec<Sensor>, ProtoError> {
    let count = (sharing & 0x0f).max(1);
    let mut all = Vec::new();
    for index in 0..count {
        let number = sensor.number.checked_add(index).ok_or(ProtoError::Unexpected {
            what: "the number of sensors that share a record",
            value: count.into(),
        })?;
        let mut one = Sensor { number, ..sensor.clone() };
        if count > 1 {
            let suffix = (modifier & 0x7f).saturating_add(index);
            let letter = char::from(b'A' + suffix % 26);
            match sharing >> 4 & 3 {
                0 => one.name.push_str(&suffix.to_string()),
                _ => one.name.push(letter),
            }
            if modifier & 0x80 != 0 {
                one.entity.1 = one.entity.1.wrapping_add(index);
            }
        }
        all.push(one);
    }
    Ok(all)
}

/// Decodes a FRU Device Locator Record (IPMI 2.0, table 43-7).
fn fru(octets: Octets<'_>) -> Result<Body, ProtoError> {
    let mut octets = octets;
    let [owner, device, flags, _, _, _, _, _, _, _] = octets.array()?;
    // Device numbers of other controllers are independent. Some records omit the address of the controller
    // itself.
    let is_own = flags & 0x80 != 0 && matches!(owner & 0xfe, 0 | CONTROLLER);
    Ok(Body::Fru { device: is_own.then_some(device), name: type_length(&mut octets)? })
}

/// Decodes a Management Controller Device Locator Record (IPMI 2.0, table 43-8).
fn controller(octets: Octets<'_>) -> Result<Body, ProtoError> {
    let mut octets = octets;
    let [address, _, _, _, _, _, _, _, _, _] = octets.array()?;
    Ok(Body::Controller { address, name: type_length(&mut octets)? })
}

/// Decodes M and B with their upper bits, and the exponents, as in records and in responses of controllers.
pub(crate) fn linear_factors([m, m_high, b, b_high, exponents]: [u8; 5], format: AnalogFormat) -> Factors {
    Factors {
        m: ten_bits(m, m_high),
        b: ten_bits(b, b_high),
        b_exponent: four_bits(exponents),
        result_exponent: four_bits(exponents >> 4),
        linearization: Linearization::Linear,
        format,
    }
}

/// Decodes a ten-bit two's complement number; the upper two bits are the upper two of `high`.
fn ten_bits(low: u8, high: u8) -> i16 {
    let value = i16::from(low) | i16::from(high >> 6) << 8;
    if value >= 512 { value - 1_024 } else { value }
}

fn four_bits(octet: u8) -> i8 {
    let value = i8::try_from(octet & 0x0f).unwrap_or_default();
    if value >= 8 { value - 16 } else { value }
}

/// Unit symbols by number (IPMI 2.0, table 43-15).
const UNITS: [&str; 93] = [
    "",
    "C",
    "F",
    "K",
    "V",
    "A",
    "W",
    "J",
    "coulomb",
    "VA",
    "nit",
    "lm",
    "lx",
    "cd",
    "kPa",
    "PSI",
    "N",
    "CFM",
    "RPM",
    "Hz",
    "us",
    "ms",
    "s",
    "min",
    "h",
    "day",
    "week",
    "mil",
    "in",
    "ft",
    "cu in",
    "cu ft",
    "mm",
    "cm",
    "m",
    "cu cm",
    "cu m",
    "l",
    "fl oz",
    "rad",
    "sr",
    "rev",
    "cycle",
    "gravity",
    "oz",
    "lb",
    "ft lb",
    "oz in",
    "gauss",
    "gilbert",
    "H",
    "mH",
    "F",
    "uF",
    "ohm",
    "S",
    "mol",
    "Bq",
    "ppm",
    "reserved",
    "dB",
    "dBA",
    "dBC",
    "Gy",
    "Sv",
    "color temp",
    "bit",
    "kbit",
    "Mbit",
    "Gbit",
    "byte",
    "kB",
    "MB",
    "GB",
    "word",
    "dword",
    "qword",
    "line",
    "hit",
    "miss",
    "retry",
    "reset",
    "overrun",
    "underrun",
    "collision",
    "packet",
    "message",
    "character",
    "error",
    "correctable error",
    "uncorrectable error",
    "fatal error",
    "gram",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_printed_with_their_divisor() {
        let plain = Units { is_percentage: false, rate: 0, base: 4, second: None };
        for (units, written) in [
            (plain, "V"),
            (Units { base: 0, ..plain }, ""),
            (Units { base: 0, is_percentage: true, ..plain }, "%"),
            (Units { is_percentage: true, rate: 3, ..plain }, "% V/s"),
            (Units { second: Some((SecondUnit::Divides, 5)), ..plain }, "V/A"),
            (Units { second: Some((SecondUnit::Multiplies, 5)), rate: 5, ..plain }, "V*A/h"),
            (Units { base: 200, rate: 7, ..plain }, "unknown"),
        ] {
            assert_eq!(units.sign(), written);
        }
    }

    #[test]
    fn numbers_of_ten_and_four_bits_have_signs() {
        assert_eq!((ten_bits(0xff, 0xc0), ten_bits(0, 0x80), ten_bits(0xff, 0x40)), (-1, -512, 511));
        assert_eq!((four_bits(0x0f), four_bits(0x78), four_bits(7)), (-1, -8, 7));
    }

    #[test]
    fn event_only_sensors_may_share_a_record() {
        let named = |sharing: u8, modifier: u8| {
            let rest = [0x20, 0, 0x30, 3, 1, 7, 0x6f, sharing, modifier, 0, 0];
            let record = [&[9, 0, 0x51, 3, 15][..], &rest, b"\xc3CPU"].concat();
            let Body::EventOnly(sensors) = Record::decode(&record).unwrap().body else {
                panic!("{record:?}")
            };
            let shown = |sensor: &Arc<Sensor>| (sensor.name.clone(), sensor.number, sensor.entity.1);
            sensors.iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(named(0, 0), [("CPU".to_owned(), 0x30, 1)]);
        assert_eq!(named(1, 5), [("CPU".to_owned(), 0x30, 1)]);
        let [first, second] = [("CPU1".to_owned(), 0x30, 1), ("CPU2".to_owned(), 0x31, 2)];
        assert_eq!(named(2, 0x81), [first, second]);
    }

    #[test]
    fn inventories_of_other_controllers_are_distinguished() {
        let locator = |owner: u8, flags: u8| {
            let record = [&[9, 0, 0x51, 0x11, 13, owner, 3, flags][..], &[0; 7], b"\xc2FP"].concat();
            match Record::decode(&record).unwrap().body {
                Body::Fru { device, .. } => device,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([(0x20, 0x80), (0, 0x80)].map(|(owner, flags)| locator(owner, flags)), [Some(3); 2]);
        assert_eq!([(0x2c, 0x80), (0x20, 0)].map(|(owner, flags)| locator(owner, flags)), [None; 2]);
    }

    #[test]
    fn the_records_of_the_simulated_controller_are_read() {
        let mut rest: &[u8] = include_bytes!("../tests/sdr.bin");
        let mut records = Vec::new();
        while !rest.is_empty() {
            let (record, more) = rest.split_at(octets_of(rest).unwrap());
            for length in 0..record.len() {
                assert!(Record::decode(&record[..length]).is_err());
            }
            records.push(Record::decode(record).unwrap());
            rest = more;
        }
        assert_eq!(records.len(), 35);
        let sensors: Vec<&Sensor> = records
            .iter()
            .filter_map(|record| match &record.body {
                Body::Sensors(sensors) => Some(sensors),
                _ => None,
            })
            .flatten()
            .map(|sensor| &**sensor)
            .collect();
        assert_eq!(sensors.len(), 29);
        let of = |name: &str| *sensors.iter().find(|sensor| sensor.name == name).unwrap();
        let inlet = of("Inlet Temp");
        assert_eq!(
            (inlet.quantity(0xfb).unwrap().to_string(), inlet.units.sign()),
            ("-5".to_owned(), "C".to_owned())
        );
        let limits: Vec<String> =
            inlet.thresholds.iter().flatten().map(|raw| inlet.quantity(*raw).unwrap().to_string()).collect();
        assert_eq!(limits, ["50", "45", "40", "-20", "-15", "-10"]);
        assert_eq!((inlet.threshold_access, inlet.settable), (ThresholdAccess::Settable, 0x3f));
        let analog = inlet.analog.unwrap();
        let exact = Exactness { tolerance: 0, accuracy: (0, 0) };
        assert_eq!((analog.exactness, analog.hysteresis), (exact, Some(2)));
        assert!(analog.nominal.is_some() && analog.max != analog.min);
        let supply = of("PSU1 Status");
        assert_eq!((supply.possible_states & 1, supply.analog), (1, None));
        // The name of this sensor is in six-bit ASCII, which ipmitool and FreeIPMI do not decode.
        assert_eq!(of("ALTITUDE6").number, 0x14);
        assert_eq!(of("VRM Log10").factors.map(|factors| factors.linearization), Some(Linearization::Exp10));
        assert!(records.iter().any(
            |record| matches!(&record.body, Body::Fru { device: Some(0), name } if name == "Builtin FRU")
        ));
    }
}
