//! What can be set on a controller of ours and reads back: its network, users, console, channels and watchdog, and
//! thresholds, hysteresis and events of its sensors. `ipmi_sim` knows a part of this only.

use std::collections::BTreeMap;

use super::{Answer, LENGTH, NOT_THERE, UNKNOWN};

/// Settings, in the encoding of the commands.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Parameters of the network, by number and set selector.
    pub lan: BTreeMap<(u8, u8), Vec<u8>>,
    /// Parameters of serial over LAN.
    pub serial: BTreeMap<u8, Vec<u8>>,
    /// Users from 1 on: name, whether they may sign in, and what they may do.
    pub users: Vec<([u8; 16], bool, u8)>,
    /// Password by user, 16 or 20 bytes.
    pub passwords: BTreeMap<usize, Vec<u8>>,
    /// Channel access: at the next start, and now.
    pub channel_access: [[u8; 2]; 2],
    /// The key K_g.
    pub group_key: [u8; 20],
    /// Thresholds by sensor: a mask and six values.
    pub thresholds: BTreeMap<u8, [u8; 7]>,
    /// Hysteresis by sensor: positive and negative.
    pub hysteresis: BTreeMap<u8, [u8; 2]>,
    /// Event enables by sensor: flags, and the masks of assertions and deassertions.
    pub events: BTreeMap<u8, [u8; 5]>,
    /// Boot options by parameter.
    pub boot: BTreeMap<u8, Vec<u8>>,
    /// State of the identify LED: 0 off, 1 on for a while, 2 on.
    pub identify: u8,
    /// Power restore policy.
    pub restore_policy: u8,
    /// Why the machine was started last.
    pub restart_cause: u8,
    /// Minutes in a count, and counts.
    pub power_on: (u8, u32),
    /// Watchdog: use, action, pre-timeout, flags and countdown; `None` until it is configured.
    pub watchdog: Option<[u8; 6]>,
    /// Self test result, as in Get Self Test Results.
    pub self_test: [u8; 2],
    /// Number of restarts, by command.
    pub restarts: Vec<u8>,
    /// Power in watts: current, minimum, maximum and average; `None` without DCMI.
    pub watts: Option<[u16; 4]>,
    /// System information, by parameter.
    pub texts: BTreeMap<u8, String>,
    /// Whether the controller confirms changes without making them.
    pub forgets: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        let name = |text: &str| {
            let mut name = [0; 16];
            name.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
            name
        };
        let lan = [
            (1, vec![0x15]),
            (2, vec![0x15; 5]),
            (3, vec![10, 0, 7, 9]),
            (4, vec![1]),
            (5, vec![0x02, 0, 0, 0, 7, 9]),
            (6, vec![255, 255, 255, 0]),
            (7, vec![0x40, 0x40, 0x10]),
            (10, vec![2]),
            (12, vec![10, 0, 7, 1]),
            (13, vec![0x02, 0, 0, 0, 7, 1]),
            (14, vec![0, 0, 0, 0]),
            (15, vec![0; 6]),
            (16, b"public\0\0\0\0\0\0\0\0\0\0\0\0".to_vec()),
            (20, vec![0, 0]),
            (21, vec![0]),
            (22, vec![2]),
            (23, vec![0, 3, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (24, vec![0, 0x44, 0, 0, 0, 0, 0, 0, 0]),
            (50, vec![0x02]),
            (51, vec![0]),
            (55, vec![2, 1, 0x03]),
            (64, vec![0x02]),
            (65, vec![0; 16]),
            (66, vec![0; 6]),
            (67, vec![0]),
            (68, vec![0; 16]),
            (73, vec![0]),
        ];
        let mut dynamic = vec![0, 0x01, 0xfe, 0x80];
        dynamic.extend([0; 13]);
        dynamic.extend([9, 64, 0]);
        let addresses = [((56, 0), unset(0)), ((56, 1), unset(1)), ((59, 0), dynamic)];
        let lan = lan.into_iter().map(|(number, octets)| ((number, 0), octets)).chain(addresses).collect();
        let serial = [
            (1, vec![1]),
            (2, vec![0x82]),
            (3, vec![10, 100]),
            (4, vec![7, 50]),
            (5, vec![10]),
            (6, vec![10]),
            (7, vec![1]),
            (8, vec![0x6f, 0x02]),
        ];
        Self {
            lan,
            serial: serial.into_iter().collect(),
            users: vec![
                (name(""), false, 0x0f),
                (name("admin"), true, 0x34),
                (name("oper"), true, 0x33),
                (name("viewer"), true, 0x32),
                (name(""), false, 0x0f),
            ],
            passwords: BTreeMap::new(),
            channel_access: [[0x02, 0x04]; 2],
            group_key: [0; 20],
            thresholds: BTreeMap::new(),
            hysteresis: BTreeMap::new(),
            events: BTreeMap::new(),
            boot: BTreeMap::from([(5, vec![0; 5])]),
            identify: 0,
            restore_policy: 1,
            restart_cause: 4,
            power_on: (60, 1_234),
            watchdog: None,
            self_test: [0x55, 0],
            restarts: Vec::new(),
            watts: None,
            texts: BTreeMap::new(),
            forgets: false,
        }
    }
}

