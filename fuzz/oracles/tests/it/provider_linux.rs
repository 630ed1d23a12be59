use telarch_oracles::provider_linux;

use crate::corpus;

#[test]
fn machine_corpus_yields_valid_rows() {
    let seeds = mutate("linux_machine", 2, b"9", provider_linux::machine);
    let missing: Vec<_> = provider_linux::PLACES
        .iter()
        .filter(|(path, _)| !seeds.iter().any(|seed| seed.starts_with(path.as_bytes())))
        .collect();
    assert!(missing.is_empty(), "no seed is one of {missing:?}");
}

#[test]
fn registry_corpus_holds_its_properties() {
    mutate("linux_registry", 40, b"[]\"'\\=.{}\n1f\xC3", provider_linux::registry);
}

#[test]
fn registry_changes_corpus_holds_its_properties() {
    mutate("linux_registry_changes", 40, "/\\\nA\u{1}".as_bytes(), provider_linux::registry_changes);
}

#[test]
fn access_list_corpus_matches_posix() {
    mutate("linux_access_list", 60, b"\0\x01\x02\x04\x07\x08\x10\x20\xFF", provider_linux::access_list);
}

#[test]
fn descriptors_grant_the_same_access_as_access_control_lists() {
    // Every 37th combination of the bits of six entries.
    for pattern in (0_u32..1 << 18).step_by(37) {
        let entries = [
            (0x01, u32::MAX),
            (0x02, 1001),
            (0x04, u32::MAX),
            (0x08, 2001),
            (0x10, u32::MAX),
            (0x20, u32::MAX),
        ];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (place, (tag, id)) in (0_u32..).zip(entries) {
            let bits = u8::try_from(pattern >> (3 * place) & 7).unwrap();
            list.extend([tag, 0, bits, 0]);
            list.extend(id.to_le_bytes());
        }
        provider_linux::access_list(&list);
    }
}

/// Runs the oracle over mutations of the seeds, and returns the seeds.
fn mutate(target: &str, places: usize, octets: &[u8], check: impl Fn(&[u8])) -> Vec<Vec<u8>> {
    let seeds = corpus::cases(target, 5);
    corpus::mutate(&seeds, places, octets, check);
    seeds
}
