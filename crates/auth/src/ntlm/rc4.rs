//! RC4, the stream cipher of NTLM's session security (RFC 6229 has its vectors).

use zeroize::Zeroizing;

/// A stream, somewhere along its key stream. It is overwritten when dropped.
pub(super) struct Rc4 {
    /// INVARIANT: every octet once.
    state: Zeroizing<[u8; 256]>,
    place: Place,
}

/// Where in the key stream.
#[derive(Clone, Copy)]
pub(super) struct Place {
    i: u8,
    j: u8,
}

impl Rc4 {
    /// The beginning of the stream of a key.
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
        Self { state, place: Place { i: 0, j: 0 } }
    }

    /// Encrypts, or decrypts, with what comes next.
    pub(super) fn apply(&mut self, octets: &mut [u8]) {
        self.along(|state, place| {
            for octet in octets {
                *octet ^= next(state, place);
            }
        });
    }

    /// Lets somebody take octets of the key stream with [`next`]; the place is best known to the processor alone
    /// meanwhile.
    pub(super) fn along(&mut self, take: impl FnOnce(&mut [u8; 256], &mut Place)) {
        let mut place = self.place;
        take(&mut self.state, &mut place);
        self.place = place;
    }

    /// The place in the stream, for [`resume`](Self::resume).
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.state.as_slice());
        into.extend([self.place.i, self.place.j]);
    }

    /// Goes on where [`write`](Self::write) was called; nothing if these octets cannot have come from there.
    pub(super) fn resume(octets: &[u8; Self::WRITTEN]) -> Option<Self> {
        let (state, [i, j]) = octets.split_first_chunk::<256>()? else { return None };
        let is_whole = (0..=u8::MAX).all(|octet| state.contains(&octet));
        let place = Place { i: *i, j: *j };
        is_whole.then(|| Self { state: Zeroizing::new(*state), place })
    }

    /// How many octets [`write`](Self::write) makes.
    pub(super) const WRITTEN: usize = 258;
}

/// The next octet of the key stream.
#[inline(always)]
pub(super) fn next(state: &mut [u8; 256], place: &mut Place) -> u8 {
    place.i = place.i.wrapping_add(1);
    let one = at(state, place.i);
    place.j = place.j.wrapping_add(one);
    let other = at(state, place.j);
    set(state, place.i, other);
    set(state, place.j, one);
    at(state, one.wrapping_add(other))
}

/// There are as many octets as an octet has values, so there always is one.
#[inline(always)]
fn set(state: &mut [u8; 256], index: u8, value: u8) {
    if let Some(octet) = state.get_mut(usize::from(index)) {
        *octet = value;
    }
}

/// As for [`set`].
#[inline(always)]
fn at(state: &[u8; 256], index: u8) -> u8 {
    state.get(usize::from(index)).copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_key_streams_are_those_of_rfc_6229() {
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
    fn a_stream_goes_on_where_it_was_written_down() {
        let mut rc4 = Rc4::new(&[9; 16]);
        rc4.apply(&mut [0; 300]);
        let mut written = Vec::new();
        rc4.write(&mut written);
        let written: [u8; Rc4::WRITTEN] = written.try_into().expect("its length");
        let mut again = Rc4::resume(&written).expect("a place in a stream");
        let (mut one, mut other) = ([0; 64], [0; 64]);
        rc4.apply(&mut one);
        again.apply(&mut other);
        assert_eq!(one, other);

        let mut twice = written;
        twice[0] = twice[1];
        assert!(Rc4::resume(&twice).is_none(), "an octet is there twice");
    }
}
