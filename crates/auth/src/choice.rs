//! Choice of the client's authentication scheme.
//!
//! An explicitly requested scheme is used or refused, never replaced. Without a request, Kerberos is used if there is a
//! ticket and the host has a name, otherwise Negotiate. If the service offers neither or rejects them, Basic follows, but
//! only over HTTPS and only if the certificate has proven the identity of the host. CredSSP and Digest are never chosen.
//!
//! Over HTTP only Kerberos authenticates the host. The other schemes are restricted to hosts in `TrustedHosts` and to
//! this machine; for other hosts Negotiate means Kerberos without NTLM. Schemes that leave messages readable require
//! `AllowUnencrypted`. All of this is decided before anything is sent.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// Authentication scheme of a client, named as in `-authentication`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientScheme {
    /// No authentication; sufficient for Identify.
    None,
    /// The password is sent in clear text.
    Basic,
    /// The password is proven without sending it; messages are not encrypted.
    Digest,
    /// Kerberos or NTLM.
    Negotiate,
    /// Kerberos only.
    Kerberos,
    /// A TLS client certificate.
    Certificate,
    /// CredSSP: the password is delegated inside TLS.
    CredSsp,
}

/// Input of the choice.
#[derive(Clone, Debug)]
pub struct Situation {
    /// Scheme requested with `-authentication`.
    pub explicit: Option<ClientScheme>,
    /// Kind of credentials given.
    pub credentials: Credentials,
    /// Kerberos support on this machine.
    pub kerberos: Kerberos,
    /// Form of the host name.
    pub target: Target,
    /// Transport to the service.
    pub transport: Transport,
    /// Whether the host is in `Client/TrustedHosts`.
    pub trust: Trust,
    /// Schemes that `Client/Auth` allows.
    pub allowed: BTreeSet<ClientScheme>,
    /// Schemes that the service offers, once known.
    pub offered: Option<BTreeSet<ClientScheme>>,
    /// Schemes that were tried before without success.
    pub failed: BTreeSet<ClientScheme>,
    /// Whether Basic may be chosen without a request.
    pub automatic_basic: AutomaticBasic,
    /// Setting `Client/AllowUnencrypted`.
    pub unencrypted: Unencrypted,
    /// Whether messages are to be sealed where possible; `Off` with `-unencrypted`.
    pub sealing: Sealing,
}

/// Kind of credentials given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// None: use the tickets of the user who runs this process.
    Ambient,
    /// User name and password.
    Password,
    /// Certificate and private key.
    Certificate,
}

/// Kerberos support on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kerberos {
    /// The library or a default realm is missing.
    Absent,
    /// Configured, but without a ticket; one can be obtained with name and password.
    Configured,
    /// The user of this process has a ticket.
    Ticket,
}

/// Form of the host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A host name. With an explicit service principal name, an address counts as a name.
    Name,
    /// An IP address, for which there are no tickets.
    Address,
    /// `localhost`, a loopback address or the like: nothing leaves the machine.
    ThisMachine,
}

/// Transport to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Clear-text HTTP.
    Http,
    /// HTTPS, which authenticates the host.
    Https,
}

/// Whether a host is in `TrustedHosts`, and needs no authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// In the list.
    Listed,
    /// Not in the list.
    Unlisted,
}

/// Permission to choose Basic without a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutomaticBasic {
    /// Basic may be chosen over HTTPS.
    Allowed,
    /// The certificate of the host is not fully verified.
    HostUnverified,
    /// The service must be able to act as the user on other machines, which Basic does not permit.
    DelegationRequired,
}

/// Permission for messages without encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unencrypted {
    /// Refused.
    Refused,
    /// Allowed.
    Allowed,
}

/// Whether messages are to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Seal over HTTP with every scheme that can.
    Wanted,
    /// Do not seal: `-unencrypted` was given.
    Off,
}

/// Chosen scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Scheme to try, and no other.
    pub scheme: ClientScheme,
    /// Whether NTLM may be used inside the scheme. If not, only Kerberos is offered.
    pub ntlm: Ntlm,
    /// Encryption of the messages.
    pub protection: Protection,
}

/// Permission to use NTLM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ntlm {
    /// NTLM may be used.
    Allowed,
    /// NTLM must not be used: it would not authenticate the host, or there is no password.
    Forbidden,
}

/// Encryption of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS.
    Tls,
    /// Sealing of every body by the authentication scheme.
    Sealed,
    /// None.
    Plain,
}

/// Reason why no scheme can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// INVARIANT: not empty. Candidates in order of preference, each with its obstacle.
    considered: Vec<(ClientScheme, Obstacle)>,
    offered: Option<BTreeSet<ClientScheme>>,
}

