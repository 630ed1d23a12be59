//! Size limit of each kind of request, so that a compromised gateway cannot exhaust the broker's memory.

/// Bytes before the kind of a request: the request number.
const NUMBER: usize = 8;

/// Number of bytes that must be read before the size limit is known.
pub(crate) const PREFIX_LENGTH: usize = NUMBER + 1;

/// Returns whether a request that begins with these bytes may have this length. The limit depends on the kind, so that
/// a password cannot be as long as an envelope.
pub(crate) fn is_within_limit(beginning: &[u8], length: usize) -> bool {
    // A message without a kind is shorter than `PREFIX_LENGTH` and fails to decode.
    beginning.get(NUMBER).is_none_or(|kind| length <= longest(*kind))
}

/// Returns the maximum length of a request in bytes, number and kind included. Each limit is above what the parsers of
/// an honest gateway let through.
fn longest(kind: u8) -> usize {
    match kind {
        // User name and password of Basic, which are cut at 2048 characters; name of a user or group.
        2 | 16 => 8 << 10,
        // Token of SPNEGO or CredSSP, both limited to 64 KiB, with a channel binding.
        3 | 4 => 256 << 10,
        // Envelope to seal or unseal; the broker processes one at a time.
        6 | 7 => crate::link::MAX_MESSAGE_LENGTH,
        // Two configuration files of at most 1 MiB each.
        10 => (2 << 20) + 64,
        // State for the service manager: addresses of all listeners.
        12 => 64 << 10,
        // Names of a certificate: a thousand of 255 bytes.
        15 => 512 << 10,
        // Certificate proof: 96 KiB of signed data, 32 KiB of certificates and a signature.
        19 => 160 << 10,
        // Resource URI of at most 2048 bytes.
        21 => 8 << 10,
        // Fields of a certificate mapping: two patterns of 1024 bytes, a user name and a password.
        23 => 16 << 10,
        // 16 firewall openings with 32 sources each.
        24 => 64 << 10,
        // Session token, and name of a PowerShell endpoint of at most 255 bytes.
        27 => 512,
        // Numbers, session tokens, thumbprints and SIDs.
        _ => 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_envelopes_may_exceed_four_megabytes() {
        let exceeds_4_mib =
            |kind: &u8| is_within_limit(&[&[0; NUMBER][..], &[*kind]].concat(), (4 << 20) + 1);
        let longer_than_4_mib: Vec<u8> = (0..=u8::MAX).filter(exceeds_4_mib).collect();
        assert_eq!(longer_than_4_mib, [6, 7]);
        assert!(!is_within_limit(&[0, 0, 0, 0, 0, 0, 0, 0, 2], 9_000), "a password");
    }
}
