//! Schemes `Negotiate` and `Kerberos`: the first token shows which mechanism the client uses (RFC 4559 4, MS-WSMV 2.1).
//!
//! Some clients wrap their mechanism in SPNEGO, others send its tokens without it.

use std::mem;
use std::sync::Arc;

use crate::spnego::{self, MAX_TOKEN, Mechanism, initial_token};
use crate::{Accepted, Acceptor as Inner, AuthError, Oid, Step};

/// Acceptor for any mechanism that the service offers, with or without SPNEGO.
pub struct Acceptor {
    state: State,
}

enum State {
    Initial(Vec<Arc<dyn Mechanism>>),
    Spnego(spnego::Acceptor),
    /// A mechanism without SPNEGO.
    Bare(Oid, Box<dyn Inner>),
}

impl Acceptor {
    /// Accepts these mechanisms, for the scheme `Negotiate`.
    #[must_use]
    pub fn negotiate(mechanisms: Vec<Arc<dyn Mechanism>>) -> Self {
        Self { state: State::Initial(mechanisms) }
    }

    /// Accepts only Kerberos of these mechanisms, for the scheme `Kerberos`.
    #[must_use]
    pub fn kerberos(mut mechanisms: Vec<Arc<dyn Mechanism>>) -> Self {
        mechanisms.retain(|mechanism| mechanism.oids().iter().all(Oid::is_kerberos));
        Self { state: State::Initial(mechanisms) }
    }
}

impl Inner for Acceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        if token.len() > MAX_TOKEN {
            return Err(AuthError::Malformed("longer than 64 KiB"));
        }
        if let State::Initial(mechanisms) = &mut self.state {
            self.state = begin(mem::take(mechanisms), token)?;
        }
        match &mut self.state {
            State::Initial(_) => Err(AuthError::NoMechanism),
            State::Spnego(acceptor) => acceptor.step(token),
            State::Bare(_, inner) => inner.step(token),
        }
    }

    fn mechanism(&self) -> Option<Oid> {
        match &self.state {
            State::Initial(_) => None,
            State::Spnego(acceptor) => acceptor.mechanism(),
            State::Bare(oid, _) => Some(oid.clone()),
        }
    }

    fn claimed(&self) -> Option<String> {
        match &self.state {
            State::Initial(_) => None,
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

/// Signature of every NTLM message (MS-NLMP 2.2.1).
const NTLM_SIGNATURE: &[u8] = b"NTLMSSP\0";
