//! Which processors of the machine are in use.

use crate::Machine;

/// Their numbers, each once, in order; `None` if nobody tells.
pub(crate) fn online(machine: &Machine) -> Option<Vec<u32>> {
    numbers_in(&machine.line("sys/devices/system/cpu/online")?)
}

/// The numbers of a list like `0-3,8`.
fn numbers_in(list: &str) -> Option<Vec<u32>> {
    let mut is_on = [false; MOST];
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        // What comes twice costs nothing here; each that is told costs those who ask for it a file or two.
        is_on.get_mut(first.parse::<usize>().ok()?..=last.parse().ok()?)?.fill(true);
    }
    Some((0..).zip(is_on).filter_map(|(number, is_on)| is_on.then_some(number)).collect())
}

/// Linux is built for no more (`NR_CPUS`).
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
    fn a_list_that_says_the_same_again_and_again_has_each_once() {
        let list = vec!["0-8191"; 500].join(",");
        assert_eq!(numbers_in(&list).map(|numbers| numbers.len()), Some(MOST));
    }
}
