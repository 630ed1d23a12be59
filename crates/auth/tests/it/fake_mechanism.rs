//! A mechanism for tests: a configurable number of tokens, and a context that detects the same errors as a real one.
//!
//! Its ciphers are reset like those of NTLM, one direction at a time, so both ends must reset them at the same point.

use sha2::{Digest as _, Sha256};
use telarch_auth::spnego::{Mechanism, Offer};
use telarch_auth::{
    Accepted, Acceptor, Account, AuthError, DirectorySids, Initiated, Initiator, MechListMic, Mutual, Oid,
    SealError, SecurityContext, Step,
};

/// Parameters that both ends share.
#[derive(Clone)]
pub(crate) struct FakeMechanism {
    pub(crate) oids: Vec<Oid>,
    /// Number of tokens; the service sends the last one if it is even.
    pub(crate) tokens: u8,
    pub(crate) mic: MechListMic,
    pub(crate) seals: bool,
    /// Whether headers are as long as those of Kerberos; otherwise they have 16 bytes, as with NTLM.
    pub(crate) long_header: bool,
    /// Whether the mechanism is available; Kerberos without a keytab or a ticket is not.
    pub(crate) available: bool,
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
}

impl FakeMechanism {
    /// Three tokens; a `mechListMIC` is always required.
    pub(crate) fn like_ntlm() -> Self {
        Self {
            oids: vec![Oid::NTLM],
            tokens: 3,
            mic: MechListMic::Required,
            seals: true,
            long_header: false,
            available: true,
            user: "alice",
            password: "s3cret",
        }
    }

    /// Two tokens; a `mechListMIC` is required only if another mechanism was preferred.
    pub(crate) fn like_kerberos() -> Self {
        Self {
            oids: vec![Oid::KERBEROS, Oid::MICROSOFT_KERBEROS],
            tokens: 2,
            mic: MechListMic::Optional,
            long_header: true,
            ..Self::like_ntlm()
        }
    }

    /// Returns the client's end, under the first OID only.
    pub(crate) fn offer(&self) -> Offer {
        Offer { oids: self.oids[..1].to_vec(), initiator: self.initiator() }
    }

    pub(crate) fn initiator(&self) -> Box<dyn Initiator> {
        Box::new(End { fake: self.clone(), sent: 0, received: 0 })
    }

    /// Returns token `number`, from 1.
    pub(crate) fn token(&self, number: u8) -> Vec<u8> {
        let proof = digest(&[self.password.as_bytes(), &[number]]);
        let token = [&[number][..], &proof].concat();
        if self.oids.iter().all(|oid| *oid == Oid::NTLM) {
            return [b"NTLMSSP\0".as_slice(), &token].concat();
        }
        if number > 1 {
            return token;
        }
        // Frame of the first token of an exchange (RFC 2743 3.1); its length is below 128.
        let oid = self.oids[0].octets();
        let length = |octets: &[u8]| u8::try_from(octets.len()).unwrap();
        let inner = [&[6, length(oid)], oid, &token].concat();
        [&[0x60, length(&inner)], &inner[..]].concat()
    }

    /// Returns the security context of one end.
    pub(crate) fn context(&self, service: bool) -> Context {
        let key = digest(&[b"key", self.password.as_bytes()]);
        let channel = |direction| Channel { key, direction, sequence: 0, position: 0 };
        let (outgoing, incoming) = if service { (1, 0) } else { (0, 1) };
        Context { fake: self.clone(), outgoing: channel(outgoing), incoming: channel(incoming) }
    }
}

impl Mechanism for FakeMechanism {
    fn oids(&self) -> &[Oid] {
        &self.oids
    }

    fn acceptor(&self) -> Result<Box<dyn Acceptor>, AuthError> {
        if !self.available {
            return Err(AuthError::Unavailable);
        }
        Ok(Box::new(End { fake: self.clone(), sent: 0, received: 0 }))
    }
}

/// Either end.
struct End {
    fake: FakeMechanism,
    sent: u8,
    received: u8,
}

impl End {
    fn receive(&mut self, token: &[u8], first: u8) -> Result<(), AuthError> {
        let number = first + 2 * self.received;
        self.received += 1;
        // The frame may contain any OID of the mechanism.
        if token.len() < 33
            || !token.ends_with(&self.fake.token(number)[self.fake.token(number).len() - 33..])
        {
            return Err(AuthError::WrongPassword);
        }
        Ok(())
    }

    fn send(&mut self, first: u8) -> Option<Vec<u8>> {
        let number = first + 2 * self.sent;
        self.sent += 1;
        (number <= self.fake.tokens).then(|| self.fake.token(number))
    }
}

impl Acceptor for End {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        self.receive(token, 1)?;
        let last = 2 * self.received >= self.fake.tokens;
        let token = self.send(2);
        if !last {
            return Ok(Step::Continue(token.unwrap()));
        }
        let account = Account { name: self.fake.user.to_owned() };
        let context = Box::new(self.fake.context(true));
        Ok(Step::Done { token, outcome: Accepted { account, context, directory: DirectorySids::default() } })
    }
}

impl Initiator for End {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        if !self.fake.available {
            return Err(AuthError::Unavailable);
        }
        if let Some(token) = token {
            self.receive(token, 2)?;
        }
        let token = self.send(1);
        if 2 * self.sent <= self.fake.tokens {
            return Ok(Step::Continue(token.unwrap()));
        }
        let (context, mutual) = (Box::new(self.fake.context(false)), Mutual::Proven);
        Ok(Step::Done { token, outcome: Initiated { context, mutual } })
    }
}

