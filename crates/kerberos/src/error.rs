//! Errors of Kerberos.

use std::path::PathBuf;

use auth::AuthError;

use crate::{Principal, Refusal, Spn};

/// Error of Kerberos, for the log and for the user. The peer learns at most the [`AuthError`].
///
/// `cause` is the message of MIT Kerberos.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KerberosError {
    /// MIT Kerberos is not installed or cannot be loaded.
    #[error(
        "cannot load Kerberos: {cause}\n  install MIT Kerberos (Debian: apt-get install libgssapi-krb5-2; Fedora: dnf install krb5-libs)"
    )]
    Missing {
        /// Message of the dynamic linker.
        cause: String,
    },
    /// The library lacks a function: it is not MIT Kerberos, or too old.
    #[error("cannot use Kerberos: {library} has no function {symbol}\n  install MIT Kerberos 1.11 or later")]
    Symbol {
        /// Name of the library.
        library: &'static str,
        /// Name of the missing function.
        symbol: &'static str,
    },
    /// The Kerberos configuration of this machine is missing or invalid.
    #[error(
        "invalid Kerberos configuration: {cause}\n  check default_realm in /etc/krb5.conf, or in the file named by KRB5_CONFIG"
    )]
    Configuration {
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The text is not a principal.
    #[error("{0:?} is not a principal such as alice@EXAMPLE.COM")]
    NotAPrincipal(String),
    /// The text is not a service principal name.
    #[error("{0:?} is not a service principal name such as HTTP/host.example.com")]
    NotAnSpn(String),
    /// A path or cache name contains a NUL character.
    #[error("invalid name {0:?} of a keytab or ticket cache: contains a NUL character")]
    NotAName(String),

    /// The service has no keys.
    #[error("cannot use keytab {}: {cause}\n  the service must be able to read it, and it must contain the keys of HTTP/HOST, WSMAN/HOST and host/HOST (MIT: kadmin ktadd; Active Directory: net ads keytab add, or ktpass)", shown(keytab.as_ref()))]
    Keytab {
        /// Path of the keytab; `None` for the default one, if unknown.
        keytab: Option<PathBuf>,
        /// Message of MIT Kerberos or of the operating system.
        cause: String,
    },
    /// The client keytab has no usable key.
    #[error("{principal} cannot sign in with keytab {}: {cause}\n  list the content of a keytab with: klist -k", keytab.display())]
    ClientKeytab {
        /// Path of the keytab.
        keytab: PathBuf,
        /// Principal to authenticate as.
        principal: Principal,
        /// Message of MIT Kerberos or of the operating system.
        cause: String,
    },
    /// The keytab lacks the key of the client's ticket.
    #[error("keytab {} has no key for the client's ticket: {cause}\n  add the requested principal to the keytab; if it is present, its key has changed: export the key to the keytab again", shown(keytab.as_ref()))]
    NoKey {
        /// Path of the keytab; `None` for the default one, if unknown.
        keytab: Option<PathBuf>,
        /// Message of MIT Kerberos, with principal and key version.
        cause: String,
    },
    /// The clocks differ by more than `clockskew` in `krb5.conf`.
    #[error(
        "the clocks of this machine and the peer differ too much: {cause}\n  synchronise both with NTP; Kerberos allows five minutes"
    )]
    ClockSkew {
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The ticket has expired.
    #[error("the Kerberos ticket has expired: {cause}\n  obtain a new one on the client with: kinit")]
    TicketExpired {
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The client has no ticket.
    #[error(
        "no Kerberos ticket: {cause}\n  obtain one with: kinit USER@REALM (klist lists tickets), or use a user name and password"
    )]
    NoTicket {
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// No KDC of the realm answered.
    #[error(
        "cannot reach a KDC of the realm: {cause}\n  check the spelling of the realm, which is usually upper case; the KDC must be in krb5.conf ([realms]) or in DNS (_kerberos._udp.REALM), and port 88 must be open"
    )]
    KdcUnreachable {
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The realm has no such service.
    #[error(
        "unknown service {spn} in the realm: {cause}\n  register it (Windows: setspn -S {spn} COMPUTER; MIT: kadmin addprinc -randkey {spn}), request another such as {}, or connect by the registered host name, not by IP address; if the host belongs to another realm, map it in krb5.conf ([domain_realm])",
        alternative(spn)
    )]
    UnknownServer {
        /// Requested service.
        spn: Spn,
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The answer did not come from the service that the ticket is for.
    #[error(
        "cannot verify the identity of {spn}: {cause}\n  the host name resolves to another machine, or that machine has the keytab of another service"
    )]
    ServiceUnproven {
        /// Requested service.
        spn: Spn,
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The realm has no such client.
    #[error("unknown principal {principal}: {cause}\n  check the spelling of the name and the realm")]
    UnknownClient {
        /// Principal to authenticate as.
        principal: String,
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The password, or the key in the client keytab, is wrong.
    #[error(
        "wrong password or key of {principal}: {cause}\n  enter the password again; if the key is from a keytab, it has changed since it was exported"
    )]
    WrongPassword {
        /// Principal to authenticate as.
        principal: String,
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The realm rejects the principal.
    #[error(
        "{principal} may not sign in to the realm: {cause}\n  the account is locked, disabled or expired, or its password must be changed with: kpasswd {principal}"
    )]
    NotAllowed {
        /// Principal to authenticate as.
        principal: String,
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The two ends and the KDC have no permitted encryption type in common.
    #[error(
        "no encryption type in common: {cause}\n  check permitted_enctypes in krb5.conf and the keys of the service (klist -ke)"
    )]
    Encryption {
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The client's token was made for another TLS connection, or for none although one is required (RFC 5929).
    #[error(
        "channel binding of the client is {0}\n  for clients without channel bindings, or behind a proxy that terminates TLS, relax Service/Auth/CbtHardeningLevel"
    )]
    ChannelBinding(Mismatch),
    /// The client's ticket is for a service of another protocol, which indicates a relay attack.
    #[error(
        "the client's ticket is for {service}, which is not a WinRM service\n  clients must request HTTP/HOST, WSMAN/HOST or host/HOST; if no client requested {service}, the sign-in was relayed by an attacker; if several services share a key, the keytab must contain HTTP/HOST"
    )]
    OtherService {
        /// Service in the ticket, or the one whose key decrypted it.
        service: String,
    },
    /// The client's ticket is for another host, and only names of this one are accepted.
    #[error(
        "the client's ticket is for {service}, but this machine is {own}\n  connect by that name; other names require channel bindings, or a relaxed Service/Auth/CbtHardeningLevel"
    )]
    OtherHost {
        /// Service in the ticket.
        service: String,
        /// Name of this machine.
        own: String,
    },
    /// The token was used before.
    #[error(
        "the token was used before: {cause}\n  it was replayed, or two clients used the same ticket at the same time; sign in again"
    )]
    Replayed {
        /// Message of MIT Kerberos.
        cause: String,
    },
    /// The token violates RFC 4121.
    #[error("malformed Kerberos token: {cause}")]
    Malformed {
        /// Cause.
        cause: String,
    },
    /// The peer offers less protection than required.
    #[error("the peer does not offer required protection: {0}")]
    Downgraded(&'static str),
    /// The authenticated principal has no account on this machine.
    #[error("no account for {principal}: {why}")]
    NoAccount {
        /// Authenticated principal.
        principal: Principal,
        /// Reason.
        why: Refusal,
    },
    /// The account store could not be read, or rejects the account.
    #[error("cannot use the account of {principal}: {cause}")]
    Accounts {
        /// Authenticated principal.
        principal: Principal,
        /// Verdict of the account store.
        cause: AuthError,
    },
    /// A token after completion, or after an error.
    #[error("authentication already completed or failed; start a new one")]
    Over,
    /// Any other error of the library.
    #[error("Kerberos failed in {function}: {cause}")]
    Other {
        /// Name of the failed function.
        function: &'static str,
        /// Message of MIT Kerberos.
        cause: String,
    },
}

