//! State of a simulated controller: the same sensors, records, log and inventory that `ipmi_sim` loads.

mod configuration;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use ipmi_proto::responder::{Device, DeviceCommand};
use ipmi_proto::{CompletionCode, Destination, Privilege};

pub use self::configuration::Configuration;

/// A simulated machine with its controller.
#[derive(Clone, Debug)]
pub struct Board {
    /// The records of the repository.
    pub records: Arc<Vec<Vec<u8>>>,
    /// Records of the device itself, besides the repository; `None` if it has none.
    pub device_records: Vec<Vec<u8>>,
    /// Readings of sensors by logical unit and number: raw value, flags, states.
    pub sensors: BTreeMap<(u8, u8), [u8; 4]>,
    /// Readings of sensors of other controllers, by address on bus 0 and number.
    pub satellites: BTreeMap<(u8, u8), [u8; 4]>,
    /// Controllers that others pass messages on to: the address of who does, and theirs behind it.
    pub behind: BTreeSet<(u8, u8)>,
    /// Factors of readings, by sensor and raw value: what Get Sensor Reading Factors says.
    pub factors: BTreeMap<(u8, u8), [u8; 6]>,
    /// The event log.
    pub log: Vec<[u8; 16]>,
    /// The inventory of device 0.
    pub inventory: Vec<u8>,
    /// Whether the machine is on.
    pub power_is_on: bool,
    /// Commands of Chassis Control so far, as numbers.
    pub controls: Vec<u8>,
    /// When a record was added last, and one erased.
    pub stamps: (u32, u32),
    /// The most octets of a record that one answer can carry.
    pub longest_piece: u8,
    /// Interval, in commands, at which the controller reports that it is busy; 0 is never.
    pub busy_every: u64,
    /// Commands that require an administrator, by network function and number.
    pub needs_administrator: BTreeSet<(u8, u8)>,
    /// Number of commands rejected for the privilege level.
    pub refused: u64,
    /// IANA enterprise number of the manufacturer.
    pub manufacturer: u16,
    /// How many commands were answered.
    pub commands: u64,
    /// How many of them asked for pieces of records.
    pub pieces: u64,
    /// Number of next record commands that find their reservation lost.
    pub lose_reservations: u32,
    /// The reservation that holds now.
    pub reservation: u16,
    /// Other settings.
    pub configuration: Configuration,
    /// State of the console at activation; `None` without a console.
    pub console: Option<Vec<u8>>,
    /// Whether the console is active.
    pub console_is_active: bool,
    /// After how many commands it starts again, and knows no session any more.
    pub starts_again_after: Option<u64>,
    /// Number of commands after which the controller stops responding.
    pub silent_after: Option<u64>,
}

impl Default for Board {
    fn default() -> Self {
        let described = &*DESCRIBED;
        Self {
            records: Arc::clone(&described.records),
            device_records: Vec::new(),
            sensors: described.sensors.clone(),
            satellites: BTreeMap::new(),
            behind: BTreeSet::new(),
            factors: BTreeMap::new(),
            log: described.log.clone(),
            inventory: include_bytes!("../bmc/fru0.bin").to_vec(),
            power_is_on: true,
            controls: Vec::new(),
            stamps: (0x6500_0000, 0x6500_0001),
            longest_piece: 32,
            busy_every: 0,
            needs_administrator: BTreeSet::new(),
            refused: 0,
            manufacturer: 0x1291,
            commands: 0,
            pieces: 0,
            lose_reservations: 0,
            reservation: 0,
            configuration: Configuration::default(),
            console: None,
            console_is_active: false,
            starts_again_after: None,
            silent_after: None,
        }
    }
}

impl Device for Board {
    fn answer(&mut self, request: &DeviceCommand<'_>, data: &mut Vec<u8>) -> CompletionCode {
        self.commands += 1;
        if self.busy_every > 0 && self.commands.is_multiple_of(self.busy_every) {
            return CompletionCode(0xc0);
        }
        let needs_administrator =
            self.needs_administrator.contains(&(request.net_fn.number(), request.command));
        if needs_administrator && request.privilege < Privilege::Administrator {
            self.refused += 1;
            return CompletionCode::PRIVILEGE;
        }
        let unit = request.destination.logical_unit();
        let answer =
            match (request.destination.bridged(), request.net_fn.number(), request.command, request.data) {
                (Some((_, address)), ..) => self.satellite(address, request),
                // Most of what is ever asked.
                (None, 0x04, 0x2d, [number]) => {
                    self.sensors.get(&(unit, *number)).ok_or(NOT_THERE).map(|said| {
                        data.extend(said);
                        Vec::new()
                    })
                }
                (None, ..) => self.own(request),
            };
        match answer {
            Ok(answer) => data.extend(answer),
            Err(code) => return CompletionCode(code),
        }
        CompletionCode::OK
    }

