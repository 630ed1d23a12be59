//! The longest request of each kind. A gateway that was taken over must not make root use memory without bound.

/// Octets of a request before its kind: the number that the answer has, too.
const NUMBER: usize = 8;

/// How much of a request must have been read before its length can be judged.
pub(crate) const BEGINNING: usize = NUMBER + 1;

/// Returns whether a request that begins with these octets may be so long. The kind decides, so a password cannot be
/// as long as an envelope.
pub(crate) fn may_be_so_long(beginning: &[u8], length: usize) -> bool {
    // What has no kind is refused when it is read; it is no longer than its beginning.
    beginning.get(NUMBER).is_none_or(|kind| length <= longest(*kind))
}

/// Longest request of a kind, in octets with number and kind. Each bound is above what an honest gateway sends, by the
/// bounds of the parsers whose results it sends.
fn longest(kind: u8) -> usize {
    match kind {
        // A user name and a password of Basic, which is cut at 2048 characters; the name of a user or a group.
        2 | 16 => 8 << 10,
        // A token: one of SPNEGO or CredSSP, which both end at 64 KiB, and a channel binding.
        3 | 4 => 256 << 10,
        // An envelope to seal or to open. Only one of them is in work at a time.
        6 | 7 => crate::link::LONGEST,
        // Two texts of settings, of 1 MiB each.
        10 => (2 << 20) + 64,
        // The text of the state for the service manager: the addresses of all listeners.
        12 => 64 << 10,
        // The names of a certificate: a thousand of 255 octets.
        15 => 512 << 10,
        // A proof of a client certificate: 96 KiB that were signed, 32 KiB of certificates and a signature.
        19 => 160 << 10,
        // A resource URI, of at most 2048 octets.
        21 => 8 << 10,
        // The fields of a certificate mapping: two patterns of 1024 octets, a name and a password.
        23 => 16 << 10,
        // 16 openings of the firewall with 32 sources each.
        24 => 64 << 10,
        // Numbers, sessions, thumbprints and SIDs.
        _ => 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_envelopes_are_long() {
        let allowed = |kind: u8| {
            let beginning = [&[0; NUMBER][..], &[kind]].concat();
            (0..=crate::link::LONGEST.ilog2())
                .take_while(|power| may_be_so_long(&beginning, 1 << power))
                .count()
        };
        let longer_than_4_mib: Vec<u8> = (0..=u8::MAX).filter(|kind| allowed(*kind) > 22).collect();
        assert_eq!(longer_than_4_mib, [6, 7]);
        assert!(!may_be_so_long(&[0, 0, 0, 0, 0, 0, 0, 0, 2], 9_000), "a password");
    }
}
