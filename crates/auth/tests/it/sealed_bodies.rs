//! Properties of sealed bodies with real keys: messages arrive unchanged, and manipulated ones are rejected.

use telarch_auth::sealed_body::{self, Protocol, SealedBody, SealedBodyError};
use telarch_auth::{MechListMic, SealError, SecurityContext};

use crate::generator::Generator;
use crate::ntlm::contexts;

/// Limit in bytes, larger than any message here; it also determines the maximum number of parts.
const LIMIT: usize = 1 << 20;

/// NTLM with a maximum message length, as TLS has.
struct Cut {
    context: Box<dyn SecurityContext>,
    largest: usize,
}

impl SecurityContext for Cut {
    fn can_seal(&self) -> bool {
        self.context.can_seal()
    }

    fn largest_message(&self) -> Option<usize> {
        Some(self.largest)
    }

    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        self.context.seal(message)
    }

    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        self.context.unseal(header, message)
    }

    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        self.context.sign(message)
    }

    fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), SealError> {
        self.context.verify(message, signature)
    }

    fn mech_list_mic(&self) -> MechListMic {
        self.context.mech_list_mic()
    }
}

fn cut_ends(generator: &mut Generator) -> [Cut; 2] {
    let (client, service) = contexts();
    [client, service].map(|context| Cut { context, largest: 700 + generator.below(3_000) })
}

/// Returns a random text whose last byte is not padding.
fn text(generator: &mut Generator, most: usize) -> Vec<u8> {
    let length = generator.below(most);
    let mut text = generator.octets(length);
    text.push(b'>');
    text
}

fn seal(context: &mut Cut, protocol: Protocol, content_type: &str, text: &[u8]) -> SealedBody {
    sealed_body::seal(context, protocol, content_type, text.to_vec()).unwrap()
}

/// Splits a body into its parts and its end.
fn parts(sealed: &SealedBody) -> (Vec<Vec<u8>>, Vec<u8>) {
    const BEGINNING: &[u8] = b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-";
    const END: &[u8] = b"--Encrypted Boundary--\r\n";
    let body = sealed.body.strip_suffix(END).unwrap();
    let starts: Vec<usize> =
        (0..body.len()).filter(|at| body[*at..].starts_with(BEGINNING)).chain([body.len()]).collect();
    (starts.windows(2).map(|pair| body[pair[0]..pair[1]].to_vec()).collect(), END.to_vec())
}

#[test]
fn messages_of_any_number_of_parts_round_trip() {
    let mut generator = Generator::new(29);
    for _ in 0..20 {
        let mut ends = cut_ends(&mut generator);
        for _ in 0..6 {
            let from = generator.below(2);
            let (protocol, content_type) = match generator.below(3) {
                0 => (Protocol::Spnego, "application/soap+xml;charset=UTF-8"),
                1 => (Protocol::Spnego, "application/soap+xml;charset=UTF-16"),
                _ => (Protocol::Kerberos, "application/soap+xml;charset=UTF-8"),
            };
            let said = text(&mut generator, 9_000);
            let sealed = seal(&mut ends[from], protocol, content_type, &said);
            assert_eq!(parts(&sealed).0.len(), said.len().div_ceil(ends[from].largest));
            let received =
                sealed_body::unseal(&mut ends[1 - from], protocol, sealed.content_type, sealed.body, LIMIT);
            let received = received.unwrap();
            assert_eq!((received.content_type.as_str(), received.body), (content_type, said));
        }
    }
}

#[test]
fn padding_is_removed_from_utf_8_bodies() {
    let mut generator = Generator::new(31);
    for _ in 0..20 {
        let mut ends = cut_ends(&mut generator);
        let (said, padding) = (text(&mut generator, 5_000), generator.below(40));
        let padded = [said.as_slice(), &vec![0; padding]].concat();
        for (content_type, expected) in
            [("application/soap+xml;charset=UTF-8", &said), ("application/soap+xml;charset=UTF-16", &padded)]
        {
            let sealed = seal(&mut ends[0], Protocol::Spnego, content_type, &padded);
            let [_, service] = &mut ends;
            let received =
                sealed_body::unseal(service, Protocol::Spnego, sealed.content_type, sealed.body, LIMIT);
            assert_eq!(&received.unwrap().body, expected);
        }
    }
}

#[test]
fn missing_repeated_or_swapped_parts_are_rejected() {
    const SOAP: &str = "application/soap+xml;charset=UTF-8";
    let mut generator = Generator::new(37);
    for round in 0..60 {
        let [mut client, mut service] = cut_ends(&mut generator);
        client.largest = 50 + generator.below(500);
        let said = text(&mut generator, 2_000);
        let sealed = seal(&mut client, Protocol::Spnego, SOAP, &said);
        let (mut meddled, end) = parts(&sealed);
        if meddled.len() < 3 {
            continue;
        }
        let whole = meddled.clone();
        let (one, other) = (generator.below(whole.len()), generator.below(whole.len()));
        match round % 4 {
            // The cipher does not detect a missing last part; the envelope is incomplete then.
            0 => drop(meddled.remove(generator.below(whole.len() - 1))),
            1 => meddled.insert(one, whole[other].clone()),
            2 => meddled.swap(one, other),
            _ => meddled.rotate_left(1),
        }
        if meddled == whole {
            continue;
        }
        let body = [meddled.concat(), end].concat();
        let received =
            sealed_body::unseal(&mut service, Protocol::Spnego, sealed.content_type, body, 100_000);
        let refused = matches!(
            received,
            Err(SealedBodyError::Context(SealError::Forged) | SealedBodyError::TooManyParts { .. })
        );
        // A part repeated after its own position follows only correct parts, and is still rejected.
        assert!(refused, "{round}: {:?}", received.map(|open| open.body.len()));
    }
}

#[test]
fn a_changed_byte_is_rejected_or_has_no_effect() {
    const SOAP: &str = "application/soap+xml;charset=UTF-8";
    let mut generator = Generator::new(41);
    for round in 0..100 {
        let [mut client, mut service] = cut_ends(&mut generator);
        let said = text(&mut generator, 600);
        let mut sealed = seal(&mut client, Protocol::Spnego, SOAP, &said);
        let at = generator.below(sealed.body.len());
        sealed.body[at] ^= 1 << generator.below(8);
        let received =
            sealed_body::unseal(&mut service, Protocol::Spnego, sealed.content_type, sealed.body, 100_000);
        if let Ok(received) = received {
            assert_eq!(received.body, said, "{round}: octet {at}");
        }
    }
}
