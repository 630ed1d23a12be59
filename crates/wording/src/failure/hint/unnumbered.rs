//! Explanations of failures without an error number of their own.

use super::super::Kind;
use super::{Hint, hint};

impl Hint {
    /// All explanations in this module.
    #[cfg(test)]
    pub(super) const UNNUMBERED: &[Self] = &[
        Self::NO_LOCAL_SERVICE,
        Self::QUICKCONFIG_UNSUPPORTED,
        Self::FOREIGN_SERVICE,
        Self::CONNECTION_REJECTED,
        Self::UNENCRYPTED,
        Self::NO_REASON,
        Self::NOT_WSMAN,
        Self::DISCONNECTED,
        Self::PROTOCOL_VIOLATION,
        Self::SCHEME_NOT_OFFERED,
        Self::NO_SCHEME_OFFERED,
        Self::CERTIFICATE_NOT_MAPPED,
        Self::NO_CREDENTIALS,
        Self::NOT_TLS,
        Self::CERTIFICATE_INVALID,
        Self::CERTIFICATE_UNTRUSTED,
        Self::CERTIFICATE_WRONG_NAME,
        Self::CERTIFICATE_EXPIRED,
        Self::CERTIFICATE_NOT_YET_VALID,
        Self::CERTIFICATE_WRONG_PURPOSE,
        Self::NOT_HTTP,
        Self::NO_TICKET,
        Self::TICKET_EXPIRED,
        Self::CLOCK_SKEW,
        Self::UNKNOWN_PRINCIPAL,
        Self::KDC_UNREACHABLE,
        Self::NO_KERBEROS,
        Self::SERVICE_UNVERIFIED,
        Self::NOT_DELEGATED,
        Self::LOGIN_REFUSED,
        Self::WRONG_PASSWORD,
        Self::UNKNOWN_USER,
        Self::ACCOUNT_RESTRICTED,
        Self::SIGN_IN_FAILED,
        Self::DIGEST_OFFERED,
        Self::PROXY_UNREACHABLE,
        Self::PROXY_AUTHENTICATION,
        Self::PROXY_FAILED,
    ];