/// A static address that is switched off.
fn unset(slot: u8) -> Vec<u8> {
    let mut octets = vec![slot, 0];
    octets.extend([0; 17]);
    octets.push(1);
    octets
}

impl Configuration {
    /// Answers what is about something that can be set.
    pub(super) fn answer(&mut self, net_fn: u8, command: u8, data: &[u8]) -> Answer {
        if self.forgets {
            let before = self.clone();
            let answer = self.done(net_fn, command, data);
            *self = before;
            return answer;
        }
        self.done(net_fn, command, data)
    }

    fn done(&mut self, net_fn: u8, command: u8, data: &[u8]) -> Answer {
        match (net_fn, command, data) {
            (0x00, 0x06, [policy]) => {
                if *policy < 3 {
                    self.restore_policy = *policy;
                }
                Ok(vec![0x07])
            }
            (0x00, 0x04, [seconds, is_lasting @ ..]) => {
                self.identify = match (is_lasting, seconds) {
                    ([1, ..], _) => 2,
                    (_, 0) => 0,
                    _ => 1,
                };
                Ok(Vec::new())
            }
            (0x00, 0x08, [parameter, octets @ ..]) => {
                self.boot.insert(*parameter, octets.to_vec());
                Ok(Vec::new())
            }
            (0x00, 0x09, [parameter, ..]) => {
                let octets = self.boot.get(parameter).ok_or(0x80)?;
                Ok([&[1, *parameter], octets.as_slice()].concat())
            }
            (0x00, 0x07, _) => Ok(vec![self.restart_cause, 0]),
            (0x00, 0x0f, _) => {
                let (minutes, counts) = self.power_on;
                Ok([&[minutes][..], &counts.to_le_bytes()].concat())
            }
            (0x04, ..) => self.sensor(command, data),
            (0x06, 0x02 | 0x03, _) => {
                self.restarts.push(command);
                Ok(Vec::new())
            }
            (0x06, 0x59, [_, parameter, block, ..]) => {
                let text = self.texts.get(parameter).ok_or(0x80)?;
                let whole = [&[0, u8::try_from(text.len()).unwrap_or(u8::MAX)], text.as_bytes()].concat();
                let begin = (usize::from(*block) * 16).min(whole.len());
                let mut part = whole.get(begin..).unwrap_or_default().to_vec();
                part.resize(16, 0);
                Ok([&[0x11, *block], part.as_slice()].concat())
            }
            (0x2c, 0x02, [0xdc, 1, ..]) => {
                let watts = self.watts.ok_or(UNKNOWN)?;
                let watts: Vec<u8> = watts.iter().flat_map(|watts| watts.to_le_bytes()).collect();
                Ok([&[0xdc][..], &watts, &[0, 0, 0, 0x65, 0x60, 0xea, 0, 0, 0x40]].concat())
            }
            (0x06, 0x22, _) => {
                if self.watchdog.is_some() {
                    Ok(Vec::new())
                } else {
                    Err(0x80)
                }
            }
            (0x06, 0x24, data) => {
                self.watchdog = Some(data.try_into().map_err(|_| LENGTH)?);
                Ok(Vec::new())
            }
            (0x06, 0x25, _) => {
                let timer = self.watchdog.unwrap_or_default();
                Ok([&timer[..], &timer[4..]].concat())
            }
            (0x06, 0x40, [_, access, limit]) => {
                for (stored, bit) in self.channel_access.iter_mut().zip([0x40, 0x80]) {
                    if access & 0xc0 == bit {
                        stored[0] = access & 0x3f;
                    }
                    if limit & 0xc0 == bit {
                        stored[1] = limit & 0x0f;
                    }
                }
                Ok(Vec::new())
            }
            (0x06, 0x41, [_, which]) => {
                let [later, now] = self.channel_access;
                Ok(if which & 0x80 != 0 { now } else { later }.to_vec())
            }
            (0x06, 0x42, [channel, ..]) if matches!(channel & 0x0f, 1 | 0x0e) => {
                Ok(vec![1, 4, 1, 0x81, 0xf2, 0x1b, 0, 0, 0])
            }
            (0x06, 0x42, _) => Err(NOT_THERE),
            (0x06, 0x43..=0x47, [first, ..]) => {
                let place = if matches!(command, 0x43 | 0x44) { data.get(1).copied() } else { Some(*first) };
                let place = usize::from(place.ok_or(LENGTH)? & 0x3f);
                self.user(command, place, data)
            }
            (0x06, 0x56, [_, 0, 1]) => Ok([&[2][..], &self.group_key].concat()),
            (0x06, 0x56, [_, 1, 1, key @ ..]) => {
                self.group_key = key.try_into().map_err(|_| 0x81)?;
                Ok(vec![2])
            }
            (0x0c, 0x01, [_, number, octets @ ..]) => {
                // Lists of addresses begin with the place in them.
                let set = if matches!(number, 56 | 59) { octets.first().copied().unwrap_or(0) } else { 0 };
                if *number != 0 {
                    *self.lan.get_mut(&(*number, set)).ok_or(0x80)? = octets.to_vec();
                }
                Ok(Vec::new())
            }
            (0x0c, 0x02, [_, 0, ..]) => Ok(vec![0x11, 0]),
            (0x0c, 0x02, [_, number, set, ..]) => {
                let set = if matches!(number, 56 | 59) { *set } else { 0 };
                let octets = self.lan.get(&(*number, set)).ok_or(0x80)?;
                Ok([&[0x11], octets.as_slice()].concat())
            }
            (0x0c, 0x21, [_, 0, _]) => Ok(Vec::new()),
            (0x0c, 0x21, [_, number, octets @ ..]) => {
                *self.serial.get_mut(number).ok_or(0x80)? = octets.to_vec();
                Ok(Vec::new())
            }
            (0x0c, 0x22, [_, number, ..]) => {
                let octets = self.serial.get(number).ok_or(0x80)?;
                Ok([&[0x11], octets.as_slice()].concat())
            }
            _ => Err(UNKNOWN),
        }
    }