/// Obstacle to using a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// `Client/Auth` disables the scheme.
    #[error("disabled on this client; enable it in winrm/config/client/auth")]
    Disabled,
    /// The service does not offer the scheme.
    #[error("not offered by the service")]
    NotOffered,
    /// The scheme requires a password.
    #[error("requires a user name and password; use -username")]
    NoPassword,
    /// The scheme requires a certificate.
    #[error("requires a client certificate; use -certificate")]
    NoCertificate,
    /// A certificate was given, which the scheme cannot use.
    #[error("does not support certificates; omit -certificate")]
    CertificateGiven,
    /// There is neither a ticket nor a password.
    #[error("no Kerberos ticket; run kinit or use -username")]
    NoTicket,
    /// Kerberos is not configured on this machine.
    #[error(
        "Kerberos is not configured on this machine: the library or a default realm in krb5.conf is missing"
    )]
    NoKerberos,
    /// Kerberos does not support IP addresses.
    #[error("Kerberos requires a host name; use the name of the host instead of its address")]
    NeedsName,
    /// Certificates require TLS.
    #[error("requires HTTPS; use https:// or -usessl")]
    NeedsHttps,
    /// Messages, or even the password, would be sent unencrypted.
    #[error(
        "messages would be sent unencrypted; use https://, or Negotiate without -unencrypted, or set \
         AllowUnencrypted in winrm/config/client"
    )]
    Unencrypted,
    /// The scheme would not authenticate the host.
    #[error(
        "cannot verify the identity of the host; use https:// or Kerberos, or add the host to TrustedHosts in \
         winrm/config/client"
    )]
    NotTrusted,
    /// Basic was not requested, and the certificate of the host is not verified.
    #[error(
        "would send the password, but the certificate of the host is not verified; verify it (-ca), or use \
         -authentication:basic"
    )]
    HostUnverified,
    /// The scheme cannot delegate.
    #[error("cannot delegate; omit -allowdelegate")]
    CannotDelegate,
    /// The scheme was tried before.
    #[error("failed before")]
    Failed,
}

/// Chooses the scheme to try.
///
/// # Errors
/// [`Refusal`] with all candidates and their obstacles.
pub fn choose(situation: &Situation) -> Result<Choice, Refusal> {
    let mut considered = Vec::new();
    for scheme in situation.candidates() {
        match situation.check(*scheme) {
            Ok(choice) => return Ok(choice),
            Err(obstacle) => considered.push((*scheme, obstacle)),
        }
    }
    Err(Refusal { considered, offered: situation.offered.clone() })
}

