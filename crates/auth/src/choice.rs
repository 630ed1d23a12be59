//! With which scheme a client signs in.
//!
//! What was asked for wins, or is refused: nothing takes the place of a scheme that somebody chose.
//! Where nobody chose, Kerberos is used if there is a ticket for a host that has a name, and Negotiate otherwise.
//!
//! Over HTTP nothing proves who the host is but Kerberos. Everything else goes to hosts in `TrustedHosts` and to
//! this machine only; for others Negotiate is Kerberos without NTLM. What would be readable on the way takes
//! `AllowUnencrypted`. All of this is decided before anything is sent.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// A way for clients to sign in, in the words of `-authentication`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientScheme {
    /// Not at all: enough for Identify.
    None,
    /// The password itself is sent.
    Basic,
    /// The password is proven, the messages are readable.
    Digest,
    /// Kerberos, or NTLM.
    Negotiate,
    /// Kerberos alone.
    Kerberos,
    /// A client certificate of TLS.
    Certificate,
    /// The password is handed over inside TLS.
    CredSsp,
}

/// All that the choice depends on.
#[derive(Clone, Debug)]
pub struct Situation {
    /// What `-authentication` says.
    pub explicit: Option<ClientScheme>,
    /// What there is to sign in with.
    pub credentials: Credentials,
    /// What Kerberos can do here.
    pub kerberos: Kerberos,
    /// What the service is called.
    pub target: Target,
    /// How the service is reached.
    pub transport: Transport,
    /// Whether the host is in `Client/TrustedHosts`.
    pub trust: Trust,
    /// What `Client/Auth` allows.
    pub allowed: BTreeSet<ClientScheme>,
    /// What the service offers, once that is known.
    pub offered: Option<BTreeSet<ClientScheme>>,
    /// `Client/AllowUnencrypted`.
    pub unencrypted: Unencrypted,
    /// Whether messages are to be sealed where that is possible: not with `-unencrypted`.
    pub sealing: Sealing,
}

/// What there is to sign in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing was given: what the user of this process has.
    Ambient,
    /// Name and password were given.
    Password,
    /// A certificate with its key was given.
    Certificate,
}

/// What Kerberos can do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kerberos {
    /// Nothing: the library or a realm is missing.
    Absent,
    /// There is no ticket, but with name and password there would be one.
    Configured,
    /// The user of this process has a ticket.
    Ticket,
}

/// What a service is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// By a name. With a service principal name that was chosen, an address is as good as one.
    Name,
    /// By an address, for which there are no tickets.
    Address,
    /// `localhost`, `127.0.0.1` and the like: nobody is on the way.
    ThisMachine,
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Readable by everyone on the way.
    Http,
    /// Inside TLS, which proves who the host is.
    Https,
}

/// Whether a host is on the list of those that need no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is.
    Listed,
    /// It is not.
    Unlisted,
}

/// Whether messages may be readable on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unencrypted {
    /// Never.
    Refused,
    /// They may.
    Allowed,
}

/// Whether messages are to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Over HTTP, by every scheme that can.
    Wanted,
    /// Somebody said `-unencrypted`.
    Off,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The scheme to try, and no other.
    pub scheme: ClientScheme,
    /// Whether NTLM may be used inside the scheme. Without it the client's mechanisms are Kerberos only.
    pub ntlm: Ntlm,
    /// What keeps messages from being read.
    pub protection: Protection,
}

/// Whether NTLM may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ntlm {
    /// It may.
    Allowed,
    /// It may not: it would not prove who the host is, or there is no password to do it with.
    Forbidden,
}

/// What keeps messages from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS.
    Tls,
    /// The scheme: every body is sealed.
    Sealed,
    /// Nothing.
    Plain,
}

/// Why there is nothing to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// INVARIANT: not empty. What was considered, the preferred first, and what stood in its way.
    considered: Vec<(ClientScheme, Obstacle)>,
    offered: Option<BTreeSet<ClientScheme>>,
}

/// What stands in the way of a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// `Client/Auth` forbids it.
    #[error("it is switched off here; winrm/config/client/auth would allow it")]
    SwitchedOff,
    /// The service does not have it.
    #[error("the service does not offer it")]
    NotOffered,
    /// There is no password.
    #[error("it takes a name and a password: give -username")]
    NoPassword,
    /// There is no certificate.
    #[error("it takes a client certificate: give -certificate")]
    NoCertificate,
    /// There is a certificate, which it has no use for.
    #[error("it has no use for a certificate: leave -certificate away")]
    CertificateGiven,
    /// There is neither a ticket nor a password.
    #[error("there is no Kerberos ticket: run kinit, or give -username")]
    NoTicket,
    /// Kerberos does not work on this machine.
    #[error("Kerberos is not set up here: its library or a default realm in krb5.conf is missing")]
    NoKerberos,
    /// Kerberos has no names for addresses.
    #[error("Kerberos knows hosts by name only: use the name of the host instead of its address")]
    NeedsName,
    /// Certificates are part of TLS.
    #[error("it works over HTTPS only: use https:// or -usessl")]
    NeedsHttps,
    /// Messages, or even the password, could be read on the way.
    #[error(
        "what is sent could be read on the way: use https://, or Negotiate without -unencrypted, or set \
         AllowUnencrypted in winrm/config/client"
    )]
    Readable,
    /// Nothing would prove who the host is.
    #[error(
        "nothing would prove who the host is: use https:// or Kerberos, or add the host to TrustedHosts in \
         winrm/config/client"
    )]
    NotTrusted,
}

