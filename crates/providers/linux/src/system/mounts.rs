//! `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use std::io;

use crate::Machine;

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The numbers of its device, `8:1`.
    pub(crate) device: String,
    /// Where it is seen.
    pub(crate) place: String,
    /// What is mounted: a device's file, or what the file system calls itself.
    pub(crate) source: String,
}

/// All that is mounted, in the order it was.
///
/// # Errors
/// What the kernel says.
pub(crate) fn mounts(machine: &Machine) -> io::Result<Vec<Mount>> {
    let text = machine.text("proc/self/mountinfo")?;
    let mount = |line: &str| {
        let (mount, source) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(2);
        let (device, place) = (fields.next()?.to_owned(), unescaped(fields.nth(1)?));
        Some(Mount { device, place, source: unescaped(source.split(' ').nth(1)?) })
    };
    Ok(text.lines().filter_map(mount).collect())
}

/// The device mounted at the first of some places where one is.
pub(crate) fn device_of(machine: &Machine, places: &[&str]) -> Option<String> {
    let mounts = mounts(machine).ok()?;
    // Of several mounts at one place, the last one is seen.
    let device = |place: &&str| mounts.iter().rev().find(|mount| mount.place == **place);
    places.iter().find_map(device).map(|mount| mount.source.clone())
}

/// A field as it was before the kernel wrote blanks and backslashes as octal numbers.
pub(crate) fn unescaped(field: &str) -> String {
    let mut octets = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, after @ ..] = rest {
        let number =
            after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match number.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_places_are_octal_numbers() {
        assert_eq!(unescaped("/mnt/a\\040b\\134c"), "/mnt/a b\\c");
        assert_eq!(unescaped("a\\04"), "a\\04");
    }
}
