//! What is known about failures that share their number with others, or that only this side has.

use super::super::Kind;
use super::{Hint, hint};

impl Hint {
    /// All of them.
    #[cfg(test)]
    pub(super) const BEYOND: &[Self] = &[
        Self::NOT_STARTED,
        Self::NOT_CONFIGURED_BY_ITSELF,
        Self::FOREIGN,
        Self::NOT_LET_IN,
        Self::UNSEALED,
        Self::UNEXPLAINED,
        Self::NO_MESSAGE,
        Self::BROKEN,
        Self::UNREADABLE,
        Self::NOT_OFFERED,
        Self::NOT_MAPPED,
        Self::NO_CREDENTIALS,
        Self::NOT_TLS,
        Self::CERTIFICATE,
        Self::UNTRUSTED,
        Self::OTHER_NAME,
        Self::EXPIRED,
        Self::NOT_YET_VALID,
        Self::WRONG_PURPOSE,
        Self::NOT_HTTP,
        Self::NO_TICKET,
        Self::TICKET_EXPIRED,
        Self::CLOCK_SKEW,
        Self::UNKNOWN_SERVICE,
        Self::NO_KDC,
        Self::NO_KERBEROS,
        Self::UNPROVEN,
        Self::NOT_DELEGATED,
        Self::REFUSED,
        Self::WRONG_PASSWORD,
        Self::UNKNOWN_USER,
        Self::NOT_ALLOWED,
        Self::NOT_SIGNED_IN,
        Self::WEB_SERVER,
        Self::PROXY_UNREACHED,
        Self::PROXY_REFUSED,
        Self::PROXY_LEADS_NOWHERE,
    ];

