//! The schemes `Negotiate` and `Kerberos`: what a client speaks shows in its first token (RFC 4559, MS-WSMV 2.1).
//!
//! Some clients wrap their mechanism in SPNEGO, and some send it as it is.

use std::mem;
use std::sync::Arc;

use crate::spnego::{self, MOST_OCTETS, Mechanism, initial_token};
use crate::{Accepted, Acceptor as Inner, AuthError, Oid, Step};

/// Takes whatever one client speaks of the mechanisms that the service offers.
pub struct Acceptor {
    state: State,
}

enum State {
    Beginning(Vec<Arc<dyn Mechanism>>),
    Spnego(spnego::Acceptor),
    /// A mechanism without SPNEGO around it.
    Bare(Oid, Box<dyn Inner>),
}

impl Acceptor {
    /// For the scheme `Negotiate`: any of these mechanisms.
    #[must_use]
    pub fn negotiate(mechanisms: Vec<Arc<dyn Mechanism>>) -> Self {
        Self { state: State::Beginning(mechanisms) }
    }

    /// For the scheme `Kerberos`: that one of these mechanisms only.
    #[must_use]
    pub fn kerberos(mut mechanisms: Vec<Arc<dyn Mechanism>>) -> Self {
        mechanisms.retain(|mechanism| mechanism.oids().iter().all(Oid::is_kerberos));
        Self { state: State::Beginning(mechanisms) }
    }
}

impl Inner for Acceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        if token.len() > MOST_OCTETS {
            return Err(AuthError::Malformed("it is longer than 64 KiB"));
        }
        if let State::Beginning(mechanisms) = &mut self.state {
            self.state = begin(mem::take(mechanisms), token)?;
        }
        match &mut self.state {
            State::Beginning(_) => Err(AuthError::NoMechanism),
            State::Spnego(acceptor) => acceptor.step(token),
            State::Bare(_, inner) => inner.step(token),
        }
    }

    fn mechanism(&self) -> Option<Oid> {
        match &self.state {
            State::Beginning(_) => None,
            State::Spnego(acceptor) => acceptor.mechanism(),
            State::Bare(oid, _) => Some(oid.clone()),
        }
    }

    fn claimed(&self) -> Option<String> {
        match &self.state {
            State::Beginning(_) => None,
            State::Spnego(acceptor) => acceptor.claimed(),
            State::Bare(_, inner) => inner.claimed(),
        }
    }
}

fn begin(mechanisms: Vec<Arc<dyn Mechanism>>, token: &[u8]) -> Result<State, AuthError> {
    let oid = if token.starts_with(NTLM_SIGNATURE) { Oid::NTLM } else { initial_token(token)?.0 };
    if oid == Oid::SPNEGO {
        return Ok(State::Spnego(spnego::Acceptor::new(mechanisms)));
    }
    let mechanism = mechanisms.iter().find(|mechanism| mechanism.oids().contains(&oid));
    let inner = mechanism.ok_or(AuthError::NoMechanism)?.acceptor()?;
    Ok(State::Bare(oid, inner))
}

/// What every message of NTLM begins with (MS-NLMP 2.2.1).
const NTLM_SIGNATURE: &[u8] = b"NTLMSSP\0";
