//! CRC-32C (Castagnoli), bit by bit: headers are short and rare.

/// Returns the checksum of bytes.
pub(crate) fn crc32c(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ REVERSED_POLYNOMIAL } else { sum >> 1 };
        }
    }
    !sum
}

const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_3720_hold() {
        assert_eq!(crc32c(*b"123456789"), 0xe306_9283);
        assert_eq!(crc32c([0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c([0xff; 32]), 0x62a8_ab43);
    }
}