    fn is_there(&self, channel: u8, address: u8) -> bool {
        let is_satellite = self.satellites.keys().any(|(there, _)| *there == address);
        channel == 0 && (is_satellite || self.behind.iter().any(|(transit, _)| *transit == address))
    }

    fn is_there_behind(&self, destination: Destination) -> bool {
        let way = destination.transit().zip(destination.bridged());
        way.is_some_and(|((_, transit), (_, address))| self.behind.contains(&(transit, address)))
    }
}

/// Data after the completion code, or an error completion code.
type Answer = Result<Vec<u8>, u8>;

const UNKNOWN: u8 = 0xc1;
const RESERVATION: u8 = 0xc5;
const LENGTH: u8 = 0xc7;
const TOO_MUCH: u8 = 0xca;
const NOT_THERE: u8 = 0xcb;

impl Board {
    fn own(&mut self, request: &DeviceCommand<'_>) -> Answer {
        match (request.net_fn.number(), request.command, request.data) {
            (0x00, 0x01, _) => {
                let policy = self.configuration.restore_policy << 5;
                let identify = 0x40 | self.configuration.identify << 4;
                Ok(vec![u8::from(self.power_is_on) | policy, 0, identify, 0])
            }
            (0x00, 0x02, [control, ..]) => {
                self.controls.push(*control);
                self.power_is_on = !matches!(control, 0 | 5);
                Ok(Vec::new())
            }
            (0x04, 0x20, _) if !self.device_records.is_empty() => {
                let count = u8::try_from(self.device_records.len()).unwrap_or(u8::MAX);
                let [a, b, c, d] = self.stamps.0.to_le_bytes();
                Ok(vec![count, 0x81, a, b, c, d])
            }
            (0x04, 0x22, _) if !self.device_records.is_empty() => self.reserve(),
            (0x04, 0x21, data) if !self.device_records.is_empty() => {
                let records = self.device_records.clone();
                self.piece(&records, data)
            }
            (0x04, 0x23, [sensor, raw]) => {
                let factors = self.factors.get(&(*sensor, *raw)).ok_or(NOT_THERE)?;
                Ok([&[raw.wrapping_add(1)], &factors[..]].concat())
            }
            (0x06, 0x01, _) => {
                let revision = if self.device_records.is_empty() { 0x03 } else { 0x83 };
                let [low, high] = self.manufacturer.to_le_bytes();
                Ok(vec![0x23, revision, 9, 8, 2, 0x9f, low, high, 0, 2, 0x0f, 0, 0, 0, 0])
            }
            (0x06, 0x48, [1, ..]) if self.console_is_active => Err(0x80),
            (0x06, 0x48, [1, ..]) => {
                let console = self.console.clone().ok_or(0x81)?;
                self.console_is_active = true;
                Ok(console)
            }
            (0x06, 0x49, [1, ..]) => {
                if std::mem::take(&mut self.console_is_active) {
                    Ok(Vec::new())
                } else {
                    Err(0x80)
                }
            }
            (0x06, 0x04, _) => Ok(self.configuration.self_test.to_vec()),
            (0x0a, 0x10, [0, ..]) => {
                let [low, high] = u16::try_from(self.inventory.len()).unwrap_or(u16::MAX).to_le_bytes();
                Ok(vec![low, high, 0])
            }
            (0x0a, 0x11, [0, low, high, count]) => {
                let begin = usize::from(u16::from_le_bytes([*low, *high])).min(self.inventory.len());
                let end = (begin + usize::from(*count).min(32)).min(self.inventory.len());
                let piece = self.inventory.get(begin..end).unwrap_or_default();
                Ok([&[u8::try_from(piece.len()).unwrap_or(0)], piece].concat())
            }
            (0x0a, 0x20, _) => {
                let count = u16::try_from(self.records.len()).unwrap_or(u16::MAX).to_le_bytes();
                Ok([&[0x51][..], &count, &[0xff, 0xff], &self.both_stamps(), &[0x02]].concat())
            }
            (0x0a, 0x22 | 0x42, _) => self.reserve(),
            (0x0a, 0x23, data) => {
                let records = Arc::clone(&self.records);
                self.piece(&records, data)
            }
            (0x0a, 0x40, _) => {
                let count = u16::try_from(self.log.len()).unwrap_or(u16::MAX).to_le_bytes();
                Ok([&[0x51][..], &count, &[0xff, 0x3f], &self.both_stamps(), &[0x02]].concat())
            }
            (0x0a, 0x43, [_, _, low, high, ..]) => {
                let wanted = usize::from(u16::from_le_bytes([*low, *high]));
                let place = match wanted {
                    0 => 0,
                    0xffff => self.log.len().saturating_sub(1),
                    number => number - 1,
                };
                let record = self.log.get(place).ok_or(NOT_THERE)?;
                Ok([&next(place, self.log.len()).to_le_bytes()[..], record].concat())
            }
            (0x0a, 0x47, [.., 0xaa]) => {
                self.log.clear();
                Ok(vec![1])
            }
            (0x0a, 0x47, _) => Ok(vec![1]),
            (0x0a, 0x48, _) => Ok(vec![0x90, 0, 0, 0x65]),
            (net_fn, command, data) => self.configuration.answer(net_fn, command, data),
        }
    }