impl KerberosError {
    /// Returns `true` for errors that an administrator can fix, so that they are logged prominently; any client can
    /// send malformed or replayed tokens.
    pub(crate) fn has_remedy(&self) -> bool {
        !matches!(self, Self::Malformed { .. } | Self::Replayed { .. } | Self::Downgraded(_) | Self::Over)
    }
}

/// Mismatch of a channel binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The token has no channel binding.
    Absent,
    /// The channel binding is that of another connection.
    Different,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "missing, but required by this service",
            Self::Different => "that of another TLS connection",
        })
    }
}

/// Converts to the error that all mechanisms share; this is the only conversion.
impl From<&KerberosError> for AuthError {
    fn from(error: &KerberosError) -> Self {
        use KerberosError as E;
        match error {
            E::ClockSkew { .. } => Self::ClockSkew,
            E::WrongPassword { .. } | E::UnknownClient { .. } => Self::WrongPassword,
            E::NotAllowed { .. } => Self::NotAllowed,
            E::ChannelBinding(_) => Self::ChannelBinding,
            E::OtherService { .. } | E::OtherHost { .. } => Self::OtherService,
            E::Malformed { .. } => Self::Malformed("not a valid Kerberos token"),
            E::Downgraded(what) => Self::Downgraded(what),
            E::Encryption { .. } => Self::Downgraded("an encryption type"),
            E::Replayed { .. } | E::TicketExpired { .. } | E::NoKey { .. } | E::ServiceUnproven { .. } => {
                Self::Unproven
            }
            // An unknown account is reported as for every other mechanism.
            E::NoAccount { why: Refusal::UnknownAccount, .. } => Self::WrongPassword,
            E::NoAccount { .. } => Self::NotAllowed,
            E::Accounts { cause, .. } => *cause,
            _ => Self::Unavailable,
        }
    }
}

fn shown(keytab: Option<&PathBuf>) -> String {
    keytab.map_or_else(
        || "of this machine (KRB5_KTNAME or /etc/krb5.keytab)".to_owned(),
        |path| path.display().to_string(),
    )
}

fn alternative(spn: &Spn) -> String {
    let service = if spn.service().eq_ignore_ascii_case("HTTP") { "WSMAN" } else { "HTTP" };
    format!("{service}/{}", spn.host())
}