    /// Nobody listens at a socket of this machine.
    pub const NOT_STARTED: Self = hint(
        &[],
        Kind::Connect,
        "no service of this machine listens",
        &[
            "start that of the machine, as root: systemctl start telarchd.socket, without systemd telarchd",
            "or one for this user alone: telarchd",
            "or say where the socket is: -socket:FILE",
            "or say which machine is meant: -remote:HOST",
        ],
    );
    /// Quickconfig on a service that does not know it.
    pub const NOT_CONFIGURED_BY_ITSELF: Self = hint(
        &[],
        Kind::Fault,
        "the service runs, and this version of it cannot set up the rest by itself",
        &[
            "a listener: winrm create winrm/config/listener?Address=*+Transport=HTTPS '@{}'",
            "for other machines, the firewall must let its port through: 5986, or 5985 for HTTP",
        ],
    );
    /// Somebody else listens there.
    pub const FOREIGN: Self = hint(
        &[],
        Kind::Connect,
        "the service belongs to another user, so nothing was sent to it",
        &[
            "ask it as its user, or as anyone over the network: -remote:localhost",
            "as root, the service of the machine is meant: systemctl start telarchd.socket",
        ],
    );
    /// The service of this machine closed the connection without a word.
    pub const NOT_LET_IN: Self = hint(
        &[],
        Kind::Connect,
        "the service of this machine closed the connection without an answer",
        &[
            "a user's own service lets in nobody else; every other one the users that the machine knows",
            "its log tells why: journalctl -u telarchd",
        ],
    );
    /// HTTP 500 without a fault, over plain HTTP.
    pub const UNSEALED: Self = hint(
        &[],
        Kind::Fault,
        "the service gave no reason (HTTP 500 without a fault)",
        &[
            "most likely it refuses messages that are not sealed, as these over plain HTTP: use https://",
            "or, where nobody else can listen, allow them on {host}:",
            "    winrm set winrm/config/service -set:AllowUnencrypted=true",
            "if they are allowed already, its log tells why",
        ],
    );
    /// HTTP 500 without a fault, where nothing was readable.
    pub const UNEXPLAINED: Self = hint(
        &[],
        Kind::Fault,
        "the service gave no reason (HTTP 500 without a fault)",
        &[
            "see whether it is a WS-Management service at all: winrm identify -r:{host} -auth:none",
            "its log tells why: the event log of WinRM on Windows, journalctl -u telarchd on Linux",
        ],
    );
    /// Any other status without a fault.
    pub const NO_MESSAGE: Self = hint(
        &[],
        Kind::Fault,
        "what answered does not speak WS-Management",
        &["check port and prefix: leave them away for 5985 or 5986 and wsman", "a proxy may be on the way"],
    );
    /// The connection broke.
    pub const BROKEN: Self = hint(
        &[],
        Kind::Connect,
        "the connection broke",
        &["a service that closes at once may want HTTPS, or HTTP instead of it"],
    );
    /// An answer that the protocol does not allow.
    pub const UNREADABLE: Self = hint(
        &[],
        Kind::Fault,
        "the answer is not what the protocol allows",
        &["see that nothing on the way changes it, such as a proxy or a login page"],
    );
    /// The service offers no scheme that was tried.
    pub const NOT_OFFERED: Self = hint(
        &[],
        Kind::Authentication,
        "the service does not offer the scheme that was tried",
        &[
            "Basic is offered over HTTPS, and over HTTP only where the service allows unencrypted messages",
            "on {host}: winrm set winrm/config/service/auth -set:SCHEME=true",
        ],
    );
    /// The certificate of the client lets nobody in.
    pub const NOT_MAPPED: Self = hint(
        &[],
        Kind::Authentication,
        "the service does not let the holder of this certificate in",
        &[
            "on {host}: winrm set winrm/config/service/auth -set:Certificate=true",
            "and a mapping to an account whose password is the same as when it was made:",
            "winrm enumerate winrm/config/service/certmapping; the log of the service says what is missing",
        ],
    );
    /// The service wants to know who asks, and nobody said it.
    pub const NO_CREDENTIALS: Self = hint(
        &[],
        Kind::Authentication,
        "the service asks who is there",
        &["add -username:NAME; the password is asked for"],
    );
    /// The other end does not answer in TLS.
    pub const NOT_TLS: Self = hint(
        &[],
        Kind::Connect,
        "the connection cannot be secured",
        &["the port may be one for HTTP: 5986 is that for HTTPS, unless its listener has another"],
    );
    /// A certificate that no switch makes acceptable.
    pub const CERTIFICATE: Self = hint(
        &[],
        Kind::Connect,
        "the certificate of the service cannot be accepted",
        &[
            "what is wrong with it must be mended on {host}; winrm enumerate winrm/config/listener names it there",
        ],
    );
    /// Nobody who is trusted has signed it.
    pub(crate) const UNTRUSTED: Self = hint(
        &[],
        Kind::Connect,
        "the certificate of the service was not accepted",
        &[
            "trust its issuer, or a self-signed certificate itself: -ca:FILE with it in PEM",
            "on {host}: a certificate of an authority that is known here, in the folder certificates",
            "for a test only: -skipCAcheck",
        ],
    );
    /// It is for another host.
    pub(crate) const OTHER_NAME: Self = hint(
        &[],
        Kind::Connect,
        "the certificate of the service was not accepted",
        &[
            "use a name that stands in the certificate",
            "on {host}: a certificate with the name that is used, among its subjectAltName",
            "for a test only: -skipCNcheck",
        ],
    );
    /// Its time is over.
    pub(crate) const EXPIRED: Self = hint(
        &[],
        Kind::Connect,
        "the certificate of the service has expired",
        &[
            "renew it on {host} and name the new one: winrm set winrm/config/listener?Address=*+Transport=HTTPS",
            "    -set:CertificateThumbprint=THUMBPRINT; winrm enumerate winrm/config/listener shows the listeners",
        ],
    );
    /// Its time has not come.
    pub(crate) const NOT_YET_VALID: Self = hint(
        &[],
        Kind::Connect,
        "the certificate of the service is not valid yet",
        &["compare the clocks of both machines: timedatectl shows whether one follows others"],
    );
    /// It was made for something else.
    pub(crate) const WRONG_PURPOSE: Self = hint(
        &[],
        Kind::Connect,
        "the certificate of the service is not made for servers",
        &["on {host}: a certificate with the purpose server authentication (extendedKeyUsage = serverAuth)"],
    );
    /// The other end does not answer in HTTP.
    pub const NOT_HTTP: Self = hint(
        &[],
        Kind::Connect,
        "what answered does not speak HTTP",
        &["the port may be one for HTTPS: write https://, or add -usessl"],
    );
    /// Nothing to sign in with.
    pub const NO_TICKET: Self = hint(
        &[],
        Kind::Authentication,
        "there is no Kerberos ticket to sign in with",
        &["or give a user: -username:USER@REALM; the password is asked for"],
    );
    /// It was good once.
    pub const TICKET_EXPIRED: Self = hint(
        &[],
        Kind::Authentication,
        "the Kerberos ticket has expired",
        &["klist shows what there is and how long it is good"],
    );
    /// Kerberos allows five minutes.
    pub const CLOCK_SKEW: Self = hint(
        &[],
        Kind::Authentication,
        "the clocks of this machine and of the realm are too far apart",
        &["on this machine: timedatectl shows whether its clock follows others"],
    );
    /// No ticket for what the service is called.
    pub const UNKNOWN_SERVICE: Self = hint(
        &[],
        Kind::Authentication,
        "the realm does not know the service",
        &["ask for it by another name: -spn:WSMAN, -spn:HOST or -spn:HTTP/NAME; with its port: -SPNPort"],
    );
    /// Nobody to ask for a ticket.
    pub const NO_KDC: Self = hint(
        &[],
        Kind::Authentication,
        "no server of the Kerberos realm answers",
        &["the name of the user may have another realm: -username:USER@REALM"],
    );
    /// The library or its settings are missing.
    pub const NO_KERBEROS: Self = hint(
        &[],
        Kind::Authentication,
        "Kerberos cannot be used on this machine",
        &["without Kerberos, NTLM takes -usessl, or a host in TrustedHosts"],
    );
    /// Mutual authentication failed.
    pub const UNPROVEN: Self = hint(
        &[],
        Kind::Authentication,
        "what answers has not proven that it is the service",
        &["nothing but the request to sign in was sent"],
    );
    /// `-allowdelegate` with a ticket that is not forwardable.
    pub const NOT_DELEGATED: Self = hint(
        &[],
        Kind::Authentication,
        "the service cannot be given a ticket to use elsewhere",
        &["without -allowdelegate the command runs, but reaches no third machine"],
    );
    /// A status of the service, inside CredSSP.
    pub const REFUSED: Self = hint(
        &[],
        Kind::Authentication,
        "login refused",
        &["user name or password are wrong, or the account may not log in over the network"],
    );
    /// A KDC says so.
    pub const WRONG_PASSWORD: Self = hint(
        &[],
        Kind::Authentication,
        "login refused: the realm does not take the password",
        &["a local account of the host is HOST\\USER or .\\USER, and NTLM: Kerberos knows none"],
    );
    /// A KDC says so, too.
    pub const UNKNOWN_USER: Self = hint(
        &[],
        Kind::Authentication,
        "login refused: the realm does not know the user",
        &["a local account of the host is HOST\\USER or .\\USER, and NTLM: Kerberos knows none"],
    );
    /// Locked, disabled or expired.
    pub const NOT_ALLOWED: Self = hint(
        &[],
        Kind::Authentication,
        "login refused: the account may not sign in",
        &["an administrator of the realm sees why"],
    );
    /// Anything else that ends a sign-in here.
    pub const NOT_SIGNED_IN: Self = hint(
        &[],
        Kind::Authentication,
        "signing in failed on this side",
        &[
            "see what the service offers: winrm identify -r:{host} -auth:none; winrm help auth tells the schemes",
        ],
    );
    /// Nobody listens where the proxy should be.
    pub(crate) const PROXY_UNREACHED: Self = hint(
        &[],
        Kind::Connect,
        "the proxy on the way cannot be reached",
        &[
            "https_proxy and http_proxy say where it is; no_proxy names hosts that are reached without it",
            "without a proxy: leave -proxyaccess away, or -proxyaccess:no_proxy",
        ],
    );
    /// 407.
    pub(crate) const PROXY_REFUSED: Self = hint(
        &[],
        Kind::Authentication,
        "the proxy on the way wants to know who asks, or does not know them",
        &["say it: -proxyauth:basic, digest or negotiate, with -proxyusername:NAME -proxypassword:PASSWORD"],
    );
    /// Any other refusal of a proxy.
    pub(crate) const PROXY_LEADS_NOWHERE: Self = hint(
        &[],
        Kind::Connect,
        "the proxy on the way does not lead to the service",
        &[
            "many proxies make tunnels to port 443 only: its rules must allow 5986, and 5985 for HTTP",
            "it must know the name of {host} as well; the log of the proxy tells why",
        ],
    );
    /// The service offers Digest, which telarchd and Windows never do.
    pub const WEB_SERVER: Self = hint(
        &[],
        Kind::Authentication,
        "the service does not offer the scheme that was tried",
        &["with Digest, a web server or proxy stands before it: -authentication:digest"],
    );
}