    fn satellite(&self, address: u8, request: &DeviceCommand<'_>) -> Answer {
        match (request.net_fn.number(), request.command, request.data) {
            (0x06, 0x01, _) => Ok(vec![address, 1, 1, 0, 2, 0x01, 0x91, 0x12, 0, 3, 0x0f]),
            (0x04, 0x2d, [number]) => {
                self.satellites.get(&(address, *number)).map(|said| said.to_vec()).ok_or(NOT_THERE)
            }
            _ => Err(UNKNOWN),
        }
    }

    fn both_stamps(&self) -> [u8; 8] {
        let ([a, b, c, d], [e, f, g, h]) = (self.stamps.0.to_le_bytes(), self.stamps.1.to_le_bytes());
        [a, b, c, d, e, f, g, h]
    }

    fn reserve(&mut self) -> Answer {
        self.reservation = self.reservation.wrapping_add(1).max(1);
        Ok(self.reservation.to_le_bytes().to_vec())
    }

    /// A piece of a record, as strictly as the strictest controllers.
    fn piece(&mut self, records: &[Vec<u8>], data: &[u8]) -> Answer {
        self.pieces += 1;
        let [r0, r1, n0, n1, offset, count] = data else { return Err(LENGTH) };
        if self.lose_reservations > 0 {
            self.lose_reservations -= 1;
            self.reservation = self.reservation.wrapping_add(1).max(1);
        }
        if u16::from_le_bytes([*r0, *r1]) != self.reservation {
            return Err(RESERVATION);
        }
        let wanted = usize::from(u16::from_le_bytes([*n0, *n1]));
        let place = if wanted == 0 { 0 } else { wanted - 1 };
        let record = records.get(place).ok_or(NOT_THERE)?;
        if *count > self.longest_piece {
            return Err(TOO_MUCH);
        }
        let begin = usize::from(*offset);
        let piece = record.get(begin..begin + usize::from(*count)).ok_or(TOO_MUCH)?;
        Ok([&next(place, records.len()).to_le_bytes()[..], piece].concat())
    }
}

/// Records are numbered from one, without gaps.
fn next(place: usize, count: usize) -> u16 {
    if place + 1 >= count { u16::MAX } else { u16::try_from(place + 2).unwrap_or(u16::MAX) }
}

/// Returns the contents of the file that `ipmi_sim` loads.
struct Described {
    records: Arc<Vec<Vec<u8>>>,
    sensors: BTreeMap<(u8, u8), [u8; 4]>,
    log: Vec<[u8; 16]>,
}

static DESCRIBED: LazyLock<Described> = LazyLock::new(|| {
    let (mut records, mut sensors, mut log) = (Vec::new(), BTreeMap::new(), Vec::new());
    for line in include_str!("../bmc/bmc.emu").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let octets =
            |from: usize| -> Vec<u8> { words.iter().skip(from).filter_map(|word| octet(word)).collect() };
        match words.first().copied() {
            Some("main_sdr_add") => records.push(numbered(octets(2), records.len())),
            Some("sensor_add") => {
                if let (Some(number), false) =
                    (words.get(3).and_then(|word| octet(word)), line.ends_with("event-only"))
                {
                    sensors.insert((0, number), [0, 0xc0, 0, 0]);
                }
            }
            Some("sensor_set_value") => {
                if let [number, value, ..] = octets(3)[..] {
                    sensors.insert((0, number), [value, 0xc0, 0, 0]);
                }
            }
            Some("sensor_set_bit") => {
                if let [number, bit, _, ..] = octets(3)[..]
                    && let Some([_, _, low, high]) = sensors.get_mut(&(0, number))
                {
                    if bit < 8 { *low |= 1 << bit } else { *high |= 1 << (bit - 8) }
                }
            }
            Some("sel_add") => {
                let mut record = octets(2);
                let number = u16::try_from(log.len() + 1).unwrap_or(u16::MAX).to_le_bytes();
                record.splice(..0, number);
                log.extend(<[u8; 16]>::try_from(record).ok());
            }
            _ => {}
        }
    }
    Described { records: Arc::new(records), sensors, log }
});

/// Writes the number of the controller into the first two bytes, which the file leaves free.
fn numbered(mut record: Vec<u8>, before: usize) -> Vec<u8> {
    record.splice(..2, u16::try_from(before + 1).unwrap_or(u16::MAX).to_le_bytes());
    record
}

fn octet(word: &str) -> Option<u8> {
    match word.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}
