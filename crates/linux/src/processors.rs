//! Processors in use.

use std::collections::BTreeSet;

use crate::Machine;

/// Returns the numbers of the online processors, without duplicates, in ascending order; `None` if unknown.
pub fn online(machine: &Machine) -> Option<Vec<u32>> {
    let reported = machine.line(LIST).map(|list| numbers_in(&list));
    if let Some(Some(numbers)) = reported {
        return Some(numbers);
    }
    let counted = counted_in(&machine.text("proc/stat").unwrap_or_default());
    if reported.is_some() {
        let count = counted.len();
        tracing::warn!(
            file = LIST,
            count,
            "Invalid CPU list in /sys; falling back to CPUs with time counters"
        );
    }
    (!counted.is_empty()).then_some(counted)
}

/// Returns EDX and EAX of CPUID function 1, the former in the upper half: features, family, model and
/// stepping (Intel SDM, CPUID). `None` for other architectures, and for a directory tree.
pub fn signature(machine: &Machine) -> Option<u64> {
    machine.is_this().then(cpuid)?
}

#[cfg(target_arch = "x86_64")]
#[expect(clippy::unnecessary_wraps, reason = "other architectures have no such instruction")]
fn cpuid() -> Option<u64> {
    let registers = core::arch::x86_64::__cpuid(1);
    Some(u64::from(registers.edx) << 32 | u64::from(registers.eax))
}

#[cfg(not(target_arch = "x86_64"))]
fn cpuid() -> Option<u64> {
    None
}

/// Parses a list such as `0-3,8`.
fn numbers_in(list: &str) -> Option<Vec<u32>> {
    let mut is_on = [false; MOST];
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        // Duplicates are merged, because each number costs later readers one or two files.
        is_on.get_mut(first.parse::<usize>().ok()?..=last.parse().ok()?)?.fill(true);
    }
    Some((0..).zip(is_on).filter_map(|(number, is_on)| is_on.then_some(number)).collect())
}

/// Returns the numbers of the processors with time counters, which are those online (proc_stat(5)).
fn counted_in(text: &str) -> Vec<u32> {
    let numbers: BTreeSet<u32> = text
        .lines()
        .filter_map(|line| line.strip_prefix("cpu")?.split(' ').next()?.parse().ok())
        .filter(|number: &u32| usize::try_from(*number).is_ok_and(|number| number < MOST))
        .collect();
    numbers.into_iter().collect()
}

const LIST: &str = "sys/devices/system/cpu/online";

/// Maximum number of processors supported by Linux (`NR_CPUS`).
const MOST: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_numbers() {
        assert_eq!(numbers_in("0-3,8"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(numbers_in("0"), Some(vec![0]));
        assert_eq!(numbers_in("3,0-1,1-2\n"), Some(vec![0, 1, 2, 3]));
        for wrong in ["", "a", "0-", "2-0", "0-8192", "0-4000000000", "0-18446744073709551615"] {
            assert_eq!(numbers_in(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn processors_with_counters_are_the_fallback() {
        let folder = tempfile::tempdir().expect("there is room");
        let machine = Machine::at(folder.path());
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("there is room");
            std::fs::write(path, text).expect("there is room");
        };
        assert_eq!(online(&machine), None);
        write(LIST, "0-\n");
        assert_eq!(online(&machine), None);
        write("proc/stat", "cpu  9 0 9 9\ncpu0 4 0 4 4\ncpu2 5 0 5 5\ncpu9999 0\ncpux 0\nintr 1 0\nctxt 3\n");
        assert_eq!(online(&machine), Some(vec![0, 2]));
        write(LIST, "0-3\n");
        assert_eq!(online(&machine), Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn repeated_entries_are_listed_once() {
        let list = vec!["0-8191"; 500].join(",");
        assert_eq!(numbers_in(&list).map(|numbers| numbers.len()), Some(MOST));
    }
}
