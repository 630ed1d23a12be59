//! `Win32_Keyboard` and `Win32_PointingDevice` (`/proc/bus/input/devices`).

use linux::sysfs;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// An input device.
pub(crate) struct Input {
    name: String,
    /// Directory below `/sys`.
    folder: String,
    handlers: Vec<String>,
    /// Event types, one bit each (`EV_*`).
    events: u64,
    /// Keys and buttons, one bit each, the highest word first (`KEY_*`).
    keys: Vec<u64>,
}

impl Input {
    /// Returns all input devices.
    fn all(machine: &Machine) -> Vec<Self> {
        let text = machine.text("proc/bus/input/devices").unwrap_or_default();
        text.split("\n\n").filter_map(Self::parse).collect()
    }

    fn parse(block: &str) -> Option<Self> {
        Some(Self {
            name: line(block, "N: Name=")?.trim_matches('"').to_owned(),
            folder: line(block, "S: Sysfs=")?.to_owned(),
            handlers: line(block, "H: Handlers=")?.split_whitespace().map(str::to_owned).collect(),
            events: bits(block, "B: EV=").last().copied().unwrap_or_default(),
            keys: bits(block, "B: KEY="),
        })
    }

    fn has_key(&self, key: usize) -> bool {
        let word = self.keys.iter().rev().nth(key / 64).copied().unwrap_or_default();
        word >> (key % 64) & 1 != 0
    }

    /// Returns whether it has letter keys (`KEY_Q` to `KEY_P`) with repetition (`EV_REP`). Power buttons also
    /// report keys.
    fn is_keyboard(&self) -> bool {
        self.events >> 20 & 1 != 0 && (16..=25).all(|key| self.has_key(key))
    }

    fn is_pointer(&self) -> bool {
        self.handlers.iter().any(|handler| handler.starts_with("mouse"))
    }

    /// Returns the number of buttons, from `BTN_LEFT` on.
    fn buttons(&self) -> u8 {
        (0x110..0x118).fold(0, |count, key| count + u8::from(self.has_key(key)))
    }

    /// Returns the directory of the parent device.
    fn device(&self) -> &str {
        self.folder.split("/input/").next().unwrap_or(&self.folder)
    }
}

/// Keyboards.
pub(crate) struct Keyboard;

impl Table for Keyboard {
    type Row = Input;

    const CLASS: &'static str = "Win32_Keyboard";

    const COLUMNS: &'static [(&'static str, Fill<Input>)] = &[
        ("Caption", |_, input| input.name.clone().into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |_, input| input.name.clone().into()),
        ("DeviceID", |_, input| input.folder.clone().into()),
        ("Name", |_, input| input.name.clone().into()),
        ("NumberOfFunctionKeys", |_, input| {
            // KEY_F1 to KEY_F10, KEY_F11, KEY_F12 and further function keys.
            let keys = (59..=68).chain(87..=88).chain(183..=194);
            keys.fold(0_u16, |count, key| count + u16::from(input.has_key(key))).into()
        }),
        ("PNPDeviceID", |machine, input| sysfs::identity(machine, input.device()).into()),
        ("PowerManagementSupported", |_, _| false.into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Input>, ProviderError> {
        Ok(Input::all(machine).into_iter().filter(Input::is_keyboard))
    }
}

/// Pointing devices.
pub(crate) struct PointingDevice;

impl Table for PointingDevice {
    type Row = Input;

    const CLASS: &'static str = "Win32_PointingDevice";

    const COLUMNS: &'static [(&'static str, Fill<Input>)] = &[
        ("Caption", |_, input| input.name.clone().into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |_, input| input.name.clone().into()),
        ("DeviceID", |_, input| input.folder.clone().into()),
        ("HardwareType", |_, input| input.name.clone().into()),
        ("Name", |_, input| input.name.clone().into()),
        ("NumberOfButtons", |_, input| input.buttons().into()),
        ("PNPDeviceID", |machine, input| sysfs::identity(machine, input.device()).into()),
        ("PointingType", |_, input| {
            // 3 is a mouse, 7 a touch pad, which reports finger positions (EV_ABS, BTN_TOOL_FINGER).
            let is_pad = input.events >> 3 & 1 != 0 && input.has_key(0x145);
            if is_pad { 7_u16 } else { 3 }.into()
        }),
        ("PowerManagementSupported", |_, _| false.into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Input>, ProviderError> {
        Ok(Input::all(machine).into_iter().filter(Input::is_pointer))
    }
}

/// Returns the rest of the line that begins with `kind`.
fn line<'b>(block: &'b str, kind: &str) -> Option<&'b str> {
    block.lines().find_map(|line| line.strip_prefix(kind))
}

/// Returns the words of a bit mask, the most significant first.
fn bits(block: &str, kind: &str) -> Vec<u64> {
    let words = line(block, kind).unwrap_or_default().split_whitespace();
    words.map(|word| u64::from_str_radix(word, 16)).collect::<Result<_, _>>().unwrap_or_default()
}
