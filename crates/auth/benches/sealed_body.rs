//! Measures the cost of the layout of sealed bodies without the cipher, as a ratio to copying the body twice and in
//! nanoseconds.
//!
//! Two copies are the minimum: one prepares the input of a run, the other moves the body into the output buffer. Run
//! with `cargo bench -p telarch-auth`.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // A benchmark prints, and its inputs are its own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use telarch_auth::sealed_body::{Protocol, seal, unseal};
use telarch_auth::{MechListMic, SealError, SecurityContext};

fn main() {
    const SOAP: &str = "application/soap+xml;charset=UTF-8";
    for length in [1_500, 50_000] {
        let plain = vec![b'x'; length];
        for (name, protocol) in [("negotiate", Protocol::Spnego), ("credssp", Protocol::CredSsp)] {
            let context = &mut Free(protocol);
            let sealed = seal(context, protocol, SOAP, plain.clone()).unwrap();
            report(&format!("seal_{name}"), &plain, || {
                seal(context, protocol, SOAP, black_box(&plain).clone()).unwrap().body.len()
            });
            report(&format!("unseal_{name}"), &plain, || {
                let body = black_box(&sealed.body).clone();
                unseal(context, protocol, sealed.content_type, body, length).unwrap().body.len()
            });
        }
    }
}

fn report(name: &str, plain: &[u8], mut ours: impl FnMut() -> usize) {
    let (mut floor, mut cost) = (Duration::MAX, Duration::MAX);
    for _ in 0..30 {
        floor = floor.min(hundred(|| black_box(black_box(plain).to_vec()).clone().len()));
        cost = cost.min(hundred(&mut ours));
    }
    let ratio = cost.as_secs_f64() / floor.as_secs_f64();
    println!("{name:16} {:7} bytes {:8} ns {ratio:6.2} x two copies", plain.len(), cost.as_nanos() / 100);
}

/// Returns the time of a hundred calls.
fn hundred(mut call: impl FnMut() -> usize) -> Duration {
    let start = Instant::now();
    for _ in 0..100 {
        black_box(call());
    }
    start.elapsed()
}

/// A context with a cipher that costs nothing.
struct Free(Protocol);

impl SecurityContext for Free {
    fn can_seal(&self) -> bool {
        true
    }

    fn largest_message(&self) -> Option<usize> {
        (self.0 == Protocol::CredSsp).then_some(16_384)
    }

    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        let mut header = vec![0; 16];
        if self.0 == Protocol::CredSsp {
            let [high, low] = u16::try_from(message.len() + 11).map_err(|_| SealError::Failed)?.to_be_bytes();
            header.splice(0..5, [0x17, 3, 3, high, low]);
        }
        Ok(header)
    }

    fn unseal(&mut self, _header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        if self.0 == Protocol::CredSsp {
            message.drain(..16);
        }
        Ok(())
    }

    fn sign(&mut self, _message: &[u8]) -> Result<Vec<u8>, SealError> {
        Err(SealError::Unavailable)
    }

    fn verify(&mut self, _message: &[u8], _signature: &[u8]) -> Result<(), SealError> {
        Err(SealError::Unavailable)
    }

    fn mech_list_mic(&self) -> MechListMic {
        MechListMic::Optional
    }
}
