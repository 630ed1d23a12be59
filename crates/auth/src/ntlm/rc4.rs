//! RC4, the stream cipher of NTLM session security (test vectors in RFC 6229).

use zeroize::Zeroizing;

/// State of a key stream. It is zeroed on drop.
pub(super) struct Rc4 {
    /// INVARIANT: a permutation of all byte values.
    state: Zeroizing<[u8; 256]>,
    position: Position,
}

/// Position in the key stream.
#[derive(Clone, Copy)]
pub(super) struct Position {
    i: u8,
    j: u8,
}

impl Rc4 {
    /// Initialises the key stream of a key.
    pub(super) fn new(key: &[u8; 16]) -> Self {
        Self::of_any_length(key)
    }

    fn of_any_length(key: &[u8]) -> Self {
        let mut state = Zeroizing::new([0; 256]);
        for (octet, value) in state.iter_mut().zip(0..=u8::MAX) {
            *octet = value;
        }
        let mut j = 0_u8;
        for (i, key) in (0..=u8::MAX).zip(key.iter().cycle()) {
            j = j.wrapping_add(at(&state, i)).wrapping_add(*key);
            state.swap(usize::from(i), usize::from(j));
        }
        Self { state, position: Position { i: 0, j: 0 } }
    }

    /// Encrypts or decrypts with the next part of the key stream.
    pub(super) fn apply(&mut self, octets: &mut [u8]) {
        self.with_stream(|state, position| {
            for octet in octets {
                *octet ^= next(state, position);
            }
        });
    }

    /// Calls `take` with the state, from which [`next`] generates key stream bytes. The position is a local copy
    /// meanwhile, so that it stays in registers.
    pub(super) fn with_stream(&mut self, take: impl FnOnce(&mut [u8; 256], &mut Position)) {
        let mut position = self.position;
        take(&mut self.state, &mut position);
        self.position = position;
    }

    /// Writes the state, for [`resume`](Self::resume).
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.state.as_slice());
        into.extend([self.position.i, self.position.j]);
    }

    /// Restores a state written by [`write`](Self::write); `None` for an invalid state.
    pub(super) fn resume(octets: &[u8; Self::WRITTEN]) -> Option<Self> {
        let (state, [i, j]) = octets.split_first_chunk::<256>()? else { return None };
        let is_whole = (0..=u8::MAX).all(|octet| state.contains(&octet));
        let position = Position { i: *i, j: *j };
        is_whole.then(|| Self { state: Zeroizing::new(*state), position })
    }

    /// Number of bytes that [`write`](Self::write) writes.
    pub(super) const WRITTEN: usize = 258;
}

/// Returns the next byte of the key stream.
#[inline(always)]
pub(super) fn next(state: &mut [u8; 256], position: &mut Position) -> u8 {
    position.i = position.i.wrapping_add(1);
    let one = at(state, position.i);
    position.j = position.j.wrapping_add(one);
    let other = at(state, position.j);
    set(state, position.i, other);
    set(state, position.j, one);
    at(state, one.wrapping_add(other))
}

/// The array has an element for every `u8`, so the index always exists.
#[inline(always)]
fn set(state: &mut [u8; 256], index: u8, value: u8) {
    if let Some(octet) = state.get_mut(usize::from(index)) {
        *octet = value;
    }
}

/// The index always exists, as in [`set`].
#[inline(always)]
fn at(state: &[u8; 256], index: u8) -> u8 {
    state.get(usize::from(index)).copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn key_streams_match_rfc_6229() {
        let key: Vec<u8> = (1..=16).collect();
        for (length, offset, expected) in [
            (5, 0, 0xB239_6305_F03D_C027_CCC3_524A_0A11_18A8_u128),
            (5, 240, 0x28CB_1132_C96C_E286_421D_CAAD_B8B6_9EAE),
            (5, 4096, 0xFF25_B589_9599_6707_E51F_BDF0_8B34_D875),
            (16, 0, 0x9AC7_CC9A_609D_1EF7_B293_2899_CDE4_1B97),
            (16, 16, 0x5248_C495_9014_126A_6E8A_84F1_1D1A_9E1C),
            (16, 240, 0x0659_02E4_B620_F6CC_36C8_589F_6643_2F2B),
            (16, 4096, 0xA36A_4C30_1AE8_AC13_610C_CBC1_2256_CACC),
        ] {
            let mut stream = [0; 4112];
            Rc4::of_any_length(&key[..length]).apply(&mut stream);
            assert_eq!(stream[offset..offset + 16], expected.to_be_bytes(), "{length} at {offset}");
        }
    }

    #[test]
    fn a_written_state_resumes_and_invalid_ones_are_rejected() {
        let mut rc4 = Rc4::new(&[9; 16]);
        rc4.apply(&mut [0; 300]);
        let mut written = Vec::new();
        rc4.write(&mut written);
        let written: [u8; Rc4::WRITTEN] = written.try_into().expect("its length");
        let mut again = Rc4::resume(&written).expect("a position in a stream");
        let (mut one, mut other) = ([0; 64], [0; 64]);
        rc4.apply(&mut one);
        again.apply(&mut other);
        assert_eq!(one, other);

        let mut twice = written;
        twice[0] = twice[1];
        assert!(Rc4::resume(&twice).is_none(), "duplicate byte");
    }
}
