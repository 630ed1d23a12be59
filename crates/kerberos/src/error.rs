//! Why Kerberos does not let somebody in, or cannot be asked.

use std::path::PathBuf;

use auth::AuthError;

use crate::{Principal, Refusal, Spn};

/// What went wrong, for the log and the person at the keyboard; a peer learns of [`AuthError`] at most.
///
/// `cause` is in the words of MIT Kerberos.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KerberosError {
    /// There is no MIT Kerberos, or it cannot be loaded.
    #[error(
        "Kerberos cannot be used: {cause}\n  install MIT Kerberos (Debian: apt-get install libgssapi-krb5-2; Fedora: dnf install krb5-libs)"
    )]
    Missing {
        /// What the dynamic linker says.
        cause: String,
    },
    /// Something else has the name of the library, or it is too old.
    #[error(
        "Kerberos cannot be used: {library} has no {symbol}\n  it is not MIT Kerberos, or one older than 1.11"
    )]
    Symbol {
        /// Which library.
        library: &'static str,
        /// What is missing.
        symbol: &'static str,
    },
    /// The machine is not set up for Kerberos.
    #[error(
        "the Kerberos configuration cannot be used: {cause}\n  look at default_realm in /etc/krb5.conf, or in the file that KRB5_CONFIG names"
    )]
    Configuration {
        /// What is wrong with it.
        cause: String,
    },
    /// A text that is no principal.
    #[error("{0:?} is not a principal such as alice@EXAMPLE.COM")]
    NotAPrincipal(String),
    /// A text that names no service.
    #[error("{0:?} is not a service principal name such as HTTP/host.example.com")]
    NotAnSpn(String),
    /// A path or the name of a cache with a NUL character.
    #[error("{0:?} cannot be the name of a keytab or of a cache of tickets")]
    NotAName(String),

    /// The service has no keys.
    #[error("the keytab {} cannot be used: {cause}\n  the service must be able to read it, and it needs the keys of HTTP/HOST, WSMAN/HOST and host/HOST (MIT: kadmin ktadd; Active Directory: net ads keytab add, or ktpass)", shown(keytab.as_ref()))]
    Keytab {
        /// Which; none for that of the environment.
        keytab: Option<PathBuf>,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no key to sign in with.
    #[error("{principal} cannot sign in with the keytab {}: {cause}\n  klist -k shows what is in a keytab", keytab.display())]
    ClientKeytab {
        /// Which.
        keytab: PathBuf,
        /// Who was to sign in.
        principal: Principal,
        /// What is wrong with it.
        cause: String,
    },
    /// The client has a ticket for a service whose key is not in the keytab, or no longer.
    #[error("the keytab {} has no key for the ticket of the client: {cause}\n  add the principal that the client asked for to the keytab; if it is there, its key has changed since: write the keytab anew", shown(keytab.as_ref()))]
    NoKey {
        /// Which; none for that of the environment.
        keytab: Option<PathBuf>,
        /// Which principal and key version.
        cause: String,
    },
    /// The clocks differ by more than `clockskew` of `krb5.conf`.
    #[error(
        "the clocks of this machine and of the other end are too far apart: {cause}\n  set both by NTP: Kerberos allows five minutes"
    )]
    ClockSkew {
        /// As the library says it.
        cause: String,
    },
    /// The ticket was good once.
    #[error("the Kerberos ticket has expired: {cause}\n  the client gets a new one with: kinit")]
    TicketExpired {
        /// As the library says it.
        cause: String,
    },
    /// There is nothing to sign in with.
    #[error(
        "there is no Kerberos ticket: {cause}\n  get one with: kinit USER@REALM (klist shows what there is), or give a user name and a password"
    )]
    NoTicket {
        /// As the library says it.
        cause: String,
    },
    /// Nobody answers for the realm.
    #[error(
        "no KDC of the realm can be reached: {cause}\n  the realm must be spelled as its owner does, mostly in capitals; its KDC must be in krb5.conf ([realms]) or in DNS (_kerberos._udp.REALM), and port 88 be open"
    )]
    KdcUnreachable {
        /// As the library says it.
        cause: String,
    },
    /// The realm knows no such service.
    #[error(
        "the realm does not know the service {spn}: {cause}\n  register it (Windows: setspn -S {spn} COMPUTER; MIT: kadmin addprinc -randkey {spn}), ask for another such as {}, or connect by the name that is registered: an IP address never is; where the host is of another realm, krb5.conf must say so ([domain_realm])",
        alternative(spn)
    )]
    UnknownServer {
        /// What was asked for.
        spn: Spn,
        /// As the library says it.
        cause: String,
    },
    /// The answer is not of the service that the ticket is for.
    #[error(
        "what answers is not {spn}: {cause}\n  the connection leads to another machine than the name, or its keytab belongs to somebody else"
    )]
    ServiceUnproven {
        /// What was asked for.
        spn: Spn,
        /// As the library says it.
        cause: String,
    },
    /// The realm knows no such user.
    #[error(
        "the realm does not know {principal}: {cause}\n  look at the spelling of the name and of the realm"
    )]
    UnknownClient {
        /// Who was to sign in.
        principal: String,
        /// As the library says it.
        cause: String,
    },
    /// The password, or the key in the keytab of the client, is not that of the principal.
    #[error(
        "the password or key of {principal} is wrong: {cause}\n  type it again; if it comes from a keytab, its key has changed since"
    )]
    WrongPassword {
        /// Who was to sign in.
        principal: String,
        /// As the library says it.
        cause: String,
    },
    /// The realm knows the principal and does not let it in.
    #[error(
        "the realm does not let {principal} sign in: {cause}\n  the account is locked, disabled or expired, or its password must be changed: kpasswd {principal}"
    )]
    NotAllowed {
        /// Who was to sign in.
        principal: String,
        /// As the library says it.
        cause: String,
    },
    /// The two ends, or one of them and the KDC, do not allow the same ways of encryption.
    #[error(
        "no encryption type is allowed by both ends: {cause}\n  look at permitted_enctypes in krb5.conf, and at the keys of the service (klist -ke)"
    )]
    Encryption {
        /// As the library says it.
        cause: String,
    },
    /// The client's token was made for another TLS connection, or for none where one is demanded (RFC 5929).
    #[error(
        "the channel binding of the client is {0}\n  a proxy that ends TLS, or a client without channel bindings, needs Service/Auth/CbtHardeningLevel to be less strict"
    )]
    ChannelBinding(Mismatch),
    /// The client's ticket is for a service of another protocol, so its sign-in was relayed here.
    #[error(
        "the client's ticket is for {service}, which is no service of WinRM\n  clients must ask for HTTP/HOST, WSMAN/HOST or host/HOST; if no client asked for {service} here, its sign-in was relayed. Where several services share one key, the keytab must contain HTTP/HOST itself"
    )]
    OtherService {
        /// The service in the ticket, or the one whose key has opened it.
        service: String,
    },
    /// The client's ticket is for another host, where only names of this one are accepted.
    #[error(
        "the client's ticket is for {service}, and this machine is {own}\n  connect by that name; other names need channel bindings, or Service/Auth/CbtHardeningLevel to be less strict"
    )]
    OtherHost {
        /// The service in the ticket.
        service: String,
        /// The name of this machine.
        own: String,
    },
    /// The ticket was shown before.
    #[error(
        "the token was used before: {cause}\n  somebody repeats what was heard, or two clients have the same clock and ticket: sign in again"
    )]
    Replayed {
        /// As the library says it.
        cause: String,
    },
    /// A token that does not follow RFC 4121.
    #[error("the Kerberos token is malformed: {cause}")]
    Malformed {
        /// What is wrong with it.
        cause: String,
    },
    /// Less protection than is demanded.
    #[error("the other end does not offer what is demanded here: {0}")]
    Downgraded(&'static str),
    /// The client is who it says, but nobody here.
    #[error("{principal} has no account here: {why}")]
    NoAccount {
        /// Who it is.
        principal: Principal,
        /// Why.
        why: Refusal,
    },
    /// The list of accounts could not be asked, or does not let the account in.
    #[error("the account of {principal} cannot be used: {cause}")]
    Accounts {
        /// Whose.
        principal: Principal,
        /// The verdict of the list.
        cause: AuthError,
    },
    /// A token after the last one, or after an error.
    #[error("this authentication is over: begin again")]
    Over,
    /// Whatever else the library has to say.
    #[error("Kerberos failed in {function}: {cause}")]
    Other {
        /// Which function failed.
        function: &'static str,
        /// As the library says it.
        cause: String,
    },
}