/// Security context: a stream and a counter for each direction.
pub(crate) struct Context {
    fake: FakeMechanism,
    outgoing: Channel,
    incoming: Channel,
}

struct Channel {
    key: [u8; 32],
    direction: u8,
    sequence: u32,
    /// Position of the stream.
    position: u32,
}

impl Channel {
    fn stream(&mut self, octets: &mut [u8]) {
        for octet in octets {
            *octet ^= digest(&[&self.key, &[self.direction], &self.position.to_le_bytes()])[0];
            self.position += 1;
        }
    }

    fn sign(&mut self, message: &[u8]) -> Vec<u8> {
        let mac = digest(&[&self.key, &[self.direction], &self.sequence.to_le_bytes(), b"mac", message]);
        let mut mac = mac[..16].to_vec();
        self.stream(&mut mac);
        self.sequence += 1;
        mac
    }
}

impl Context {
    fn header(&self) -> usize {
        if self.fake.long_header { 60 } else { 16 }
    }
}

impl SecurityContext for Context {
    fn can_seal(&self) -> bool {
        self.fake.seals
    }

    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        if !self.fake.seals {
            return Err(SealError::Unavailable);
        }
        let plain = message.clone();
        self.outgoing.stream(message);
        let mut header = self.outgoing.sign(&plain);
        header.resize(self.header(), 7);
        Ok(header)
    }

    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        self.incoming.stream(message);
        let mut expected = self.incoming.sign(message);
        expected.resize(self.header(), 7);
        if header == expected { Ok(()) } else { Err(SealError::Forged) }
    }

    fn unseal_whole(&mut self, token: &mut Vec<u8>) -> Result<(), SealError> {
        if token.len() < self.header() {
            return Err(SealError::Forged);
        }
        let message = token.split_off(self.header());
        let header = std::mem::replace(token, message);
        self.unseal(&header, token)
    }

    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(self.outgoing.sign(message))
    }

    fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), SealError> {
        if self.incoming.sign(message) == signature { Ok(()) } else { Err(SealError::Forged) }
    }

    fn mech_list_mic(&self) -> MechListMic {
        self.fake.mic
    }

    fn mech_list_mic_made(&mut self) {
        self.outgoing.position = 0;
    }

    fn mech_list_mic_checked(&mut self) {
        self.incoming.position = 0;
    }
}

/// Result of an exchange at one end.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    Done(T),
    Failed(AuthError),
    /// Waiting for a token that never came.
    Waiting,
}

impl<T> Outcome<T> {
    pub(crate) fn done(self) -> T {
        match self {
            Self::Done(outcome) => outcome,
            Self::Failed(error) => panic!("failed: {error}"),
            Self::Waiting => panic!("not completed"),
        }
    }

    pub(crate) fn error(&self) -> Option<AuthError> {
        match self {
            Self::Failed(error) => Some(*error),
            _ => None,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// Runs the exchange until neither end has more to send. `alter` is the man in the middle: it may change the token of
/// each number, from 0.
pub(crate) fn talk<C, S>(
    mut client: impl FnMut(Option<&[u8]>) -> Result<Step<C>, AuthError>,
    mut service: impl FnMut(&[u8]) -> Result<Step<S>, AuthError>,
    mut alter: impl FnMut(usize, Vec<u8>) -> Vec<u8>,
) -> (Outcome<C>, Outcome<S>) {
    let mut ends = (Outcome::Waiting, Outcome::Waiting);
    let mut number = 0;
    let mut alter = |token| {
        number += 1;
        alter(number - 1, token)
    };
    let mut to_client: Option<Vec<u8>> = None;
    loop {
        let to_service = match client(to_client.as_deref()) {
            Ok(Step::Continue(token)) => Some(token),
            Ok(Step::Done { token, outcome }) => {
                ends.0 = Outcome::Done(outcome);
                token
            }
            Err(error) => {
                ends.0 = Outcome::Failed(error);
                None
            }
        };
        let Some(to_service) = to_service else { return ends };
        if ends.1.is_done() {
            return ends;
        }
        to_client = match service(&alter(to_service)) {
            Ok(Step::Continue(token)) => Some(token),
            Ok(Step::Done { token, outcome }) => {
                ends.1 = Outcome::Done(outcome);
                token
            }
            Err(error) => {
                ends.1 = Outcome::Failed(error);
                None
            }
        };
        // After completion a client ignores further tokens.
        if ends.0.is_done() || to_client.is_none() {
            return ends;
        }
        to_client = to_client.map(&mut alter);
    }
}

/// Sends messages in both directions, twice: verifies that the ends agree on keys, counters and streams.
pub(crate) fn converse(client: &mut dyn SecurityContext, service: &mut dyn SecurityContext) {
    for text in ["first", "second", ""] {
        for (from, to) in [(true, "service"), (false, "client")] {
            let (sender, receiver): (&mut dyn SecurityContext, &mut dyn SecurityContext) =
                if from { (&mut *client, &mut *service) } else { (&mut *service, &mut *client) };
            let mut message = text.as_bytes().to_vec();
            let header = sender.seal(&mut message).unwrap();
            receiver.unseal(&header, &mut message).unwrap_or_else(|error| panic!("{text} to {to}: {error}"));
            assert_eq!(message, text.as_bytes());
            let signature = sender.sign(text.as_bytes()).unwrap();
            receiver.verify(text.as_bytes(), &signature).unwrap();
        }
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u32::try_from(part.len()).unwrap().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
