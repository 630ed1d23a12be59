//! Key derivation of the AES encryption types (RFC 3961, RFC 8009).

use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use aes::{Aes128Enc, Aes256Enc};
use zeroize::{Zeroize as _, Zeroizing};

use super::cipher::BLOCK_LENGTH;
use super::encryption_type::{EncryptionType, MacOver};
use super::mac::Mac;

/// Purpose of a derived key (RFC 3961 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Encryption,
    Integrity,
    Checksum,
}

/// Derives the key for one usage and purpose; `None` if `base` does not have the length of the encryption type.
pub(crate) fn derived(
    kind: EncryptionType,
    base: &[u8],
    usage: u32,
    purpose: Purpose,
) -> Option<Zeroizing<Vec<u8>>> {
    if base.len() != kind.key_length() {
        return None;
    }
    let [a, b, c, d] = usage.to_be_bytes();
    let constant = [a, b, c, d, purpose.octet()];
    let mut key = match kind.mac_over() {
        MacOver::Plaintext => encrypted_constant(base, &constant)?,
        MacOver::Ciphertext => hashed_constant(kind, base, constant, derived_length(kind, purpose))?,
    };
    key.truncate(derived_length(kind, purpose));
    Some(key)
}

fn derived_length(kind: EncryptionType, purpose: Purpose) -> usize {
    match (kind, purpose) {
        (EncryptionType::Aes256Sha384, Purpose::Integrity | Purpose::Checksum) => 24,
        _ => kind.key_length(),
    }
}

impl Purpose {
    fn octet(self) -> u8 {
        match self {
            Self::Encryption => 0xAA,
            Self::Integrity => 0x55,
            Self::Checksum => 0x99,
        }
    }
}

/// DK function of RFC 3961 5.1 with AES: two blocks, which is the length of the longest key.
fn encrypted_constant<const LENGTH: usize>(
    base: &[u8],
    constant: &[u8; LENGTH],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(Vec::with_capacity(2 * BLOCK_LENGTH));
    let mut block = folded(constant).to_be_bytes().into();
    for _ in 0..2 {
        match base.len() {
            16 => Aes128Enc::new_from_slice(base).ok()?.encrypt_block(&mut block),
            _ => Aes256Enc::new_from_slice(base).ok()?.encrypt_block(&mut block),
        }
        key.extend_from_slice(&block);
    }
    block.as_mut_slice().zeroize();
    Some(key)
}

/// KDF-HMAC-SHA2 of RFC 8009 3.
fn hashed_constant(
    kind: EncryptionType,
    base: &[u8],
    constant: [u8; 5],
    octets: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let bits = u32::try_from(octets).ok()?.checked_mul(8)?;
    let mut mac = Mac::new(kind, base)?;
    mac.update(&[&1_u32.to_be_bytes()[..], &constant, &[0], &bits.to_be_bytes()].concat());
    Some(Zeroizing::new(mac.tag()))
}

/// 128-fold of RFC 3961 5.1, for at most sixteen bytes: copies of the input, each rotated by 13 more bits than the
/// previous one, are concatenated to whole blocks, and the blocks are added in ones' complement.
fn folded<const LENGTH: usize>(octets: &[u8; LENGTH]) -> u128 {
    const { assert!(LENGTH > 0 && LENGTH <= BLOCK_LENGTH) };
    let bits = 8 * LENGTH;
    let value = octets.iter().fold(0_u128, |value, octet| value << 8 | u128::from(*octet));
    // Least number of blocks that whole copies fill, as a block has 2^4 bytes.
    let blocks = LENGTH >> LENGTH.trailing_zeros().min(4);
    let copies: Vec<u8> = (0..blocks * BLOCK_LENGTH / LENGTH)
        .flat_map(|copy| {
            let rotation = copy * 13 % bits;
            let rotated =
                value >> rotation | value.unbounded_shl(u32::try_from(bits - rotation).unwrap_or_default());
            rotated.to_be_bytes().into_iter().skip(BLOCK_LENGTH - LENGTH)
        })
        .collect();
    copies.as_chunks::<BLOCK_LENGTH>().0.iter().fold(0, |sum: u128, block| {
        let (sum, is_over) = sum.overflowing_add(u128::from_be_bytes(*block));
        sum.wrapping_add(is_over.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn folding_matches_rfc_3961() {
        assert_eq!(folded(b"kerberos").to_be_bytes().to_vec(), octets("6b65726265726f737b9b5b2b93132b93"));
    }

    #[test]
    fn key_derivation_matches_rfc_3962() {
        for (base, expected) in [
            ("cdedb5281bb2f801565a1122b2563515", "42263c6e89f4fc28b8df68ee09799f15"),
            (
                "cdedb5281bb2f801565a1122b25635150ad1f7a04bb9f3a333ecc0e2e1f70837",
                "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161",
            ),
        ] {
            let (base, expected) = (octets(base), octets(expected));
            let key = encrypted_constant(&base, b"kerberos").unwrap();
            assert!(key.starts_with(&expected), "{expected:?}");
        }
    }

    #[test]
    fn key_derivation_matches_rfc_8009() {
        use EncryptionType::{Aes128Sha256, Aes256Sha384};
        use Purpose::{Checksum, Encryption, Integrity};
        let short = "3705D96080C17728A0E800EAB6E0D23C";
        let long = "6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52";
        for (kind, base, purpose, expected) in [
            (Aes128Sha256, short, Checksum, "B31A018A48F54776F403E9A396325DC3"),
            (Aes128Sha256, short, Encryption, "9B197DD1E8C5609D6E67C3E37C62C72E"),
            (Aes128Sha256, short, Integrity, "9FDA0E56AB2D85E1569A688696C26A6C"),
            (Aes256Sha384, long, Checksum, "EF5718BE86CC84963D8BBB5031E9F5C4BA41F28FAF69E73D"),
            (
                Aes256Sha384,
                long,
                Encryption,
                "56AB22BEE63D82D7BC5227F6773F8EA7A5EB1C825160C38312980C442E5C7E49",
            ),
            (Aes256Sha384, long, Integrity, "69B16514E3CD8E56B82010D5C73012B622C4D00FFC23ED1F"),
        ] {
            let key = derived(kind, &octets(base), 2, purpose).unwrap();
            assert_eq!(*key, octets(expected), "{kind:?} {purpose:?}");
        }
    }

    #[test]
    fn keys_of_wrong_length_are_rejected() {
        for kind in EncryptionType::ALL {
            for length in [0, 8, 15, 17, 24, 31, 33] {
                assert!(
                    derived(kind, &vec![7; length], 22, Purpose::Encryption).is_none(),
                    "{kind:?} {length}"
                );
            }
        }
    }
}
