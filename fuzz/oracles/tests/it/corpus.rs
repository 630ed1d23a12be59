//! Stored corpora of the fuzz targets (`fuzz/corpus`), and mutations of them that are the same in every run.

use std::fs;
use std::path::Path;

/// Returns the cases of a fuzz target in the order of their names, at least `least`.
pub(crate) fn cases(target: &str, least: usize) -> Vec<Vec<u8>> {
    named_cases(target, least).into_iter().map(|(_, octets)| octets).collect()
}

/// Returns the names and contents of the cases of a fuzz target in the order of their names, at least `least`.
pub(crate) fn named_cases(target: &str, least: usize) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    // Mutations must not depend on the file system.
    paths.sort();
    assert!(paths.len() >= least, "only {} cases in {}", paths.len(), folder.display());
    paths
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

/// Calls an oracle with each seed and with mutations at up to `places` positions of it: the seed cut off there, with a
/// byte replaced by each of some bytes, without a byte, and continued with the end of another seed.
pub(crate) fn mutate(seeds: &[Vec<u8>], places: usize, octets: &[u8], check: impl Fn(&[u8])) {
    for (number, seed) in seeds.iter().enumerate() {
        check(seed);
        let step = (seed.len() / places.max(1)).max(1);
        for at in (0..seed.len()).step_by(step) {
            let (before, behind) = seed.split_at(at);
            let (_, after) = behind.split_at(1);
            check(before);
            check(&[before, after].concat());
            for octet in octets {
                check(&[before, &[*octet], after].concat());
            }
            let other = seeds.get((number + at + 1) % seeds.len()).map_or(&[][..], Vec::as_slice);
            let end = other.get(at % other.len().max(1)..).unwrap_or_default();
            check(&[before, end].concat());
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