/// The scheme to try.
///
/// # Errors
/// [`Refusal`], with each scheme that was considered and what stood in its way.
pub fn choose(situation: &Situation) -> Result<Choice, Refusal> {
    let mut considered = Vec::new();
    for scheme in situation.candidates() {
        match situation.judge(*scheme) {
            Ok(choice) => return Ok(choice),
            Err(obstacle) => considered.push((*scheme, obstacle)),
        }
    }
    Err(Refusal { considered, offered: situation.offered.clone() })
}

impl Situation {
    fn candidates(&self) -> &'static [ClientScheme] {
        use ClientScheme::{Basic, Certificate, CredSsp, Digest, Kerberos as Krb, Negotiate, None as Nobody};
        match self.explicit {
            Some(Nobody) => &[Nobody],
            Some(Basic) => &[Basic],
            Some(Digest) => &[Digest],
            Some(Negotiate) => &[Negotiate],
            Some(Krb) => &[Krb],
            Some(Certificate) => &[Certificate],
            Some(CredSsp) => &[CredSsp],
            None => match (self.credentials, self.kerberos, self.target) {
                (Credentials::Certificate, ..) => &[Certificate],
                (Credentials::Ambient, Kerberos::Ticket, Target::Name) => &[Krb, Negotiate],
                (Credentials::Ambient | Credentials::Password, ..) => &[Negotiate, Krb],
            },
        }
    }

    fn judge(&self, scheme: ClientScheme) -> Result<Choice, Obstacle> {
        if scheme != ClientScheme::None && !self.allowed.contains(&scheme) {
            return Err(Obstacle::SwitchedOff);
        }
        let is_offered = |offered: &BTreeSet<ClientScheme>| offered.contains(&scheme);
        if scheme.is_offered_by_name() && !self.offered.as_ref().is_none_or(is_offered) {
            return Err(Obstacle::NotOffered);
        }
        let (ntlm, protection) = match scheme {
            ClientScheme::None => (Ntlm::Forbidden, self.unsealed()),
            ClientScheme::Certificate => (Ntlm::Forbidden, self.certificate()?),
            ClientScheme::Basic | ClientScheme::Digest => (Ntlm::Forbidden, self.password()?),
            ClientScheme::Kerberos => {
                self.kerberos()?;
                (Ntlm::Forbidden, self.sealed()?)
            }
            ClientScheme::Negotiate => (self.negotiate()?, self.sealed()?),
            ClientScheme::CredSsp => {
                self.needs_password()?;
                (self.negotiate()?, self.sealed()?)
            }
        };
        Ok(Choice { scheme, ntlm, protection })
    }

    fn certificate(&self) -> Result<Protection, Obstacle> {
        match (self.credentials, self.transport) {
            (Credentials::Certificate, Transport::Https) => Ok(Protection::Tls),
            (Credentials::Certificate, Transport::Http) => Err(Obstacle::NeedsHttps),
            _ => Err(Obstacle::NoCertificate),
        }
    }

    /// Schemes that seal nothing.
    fn password(&self) -> Result<Protection, Obstacle> {
        self.needs_password()?;
        match self.transport {
            Transport::Https => Ok(Protection::Tls),
            Transport::Http if self.unencrypted == Unencrypted::Refused => Err(Obstacle::Readable),
            Transport::Http if !self.needs_no_proof() => Err(Obstacle::NotTrusted),
            Transport::Http => Ok(Protection::Plain),
        }
    }

    fn kerberos(&self) -> Result<(), Obstacle> {
        if self.target == Target::Address {
            return Err(Obstacle::NeedsName);
        }
        match (self.kerberos, self.credentials) {
            (_, Credentials::Certificate) => Err(Obstacle::CertificateGiven),
            (Kerberos::Absent, _) => Err(Obstacle::NoKerberos),
            (Kerberos::Configured, Credentials::Ambient) => Err(Obstacle::NoTicket),
            (Kerberos::Ticket, _) | (Kerberos::Configured, Credentials::Password) => Ok(()),
        }
    }

    /// Schemes that are Kerberos or NTLM.
    fn negotiate(&self) -> Result<Ntlm, Obstacle> {
        match self.credentials {
            // Without a password there is no NTLM.
            Credentials::Ambient => self.kerberos().map(|()| Ntlm::Forbidden),
            Credentials::Certificate => Err(Obstacle::CertificateGiven),
            Credentials::Password if self.needs_no_proof() => Ok(Ntlm::Allowed),
            Credentials::Password => match (self.target, self.kerberos()) {
                (Target::Name, Ok(())) => Ok(Ntlm::Forbidden),
                _ => Err(Obstacle::NotTrusted),
            },
        }
    }

    fn needs_password(&self) -> Result<(), Obstacle> {
        if self.credentials == Credentials::Password { Ok(()) } else { Err(Obstacle::NoPassword) }
    }

    /// Whether the host may be talked to although the scheme does not prove who it is.
    fn needs_no_proof(&self) -> bool {
        self.transport == Transport::Https
            || self.trust == Trust::Listed
            || self.target == Target::ThisMachine
    }

    fn sealed(&self) -> Result<Protection, Obstacle> {
        match (self.transport, self.sealing) {
            (Transport::Https, _) => Ok(Protection::Tls),
            (Transport::Http, Sealing::Wanted) => Ok(Protection::Sealed),
            (Transport::Http, Sealing::Off) if self.unencrypted == Unencrypted::Refused => {
                Err(Obstacle::Readable)
            }
            (Transport::Http, Sealing::Off) => Ok(Protection::Plain),
        }
    }

    fn unsealed(&self) -> Protection {
        match self.transport {
            Transport::Https => Protection::Tls,
            Transport::Http => Protection::Plain,
        }
    }
}