impl KerberosError {
    /// Whether somebody who keeps this machine, its realm or its clients can do something about it, so that the log
    /// should tell it to them; anybody can send what is malformed or repeated.
    pub(crate) fn has_remedy(&self) -> bool {
        !matches!(self, Self::Malformed { .. } | Self::Replayed { .. } | Self::Downgraded(_) | Self::Over)
    }
}

/// In which way a channel binding is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// There is none.
    Absent,
    /// It is that of another connection.
    Different,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "absent, and this service demands one",
            Self::Different => "not that of this TLS connection",
        })
    }
}

/// The only place where an error becomes what other mechanisms share.
impl From<&KerberosError> for AuthError {
    fn from(error: &KerberosError) -> Self {
        use KerberosError as E;
        match error {
            E::ClockSkew { .. } => Self::ClockSkew,
            E::WrongPassword { .. } | E::UnknownClient { .. } => Self::WrongPassword,
            E::NotAllowed { .. } => Self::NotAllowed,
            E::ChannelBinding(_) => Self::ChannelBinding,
            E::OtherService { .. } | E::OtherHost { .. } => Self::OtherService,
            E::Malformed { .. } => Self::Malformed("not a token of Kerberos"),
            E::Downgraded(what) => Self::Downgraded(what),
            E::Encryption { .. } => Self::Downgraded("an encryption type"),
            E::Replayed { .. } | E::TicketExpired { .. } | E::NoKey { .. } | E::ServiceUnproven { .. } => {
                Self::Unproven
            }
            // That there is no such account is told as for every other mechanism.
            E::NoAccount { why: Refusal::UnknownAccount, .. } => Self::WrongPassword,
            E::NoAccount { .. } => Self::NotAllowed,
            E::Accounts { cause, .. } => *cause,
            _ => Self::Unavailable,
        }
    }
}

fn shown(keytab: Option<&PathBuf>) -> String {
    keytab.map_or_else(
        || "of this machine (KRB5_KTNAME, or /etc/krb5.keytab)".to_owned(),
        |path| path.display().to_string(),
    )
}

fn alternative(spn: &Spn) -> String {
    let service = if spn.service().eq_ignore_ascii_case("HTTP") { "WSMAN" } else { "HTTP" };
    format!("{service}/{}", spn.host())
}