    fn user(&mut self, command: u8, place: usize, data: &[u8]) -> Answer {
        let slots = u8::try_from(self.users.len()).unwrap_or(u8::MAX);
        let enabled = self.users.iter().filter(|(_, is_enabled, _)| *is_enabled).count();
        let user = place.checked_sub(1).and_then(|place| self.users.get_mut(place)).ok_or(0xcc)?;
        match (command, data) {
            (0x43, [flags, _, limit, ..]) => {
                user.2 = (flags & 0x70) | (limit & 0x0f);
                Ok(Vec::new())
            }
            (0x44, _) => {
                let state = if user.1 { 0x40 } else { 0x80 };
                Ok(vec![slots, state | u8::try_from(enabled).unwrap_or(0x3f), 0, user.2])
            }
            (0x45, [_, name @ ..]) => {
                user.0 = name.try_into().map_err(|_| LENGTH)?;
                Ok(Vec::new())
            }
            (0x46, _) => Ok(user.0.to_vec()),
            (0x47, [_, operation @ (0 | 1), ..]) => {
                user.1 = *operation == 1;
                Ok(Vec::new())
            }
            (0x47, [_, 2, password @ ..]) => {
                self.passwords.insert(place, password.to_vec());
                Ok(Vec::new())
            }
            (0x47, [_, _, password @ ..]) => match self.passwords.get(&place) {
                Some(stored) if stored.len() != password.len() => Err(0x81),
                Some(stored) if stored == password => Ok(Vec::new()),
                _ => Err(0x80),
            },
            _ => Err(LENGTH),
        }
    }

    fn sensor(&mut self, command: u8, data: &[u8]) -> Answer {
        let [sensor, rest @ ..] = data else { return Err(LENGTH) };
        match (command, rest) {
            (0x24, [_, positive, negative]) => {
                self.hysteresis.insert(*sensor, [*positive, *negative]);
                Ok(Vec::new())
            }
            (0x25, _) => Ok(self.hysteresis.get(sensor).copied().unwrap_or([2, 2]).to_vec()),
            (0x26, [mask, values @ ..]) if values.len() == 6 => {
                let stored = self.thresholds.entry(*sensor).or_default();
                let [kept_mask, stored @ ..] = stored;
                *kept_mask |= mask;
                for (bit, (to, from)) in stored.iter_mut().zip(values).enumerate() {
                    if mask >> bit & 1 == 1 {
                        *to = *from;
                    }
                }
                Ok(Vec::new())
            }
            (0x27, _) => Ok(self.thresholds.get(sensor).copied().unwrap_or_default().to_vec()),
            (0x28, [flags, masks @ ..]) => {
                let stored = self.events.entry(*sensor).or_insert([0xc0, 0x80, 0x0a, 0x80, 0x0a]);
                stored[0] = flags & 0xc0;
                for (to, from) in stored[1..].iter_mut().zip(masks) {
                    match flags & 0x30 {
                        0x10 => *to |= from,
                        0x20 => *to &= !from,
                        _ => {}
                    }
                }
                Ok(Vec::new())
            }
            (0x29, _) => {
                Ok(self.events.get(sensor).copied().unwrap_or([0xc0, 0x80, 0x0a, 0x80, 0x0a]).to_vec())
            }
            _ => Err(UNKNOWN),
        }
    }
}
