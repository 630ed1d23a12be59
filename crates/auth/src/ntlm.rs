//! NTLM for both ends: a challenge, and a response computed from the password (MS-NLMP).
//!
//! Only what current clients need is supported: NTLMv2 with extended session security and 128-bit keys. NTLMv1, LM,
//! anonymous sign-in, OEM strings and connectionless sessions are rejected, not negotiated. The algorithms of the
//! protocol are broken (MD4, MD5, RC4); use Kerberos or TLS where possible.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::SystemTime;
//!
//! use telarch_auth::ntlm::{self, HostNames, Login, NtHash, Sealing};
//! use telarch_auth::{AccountList, Acceptor as _, Binding, Initiator as _, Secret, Step};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (random_8, other_random_8, random_16, now) = ([1; 8], [2; 8], [3; 16], SystemTime::UNIX_EPOCH);
//! let names = HostNames::of_host("node7.lab.example");
//! let accounts = AccountList::parse("alice:correct horse")?.on_host(names.clone());
//! let fresh = ntlm::AcceptorFresh { challenge: random_8, now };
//! let mut service = ntlm::Acceptor::new(Arc::new(accounts), names, Binding::default(), fresh);
//!
//! let hash = NtHash::of_password(&Secret::new("correct horse".to_owned()));
//! let login = Login { domain: "NODE7".to_owned(), user: "alice".to_owned(), hash };
//! let fresh = ntlm::InitiatorFresh { challenge: other_random_8, session_key: random_16.into(), now };
//! let mut client = ntlm::Initiator::new(login, Sealing::Required, fresh).target_name("HTTP/node7.lab.example");
//!
//! let Step::Continue(negotiate) = client.step(None)? else { unreachable!() };
//! let Step::Continue(challenge) = service.step(&negotiate)? else { unreachable!() };
//! let Step::Done { token, outcome: initiated } = client.step(Some(&challenge))? else { unreachable!() };
//! let Step::Done { outcome: accepted, .. } = service.step(&token.unwrap_or_default())? else { unreachable!() };
//! assert_eq!(accepted.account.name, "alice");
//!
//! let (mut ours, mut theirs) = (initiated.context, accepted.context);
//! let mut message = b"<s:Envelope/>".to_vec();
//! let header = ours.seal(&mut message)?;
//! theirs.unseal(&header, &mut message)?;
//! assert_eq!(message, b"<s:Envelope/>");
//! # Ok(())
//! # }
//! ```

mod acceptor;
mod av_pair;
mod file_time;
mod flags;
mod host_names;
mod initiator;
mod keys;
pub mod message;
mod one_pass;
mod rc4;
mod response;
mod session;
#[cfg(test)]
mod tests;
mod text;
mod verifier;

pub use acceptor::{Acceptor, AcceptorFresh, Mic};
pub use host_names::HostNames;
pub use initiator::{Initiator, InitiatorFresh, Login, Sealing};
pub use keys::{NtHash, SessionBaseKey};
pub use session::Context;
pub use verifier::{NtlmVerifier, Verified, judge};

/// Returns `true` if a token is an NTLM message without SPNEGO around it (MS-NLMP 2.2.1).
#[must_use]
pub fn is_message(token: &[u8]) -> bool {
    token.starts_with(&message::SIGNATURE)
}
