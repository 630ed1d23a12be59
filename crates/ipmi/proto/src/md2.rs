//! MD2 (RFC 1319), for IPMI 1.5 sessions with controllers that support nothing better. It is broken, and
//! slow.

use zeroize::Zeroizing;

/// Returns the MD2 hash of the concatenation of `parts`.
pub(crate) fn md2(parts: &[&[u8]]) -> [u8; 16] {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    // Allocated once at full size, because it begins with a password, and growing would leave a copy behind.
    let mut message = Zeroizing::new(Vec::with_capacity(length + 32));
    parts.iter().for_each(|part| message.extend(*part));
    let padding = 16 - length % 16;
    message.resize(length + padding, u8::try_from(padding).unwrap_or(16));
    let sum = checksum(message.as_chunks().0);
    message.extend(sum);

    let mut state = Zeroizing::new([[0_u8; 16]; 3]);
    for block in message.as_chunks::<16>().0 {
        let [first, second, third] = &mut *state;
        *second = *block;
        for ((mixed, from), with) in third.iter_mut().zip(block).zip(first) {
            *mixed = from ^ *with;
        }
        let mut last = 0_u8;
        for round in 0..18 {
            for octet in state.as_flattened_mut() {
                *octet ^= substitute(last);
                last = *octet;
            }
            last = last.wrapping_add(round);
        }
    }
    let [digest, ..] = *state;
    digest
}

fn checksum(blocks: &[[u8; 16]]) -> [u8; 16] {
    let (mut sum, mut last) = ([0; 16], 0);
    for block in blocks {
        for (state, octet) in sum.iter_mut().zip(block) {
            *state ^= substitute(octet ^ last);
            last = *state;
        }
    }
    sum
}

fn substitute(octet: u8) -> u8 {
    PI.get(usize::from(octet)).copied().unwrap_or_default()
}

/// Permutation built from the digits of pi (RFC 1319, 3.2).
#[rustfmt::skip]
const PI: [u8; 256] = [
    41, 46, 67, 201, 162, 216, 124, 1, 61, 54, 84, 161, 236, 240, 6, 19,
    98, 167, 5, 243, 192, 199, 115, 140, 152, 147, 43, 217, 188, 76, 130, 202,
    30, 155, 87, 60, 253, 212, 224, 22, 103, 66, 111, 24, 138, 23, 229, 18,
    190, 78, 196, 214, 218, 158, 222, 73, 160, 251, 245, 142, 187, 47, 238, 122,
    169, 104, 121, 145, 21, 178, 7, 63, 148, 194, 16, 137, 11, 34, 95, 33,
    128, 127, 93, 154, 90, 144, 50, 39, 53, 62, 204, 231, 191, 247, 151, 3,
    255, 25, 48, 179, 72, 165, 181, 209, 215, 94, 146, 42, 172, 86, 170, 198,
    79, 184, 56, 210, 150, 164, 125, 182, 118, 252, 107, 226, 156, 116, 4, 241,
    69, 157, 112, 89, 100, 113, 135, 32, 134, 91, 207, 101, 230, 45, 168, 2,
    27, 96, 37, 173, 174, 176, 185, 246, 28, 70, 97, 105, 52, 64, 126, 15,
    85, 71, 163, 35, 221, 81, 175, 58, 195, 92, 249, 206, 186, 197, 234, 38,
    44, 83, 13, 110, 133, 40, 132, 9, 211, 223, 205, 244, 65, 129, 77, 82,
    106, 220, 55, 200, 108, 193, 171, 250, 36, 225, 123, 8, 12, 189, 177, 74,
    120, 136, 149, 139, 227, 99, 232, 109, 233, 203, 213, 254, 59, 0, 29, 57,
    242, 239, 183, 14, 102, 88, 208, 228, 166, 119, 114, 248, 235, 117, 75, 10,
    49, 68, 80, 180, 143, 237, 31, 26, 219, 153, 141, 51, 159, 17, 131, 20,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(octets: [u8; 16]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn digests_equal_those_of_rfc_1319() {
        // Test vectors of RFC 1319, A.5.
        for (text, digest) in [
            ("", "8350e5a3e24c153df2275c9f80692773"),
            ("a", "32ec01ec4a6dac72c0ab96fb34c0b5d1"),
            ("abc", "da853b0d3f88d99b30283a69e6ded6bb"),
            ("message digest", "ab4f496bfb2a530b219ff33031fe06b0"),
            ("abcdefghijklmnopqrstuvwxyz", "4e8ddff3650292ab5a4108c3aa47940b"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "da33def2a42df13975352846c30338cd",
            ),
        ] {
            assert_eq!(hex(md2(&[text.as_bytes()])), digest, "{text}");
            let (first, second) = text.as_bytes().split_at(text.len() / 2);
            assert_eq!(hex(md2(&[first, second])), digest, "{text} in two parts");
        }
        let mut all = PI;
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..=255), "a permutation");
    }
}