impl Situation {
    fn candidates(&self) -> &'static [ClientScheme] {
        use ClientScheme::{
            Basic, Certificate, CredSsp, Digest, Kerberos as Krb, Negotiate, None as Anonymous,
        };
        match self.explicit {
            Some(Anonymous) => &[Anonymous],
            Some(Basic) => &[Basic],
            Some(Digest) => &[Digest],
            Some(Negotiate) => &[Negotiate],
            Some(Krb) => &[Krb],
            Some(Certificate) => &[Certificate],
            Some(CredSsp) => &[CredSsp],
            None => match (self.credentials, self.kerberos, self.target) {
                (Credentials::Certificate, ..) => &[Certificate],
                (Credentials::Ambient, Kerberos::Ticket, Target::Name) => &[Krb, Negotiate],
                // Negotiate uses Kerberos as well if the user has a realm.
                (Credentials::Password, ..) if self.transport == Transport::Https => &[Negotiate, Krb, Basic],
                (Credentials::Ambient | Credentials::Password, ..) => &[Negotiate, Krb],
            },
        }
    }

    fn check(&self, scheme: ClientScheme) -> Result<Choice, Obstacle> {
        if scheme != ClientScheme::None && !self.allowed.contains(&scheme) {
            return Err(Obstacle::Disabled);
        }
        if self.failed.contains(&scheme) {
            return Err(Obstacle::Failed);
        }
        let is_offered = self.offered.as_ref().is_none_or(|offered| offered.contains(&scheme));
        if scheme.is_offered_by_name() && !is_offered {
            return Err(Obstacle::NotOffered);
        }
        if scheme == ClientScheme::Basic && self.explicit.is_none() {
            match self.automatic_basic {
                AutomaticBasic::Allowed => {}
                AutomaticBasic::HostUnverified => return Err(Obstacle::HostUnverified),
                AutomaticBasic::DelegationRequired => return Err(Obstacle::CannotDelegate),
            }
        }
        let (ntlm, protection) = match scheme {
            ClientScheme::None => (Ntlm::Forbidden, self.unsealed()),
            ClientScheme::Certificate => (Ntlm::Forbidden, self.certificate()?),
            ClientScheme::Basic | ClientScheme::Digest => (Ntlm::Forbidden, self.password()?),
            ClientScheme::Kerberos => {
                self.require_kerberos()?;
                (Ntlm::Forbidden, self.sealed()?)
            }
            ClientScheme::Negotiate => (self.negotiate()?, self.sealed()?),
            ClientScheme::CredSsp => {
                self.require_password()?;
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

    /// Protection for schemes that cannot seal.
    fn password(&self) -> Result<Protection, Obstacle> {
        self.require_password()?;
        match self.transport {
            Transport::Https => Ok(Protection::Tls),
            Transport::Http if self.unencrypted == Unencrypted::Refused => Err(Obstacle::Unencrypted),
            Transport::Http if !self.may_skip_host_authentication() => Err(Obstacle::NotTrusted),
            Transport::Http => Ok(Protection::Plain),
        }
    }

    fn require_kerberos(&self) -> Result<(), Obstacle> {
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

    /// Checks for schemes that use Kerberos or NTLM.
    fn negotiate(&self) -> Result<Ntlm, Obstacle> {
        match self.credentials {
            // NTLM requires a password.
            Credentials::Ambient => self.require_kerberos().map(|()| Ntlm::Forbidden),
            Credentials::Certificate => Err(Obstacle::CertificateGiven),
            Credentials::Password if self.may_skip_host_authentication() => Ok(Ntlm::Allowed),
            Credentials::Password => match (self.target, self.require_kerberos()) {
                (Target::Name, Ok(())) => Ok(Ntlm::Forbidden),
                _ => Err(Obstacle::NotTrusted),
            },
        }
    }

    fn require_password(&self) -> Result<(), Obstacle> {
        if self.credentials == Credentials::Password { Ok(()) } else { Err(Obstacle::NoPassword) }
    }

    /// Returns `true` if the scheme need not authenticate the host.
    fn may_skip_host_authentication(&self) -> bool {
        self.transport == Transport::Https
            || self.trust == Trust::Listed
            || self.target == Target::ThisMachine
    }

    fn sealed(&self) -> Result<Protection, Obstacle> {
        match (self.transport, self.sealing) {
            (Transport::Https, _) => Ok(Protection::Tls),
            (Transport::Http, Sealing::Wanted) => Ok(Protection::Sealed),
            (Transport::Http, Sealing::Off) if self.unencrypted == Unencrypted::Refused => {
                Err(Obstacle::Unencrypted)
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
    /// Returns the scheme named in a `WWW-Authenticate` header, compared without case.
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
    /// Classifies a host by its spelling; IPv6 addresses may have brackets.
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
    /// Candidates in order of preference, each with its obstacle.
    #[must_use]
    pub fn considered(&self) -> &[(ClientScheme, Obstacle)] {
        &self.considered
    }

    /// Windows error code of the first obstacle, if it has one (winerror.h, `ERROR_WSMAN_…`).
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        let (scheme, obstacle) = self.considered.first()?;
        match (obstacle, scheme) {
            (Obstacle::Disabled, ClientScheme::Basic) => Some(2_150_858_975),
            (Obstacle::Disabled, ClientScheme::Digest) => Some(2_150_858_976),
            (Obstacle::Disabled, ClientScheme::Negotiate) => Some(2_150_858_977),
            (Obstacle::Disabled, ClientScheme::Kerberos) => Some(2_150_858_978),
            (Obstacle::Disabled, ClientScheme::Certificate) => Some(2_150_858_979),
            (Obstacle::Disabled, ClientScheme::CredSsp) => Some(2_150_859_170),
            (Obstacle::Unencrypted, _) => Some(2_150_858_974),
            (Obstacle::NotTrusted, _) => Some(2_150_858_980),
            (Obstacle::NoPassword, ClientScheme::CredSsp) => Some(2_150_859_169),
            (Obstacle::NoPassword, _) => Some(2_150_858_981),
            (Obstacle::NoCertificate, _) => Some(2_150_858_983),
            _ => None,
        }
    }
}

impl std::error::Error for Refusal {}

/// Formats one line for the result, one per candidate, and one with the schemes that the service offers.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no usable authentication scheme")?;
        for (scheme, obstacle) in &self.considered {
            write!(f, "\n  {scheme}: {obstacle}")?;
        }
        let Some(offered) = &self.offered else { return Ok(()) };
        let names: Vec<_> = offered.iter().map(|scheme| scheme.name()).collect();
        match names.as_slice() {
            [] => f.write_str("\n  the service offers no supported scheme"),
            names => write!(f, "\n  the service offers {}", names.join(", ")),
        }
    }
}