    /// No service listens on the local socket.
    pub const NO_LOCAL_SERVICE: Self = hint(
        &[],
        Kind::Connect,
        "the Telarch service is not running on this machine",
        &[
            "start the machine's service as root: systemctl start telarchd.socket (without systemd: telarchd)",
            "if it is not set up yet: winrm quickconfig",
            "or start a service for this user only: telarchd",
            "or specify its socket: -socket:FILE",
            "or specify a remote machine: -remote:HOST",
        ],
    );
    /// Quickconfig was sent to a service without that operation.
    pub const QUICKCONFIG_UNSUPPORTED: Self = hint(
        &[],
        Kind::Fault,
        "the service is running, but this version cannot configure the rest automatically",
        &[
            "create a listener: winrm create winrm/config/listener?Address=*+Transport=HTTPS '@{}'",
            "for remote access, open its port in the firewall: 5986, or 5985 for HTTP",
        ],
    );
    /// The local socket belongs to another user's process.
    pub const FOREIGN_SERVICE: Self = hint(
        &[],
        Kind::Connect,
        "the service belongs to another user; no credentials were sent",
        &[
            "connect as that user, or over the network: -remote:localhost",
            "to use the machine's service, start it as root: systemctl start telarchd.socket",
        ],
    );
    /// The local service closed the connection without a response.
    pub const CONNECTION_REJECTED: Self = hint(
        &[],
        Kind::Connect,
        "the local service closed the connection without a response",
        &[
            "a user's own service accepts only that user; the machine's service accepts only known users",
            "see its log: journalctl -u telarchd",
        ],
    );
    /// HTTP 500 without a fault, in response to an unencrypted message over HTTP.
    pub const UNENCRYPTED: Self = hint(
        &[],
        Kind::Fault,
        "the service gave no reason (HTTP 500 without a fault)",
        &[
            "the service probably rejects unencrypted messages: use https://",
            "or, on a network that no other machine can intercept, allow them on {host}:",
            "    winrm set winrm/config/service -set:AllowUnencrypted=true",
            "if they are already allowed, see the log of the service",
        ],
    );
    /// HTTP 500 without a fault, for any other reason.
    pub const NO_REASON: Self = hint(
        &[],
        Kind::Fault,
        "the service gave no reason (HTTP 500 without a fault)",
        &[
            "check that it is a WS-Management service: winrm identify -r:{host} -auth:none",
            "see its log: the WinRM event log on Windows, journalctl -u telarchd on Linux",
        ],
    );
    /// Any other HTTP status without a fault.
    pub const NOT_WSMAN: Self = hint(
        &[],
        Kind::Fault,
        "the server does not speak WS-Management",
        &["check port and prefix; the defaults are 5985 or 5986 and wsman", "a proxy may be in between"],
    );
    /// The connection was closed during an operation.
    pub const DISCONNECTED: Self = hint(
        &[],
        Kind::Connect,
        "the connection was closed",
        &["if the service closes it at once, the port may need HTTPS instead of HTTP, or vice versa"],
    );
    /// A response that violates HTTP or WS-Management.
    pub const PROTOCOL_VIOLATION: Self = hint(
        &[],
        Kind::Fault,
        "the response violates the protocol",
        &["check whether a proxy or a login page modifies the traffic"],
    );
    /// The service does not offer the authentication scheme that was tried.
    pub const SCHEME_NOT_OFFERED: Self = hint(
        &[],
        Kind::Authentication,
        "the service does not offer the requested authentication scheme",
        &[
            "Basic is offered over HTTPS, and over HTTP only if the service allows unencrypted messages",
            "enable it on {host}: winrm set winrm/config/service/auth -set:SCHEME=true",
        ],
    );
    /// The service requires authentication, but offers no scheme at all.
    pub const NO_SCHEME_OFFERED: Self = hint(
        &[],
        Kind::Authentication,
        "the service offers no authentication scheme",
        &[
            "on {host}, run winrm quickconfig: it lists what each scheme lacks, and makes one usable",
            "or create an account for NTLM: on {host}, telarch account add NAME --ntlm",
        ],
    );
    /// The client certificate was rejected by the service.
    pub const CERTIFICATE_NOT_MAPPED: Self = hint(
        &[],
        Kind::Authentication,
        "the service rejected the client certificate",
        &[
            "enable certificates on {host}: winrm set winrm/config/service/auth -set:Certificate=true",
            "map the certificate to an account and update the mapping when the account's password changes:",
            "winrm enumerate winrm/config/service/certmapping; the service's log names the reason",
        ],
    );
    /// The service requires authentication and the client has no credentials.
    pub const NO_CREDENTIALS: Self = hint(
        &[],
        Kind::Authentication,
        "the service requires authentication",
        &["add -username:NAME; the password is prompted for"],
    );
    /// The server does not respond with TLS.
    pub const NOT_TLS: Self = hint(
        &[],
        Kind::Connect,
        "cannot establish a TLS connection",
        &["the port may be for HTTP; the default port for HTTPS is 5986"],
    );
    /// A certificate that no option makes acceptable.
    pub const CERTIFICATE_INVALID: Self = hint(
        &[],
        Kind::Connect,
        "the service's certificate is invalid",
        &["replace it on {host}; winrm enumerate winrm/config/listener shows its thumbprint there"],
    );
    /// The certificate's issuer is not trusted.
    pub(crate) const CERTIFICATE_UNTRUSTED: Self = hint(
        &[],
        Kind::Connect,
        "certificate is not signed by a trusted authority",
        &[
            "trust its issuer, or the self-signed certificate itself: -ca:FILE in PEM format",
            "or install a certificate of a trusted authority on {host}, in the directory certificates",
            "for tests only: -skipCAcheck",
        ],
    );
    /// The certificate is for a different host name.
    pub(crate) const CERTIFICATE_WRONG_NAME: Self = hint(
        &[],
        Kind::Connect,
        "the certificate is for a different name",
        &[
            "use a host name that the certificate contains",
            "or install a certificate on {host} with this name in its subjectAltName",
            "for tests only: -skipCNcheck",
        ],
    );
    /// The certificate has expired.
    pub(crate) const CERTIFICATE_EXPIRED: Self = hint(
        &[],
        Kind::Connect,
        "the service's certificate has expired",
        &[
            "renew it on {host} and select it: winrm set winrm/config/listener?Address=*+Transport=HTTPS",
            "    -set:CertificateThumbprint=THUMBPRINT; winrm enumerate winrm/config/listener lists listeners",
        ],
    );
    /// The certificate's validity period has not started.
    pub(crate) const CERTIFICATE_NOT_YET_VALID: Self = hint(
        &[],
        Kind::Connect,
        "the service's certificate is not yet valid",
        &["compare the clocks of both machines: timedatectl shows whether the clock is synchronized"],
    );
    /// The certificate does not allow server authentication.
    pub(crate) const CERTIFICATE_WRONG_PURPOSE: Self = hint(
        &[],
        Kind::Connect,
        "the service's certificate is not valid for server authentication",
        &["on {host}, use a certificate with the extended key usage serverAuth"],
    );
    /// The server does not respond with HTTP.
    pub const NOT_HTTP: Self = hint(
        &[],
        Kind::Connect,
        "the server does not speak HTTP",
        &["if the port uses HTTPS, write https:// or add -usessl"],
    );
    /// No Kerberos ticket and no password.
    pub const NO_TICKET: Self = hint(
        &[],
        Kind::Authentication,
        "no Kerberos ticket",
        &["run kinit, or specify a user: -username:USER@REALM; the password is prompted for"],
    );
    /// The Kerberos ticket has expired.
    pub const TICKET_EXPIRED: Self = hint(
        &[],
        Kind::Authentication,
        "the Kerberos ticket has expired",
        &["run kinit; klist shows the tickets and when they expire"],
    );
    /// The clock skew exceeds the five minutes that Kerberos allows by default (RFC 4120 8.2).
    pub const CLOCK_SKEW: Self = hint(
        &[],
        Kind::Authentication,
        "the clocks of this machine and of the KDC differ too much",
        &["timedatectl shows whether the clock of this machine is synchronized"],
    );
    /// The KDC does not know the service principal name.
    pub const UNKNOWN_PRINCIPAL: Self = hint(
        &[],
        Kind::Authentication,
        "the KDC does not know the service principal name",
        &["use another one: -spn:WSMAN, -spn:HOST or -spn:HTTP/NAME; with the port: -SPNPort"],
    );
    /// No KDC of the realm responds.
    pub const KDC_UNREACHABLE: Self = hint(
        &[],
        Kind::Authentication,
        "no KDC of the Kerberos realm responds",
        &["check the realm of the user name: -username:USER@REALM"],
    );
    /// The Kerberos library or its configuration is missing.
    pub const NO_KERBEROS: Self = hint(
        &[],
        Kind::Authentication,
        "Kerberos is not available on this machine",
        &["without Kerberos, use NTLM with -usessl or with the host in TrustedHosts"],
    );
    /// Mutual authentication failed.
    pub const SERVICE_UNVERIFIED: Self = hint(
        &[],
        Kind::Authentication,
        "the server did not prove its identity",
        &["only the authentication request was sent; check the address and -spn"],
    );
    /// `-allowdelegate` with a ticket that is not forwardable.
    pub const NOT_DELEGATED: Self = hint(
        &[],
        Kind::Authentication,
        "cannot delegate a ticket to the service",
        &["without -allowdelegate the command runs, but cannot access a third machine"],
    );
    /// The service rejected the credentials inside CredSSP.
    pub const LOGIN_REFUSED: Self = hint(
        &[],
        Kind::Authentication,
        "login refused",
        &["the user name or the password is wrong, or the account may not log on over the network"],
    );
    /// The KDC rejected the password.
    pub const WRONG_PASSWORD: Self = hint(
        &[],
        Kind::Authentication,
        "login refused: the realm rejected the password",
        &["a local account of the host is HOST\\USER or .\\USER and uses NTLM, not Kerberos"],
    );
    /// The KDC does not know the user.
    pub const UNKNOWN_USER: Self = hint(
        &[],
        Kind::Authentication,
        "login refused: the realm does not know the user",
        &["a local account of the host is HOST\\USER or .\\USER and uses NTLM, not Kerberos"],
    );
    /// The account is locked, disabled or expired in the realm.
    pub const ACCOUNT_RESTRICTED: Self = hint(
        &[],
        Kind::Authentication,
        "login refused: the account is locked, disabled or expired",
        &["ask an administrator of the realm"],
    );
    /// Any other authentication failure on the client.
    pub const SIGN_IN_FAILED: Self = hint(
        &[],
        Kind::Authentication,
        "authentication failed on this client",
        &["show the schemes the service offers: winrm identify -r:{host} -auth:none; see winrm help auth"],
    );
    /// The proxy does not accept connections.
    pub(crate) const PROXY_UNREACHABLE: Self = hint(
        &[],
        Kind::Connect,
        "cannot connect to the proxy",
        &[
            "https_proxy and http_proxy set its address; no_proxy lists hosts to connect to directly",
            "to connect directly, omit -proxyaccess or use -proxyaccess:no_proxy",
        ],
    );
    /// The proxy requires authentication (HTTP 407, RFC 9110 15.5.8).
    pub(crate) const PROXY_AUTHENTICATION: Self = hint(
        &[],
        Kind::Authentication,
        "the proxy requires authentication or rejected the credentials",
        &["add -proxyauth:basic, digest or negotiate with -proxyusername:NAME -proxypassword:PASSWORD"],
    );
    /// Any other refusal by a proxy.
    pub(crate) const PROXY_FAILED: Self = hint(
        &[],
        Kind::Connect,
        "the proxy refused to connect to the service",
        &[
            "many proxies allow tunnels to port 443 only: its rules must allow 5986, and 5985 for HTTP",
            "it must be able to resolve the name of {host}; see the log of the proxy",
        ],
    );
    /// The server offers Digest, which neither telarchd nor Windows does.
    pub const DIGEST_OFFERED: Self = hint(
        &[],
        Kind::Authentication,
        "the service does not offer the requested authentication scheme",
        &["a web server or proxy that uses Digest is in front of it: try -authentication:digest"],
    );
}
