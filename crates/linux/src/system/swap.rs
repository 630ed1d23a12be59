//! Swap areas (`/proc/swaps`, fstab(5)).

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use locks::Mutex;

use crate::Machine;
use crate::mounts::unescaped;

/// A swap file or device in use.
#[derive(Clone, Debug)]
pub struct Swap {
    /// Path of the file or device.
    pub path: String,
    /// Size in KiB.
    pub size: u64,
    /// Used part in KiB.
    pub used: u64,
}

impl Swap {
    /// Parses a line of `/proc/swaps`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let path = unescaped(fields.next()?);
        let mut numbers = fields.skip(1).map(|field| field.parse().ok());
        Some(Self { path, size: numbers.next()??, used: numbers.next()?? })
    }
}

/// Swap space in a line of fstab.
pub struct Setting {
    /// Path of the file or device.
    pub path: String,
    /// Size in bytes; `None` for devices.
    pub size: Option<u64>,
}

impl Setting {
    /// Parses a line of `/etc/fstab`; `None` if it is not a swap area.
    pub fn parse(machine: &Machine, line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let source = fields.next().filter(|field| !field.starts_with('#')).map(unescaped)?;
        if fields.nth(1) != Some("swap") {
            return None;
        }
        let path = device(machine, &source).unwrap_or(source);
        let file = std::fs::metadata(machine.path(&path)).ok().filter(std::fs::Metadata::is_file);
        Some(Self { path, size: file.map(|file| file.len()) })
    }
}

/// Returns the device for a source such as `UUID=…`, if udev has a link for it.
fn device(machine: &Machine, source: &str) -> Option<String> {
    let (kind, name) = source.split_once('=')?;
    let folder = match kind {
        "UUID" => "by-uuid",
        "LABEL" => "by-label",
        "PARTUUID" => "by-partuuid",
        "PARTLABEL" => "by-partlabel",
        _ => return None,
    };
    let target =
        std::fs::read_link(machine.path(format!("dev/disk/{folder}/{}", name.trim_matches('"')))).ok()?;
    Some(format!("/dev/{}", Path::new(&target).file_name()?.to_str()?))
}

/// Returns the peak usage seen since the start of this process; the kernel does not record it.
pub fn peak(swap: &Swap) -> u64 {
    static PEAKS: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);
    let mut peaks = PEAKS.lock();
    let peak = peaks.entry(swap.path.clone()).or_default();
    *peak = swap.used.max(*peak);
    *peak
}