impl ClientScheme {
    /// The scheme that a header `WWW-Authenticate` names, in any case of letters.
    #[must_use]
    pub fn from_challenge(name: &str) -> Option<Self> {
        [Self::Basic, Self::Digest, Self::Negotiate, Self::Kerberos, Self::CredSsp]
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    fn is_offered_by_name(self) -> bool {
        !matches!(self, Self::None | Self::Certificate)
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "Basic",
            Self::Digest => "Digest",
            Self::Negotiate => "Negotiate",
            Self::Kerberos => "Kerberos",
            Self::Certificate => "Certificate",
            Self::CredSsp => "CredSSP",
        }
    }
}

impl fmt::Display for ClientScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Target {
    /// What a host is, by the spelling of it; IPv6 addresses with or without brackets.
    #[must_use]
    pub fn of(host: &str) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(address) if address.to_canonical().is_loopback() => Self::ThisMachine,
            Ok(_) => Self::Address,
            Err(_) if bare.eq_ignore_ascii_case("localhost") => Self::ThisMachine,
            Err(_) => Self::Name,
        }
    }
}

impl Refusal {
    /// What was considered, the preferred first, and what stood in its way.
    #[must_use]
    pub fn considered(&self) -> &[(ClientScheme, Obstacle)] {
        &self.considered
    }

    /// The number by which scripts and people know the reason that counts, if it has one (winerror.h,
    /// `ERROR_WSMAN_…`).
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        let (scheme, obstacle) = self.considered.first()?;
        match (obstacle, scheme) {
            (Obstacle::SwitchedOff, ClientScheme::Basic) => Some(2_150_858_975),
            (Obstacle::SwitchedOff, ClientScheme::Digest) => Some(2_150_858_976),
            (Obstacle::SwitchedOff, ClientScheme::Negotiate) => Some(2_150_858_977),
            (Obstacle::SwitchedOff, ClientScheme::Kerberos) => Some(2_150_858_978),
            (Obstacle::SwitchedOff, ClientScheme::Certificate) => Some(2_150_858_979),
            (Obstacle::SwitchedOff, ClientScheme::CredSsp) => Some(2_150_859_170),
            (Obstacle::Readable, _) => Some(2_150_858_974),
            (Obstacle::NotTrusted, _) => Some(2_150_858_980),
            (Obstacle::NoPassword, ClientScheme::CredSsp) => Some(2_150_859_169),
            (Obstacle::NoPassword, _) => Some(2_150_858_981),
            (Obstacle::NoCertificate, _) => Some(2_150_858_983),
            _ => None,
        }
    }
}

impl std::error::Error for Refusal {}

/// One line for the outcome, one for each scheme, and one for what the service offers.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no way to sign in")?;
        for (scheme, obstacle) in &self.considered {
            write!(f, "\n  {scheme}: {obstacle}")?;
        }
        let Some(offered) = &self.offered else { return Ok(()) };
        let names: Vec<_> = offered.iter().map(|scheme| scheme.name()).collect();
        match names.as_slice() {
            [] => f.write_str("\n  the service offers nothing that is known here"),
            names => write!(f, "\n  the service offers {}", names.join(", ")),
        }
    }
}
