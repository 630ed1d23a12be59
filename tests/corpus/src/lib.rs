//! The stored corpora of the fuzz targets (`fuzz/corpus`), and mutations of them that are the same every time: what a
//! fuzzer has found once stays found without it.

use std::path::Path;
use std::{fs, io};

/// The cases of a fuzz target, in the order of their names.
///
/// # Panics
/// If there are fewer than so many: then something is wrong with the folder.
#[must_use]
pub fn cases(target: &str, least: usize) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let read = || -> io::Result<Vec<Vec<u8>>> {
        let entries = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path()));
        let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
        // Mutations must not depend on the file system.
        paths.sort();
        paths.iter().map(fs::read).collect()
    };
    let cases = read().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    assert!(cases.len() >= least, "only {} cases in {}", cases.len(), folder.display());
    cases
}

/// Calls an oracle with each seed, its beginnings, each with one octet changed into each of some, one left out, and the
/// end of another seed in the place of its own, at so many places of each seed.
pub fn mutate(seeds: &[Vec<u8>], places: usize, octets: &[u8], oracle: impl Fn(&[u8])) {
    for (number, seed) in seeds.iter().enumerate() {
        oracle(seed);
        let step = (seed.len() / places.max(1)).max(1);
        for at in (0..seed.len()).step_by(step) {
            let (before, behind) = seed.split_at(at);
            let (_, after) = behind.split_at(1);
            oracle(before);
            oracle(&[before, after].concat());
            for octet in octets {
                oracle(&[before, &[*octet], after].concat());
            }
            let other = seeds.get((number + at + 1) % seeds.len()).map_or(&[][..], Vec::as_slice);
            let end = other.get(at % other.len().max(1)..).unwrap_or_default();
            oracle(&[before, end].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_of_mutation_is_tried() {
        let tried = RefCell::new(BTreeSet::new());
        let seeds = [b"abc".to_vec(), b"XYZ".to_vec(), b"xyZ".to_vec(), Vec::new()];
        mutate(&seeds, 25, b"!", |octets| _ = tried.borrow_mut().insert(octets.to_vec()));
        for expected in ["", "abc", "a", "ab", "!bc", "a!c", "ab!", "bc", "ac", "XYZ", "XY!"] {
            assert!(tried.borrow().contains(expected.as_bytes()), "{expected}");
        }
        assert!(tried.borrow().iter().any(|octets| octets.starts_with(b"a") && octets.ends_with(b"Z")));
    }

    #[test]
    fn the_cases_of_a_target_are_found() {
        assert!(cases("cim_query", 15).iter().any(|case| case.starts_with(b"SELECT")));
    }
}
