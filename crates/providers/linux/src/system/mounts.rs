//! `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use crate::Machine;

/// The device mounted at the first of some places where one is.
pub(crate) fn device_of(machine: &Machine, places: &[&str]) -> Option<String> {
    let text = machine.text("proc/self/mountinfo").ok()?;
    let device = |place: &str| {
        // Of several mounts at one place, the last one is seen.
        text.lines().rev().find_map(|line| {
            let (mount, source) = line.split_once(" - ")?;
            (mount.split(' ').nth(4)? == place).then(|| source.split(' ').nth(1).map(unescaped))?
        })
    };
    places.iter().find_map(|place| device(place))
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
