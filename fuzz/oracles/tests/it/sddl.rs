use sddl::SecurityDescriptor;
use telarch_oracles::sddl as oracles;

use crate::corpus::cases;
use crate::random::Random;

fn corpus() -> Vec<Vec<u8>> {
    cases("sddl", 15)
}

#[test]
fn the_oracle_holds_for_the_corpus() {
    for seed in corpus() {
        oracles::sddl(&seed);
    }
}

#[test]
fn the_oracle_holds_for_mutations_of_the_corpus() {
    let seeds = corpus();
    let mut random = Random::new(4);
    for _ in 0..20_000 {
        let mut bytes = random.of(&seeds).clone();
        bytes.truncate(4_096);
        for _ in 0..=random.below(3) {
            mutate(&mut bytes, &seeds, &mut random);
        }
        oracles::sddl(&bytes);
    }
}

#[test]
fn the_oracle_holds_for_every_beginning_of_a_seed() {
    for seed in corpus().iter().filter(|seed| seed.len() < 1_024) {
        for length in 0..seed.len() {
            oracles::sddl(&seed[..length]);
        }
    }
}

#[test]
fn the_oracle_holds_for_sids_of_tickets_and_mutations() {
    crate::corpus::mutate(
        &cases("sddl_logon_info", 3),
        200,
        &[0, 1, 2, 7, 4, 0x15, 0x20, 0xff],
        oracles::logon_info,
    );
}

#[test]
fn the_oracle_holds_for_generated_descriptors() {
    let mut random = Random::new(1);
    for _ in 0..5_000 {
        let text = descriptor(&mut random);
        assert!(SecurityDescriptor::parse(&text).is_ok(), "{text}");
        oracles::sddl(text.as_bytes());
    }
}

/// Returns the text of a valid descriptor; each of its parts may be missing.
fn descriptor(random: &mut Random) -> String {
    const FLAGS: &[&str] = &["", "P", "AR", "AI", "PARAI"];
    let mut text = String::new();
    for part in ["O:", "G:"] {
        if random.below(4) > 0 {
            text += &format!("{part}{}", principal(random));
        }
    }
    for (part, kinds) in [("D:", ["A", "D"]), ("S:", ["AU", "AL"])] {
        if random.below(4) > 0 {
            text += &format!("{part}{}", random.of(FLAGS));
            for _ in 0..random.below(6) {
                text += &ace(random, kinds);
            }
        }
    }
    text
}

fn ace(random: &mut Random, kinds: [&str; 2]) -> String {
    const FLAGS: &[&str] = &["OI", "CI", "NP", "IO", "ID"];
    const RIGHTS: &[&str] = &["GA", "GR", "GW", "GX", "RC", "WD", "WO", "SD", "CC", "WP"];
    let kind = random.of(&kinds);
    let flags: String = FLAGS.iter().filter(|_| random.below(3) == 0).copied().collect();
    let audit = if kind.len() == 2 { random.of(&["SA", "FA", "SAFA"]) } else { "" };
    let rights = match random.below(2) {
        0 => format!("0x{:x}", random.below(1 << 31)),
        _ => (0..random.below(4)).map(|_| *random.of(RIGHTS)).collect(),
    };
    format!("({kind};{flags}{audit};{rights};;;{})", principal(random))
}

fn principal(random: &mut Random) -> String {
    const ALIASES: &[&str] = &[
        "BA", "BU", "BG", "PU", "BO", "RD", "ER", "RM", "WD", "AN", "AU", "IU", "NU", "SU", "SY", "LS", "NS",
        "CO", "CG", "OW", "LA", "LG", "DA", "DU", "DC", "DD", "EA",
    ];
    if random.below(3) > 0 {
        return (*random.of(ALIASES)).to_owned();
    }
    let numbers = (0..=random.below(15)).map(|_| format!("-{}", random.below(1 << 31)));
    format!("S-1-5{}", numbers.collect::<String>())
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    const WORDS: &[&[u8]] = &[
        b"O:",
        b"G:",
        b"D:",
        b"S:",
        b"(",
        b")",
        b";",
        b"-",
        b"0x",
        b"GA",
        b"OW",
        b"LA",
        b"IO",
        b"S-1-",
        b"\xc3\xa4",
    ];
    let at = random.below(bytes.len() + 1);
    match random.below(6) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 => bytes.truncate(at),
        2 if at < bytes.len() => {
            bytes.remove(at);
        }
        3 => {
            let word = random.of(WORDS);
            bytes.splice(at..at, word.iter().copied());
        }
        4 => {
            let end = bytes.len().min(at + random.below(32));
            let repeated = bytes[at..end].repeat(1 + random.below(3));
            bytes.splice(at..at, repeated);
        }
        _ => {
            let other = random.of(seeds);
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend(other[from..].iter().take(4_096));
        }
    }
}
