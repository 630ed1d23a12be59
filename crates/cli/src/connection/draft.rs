//! Parsed connection switches, and their validation.

use std::path::PathBuf;
use std::time::Duration;

use super::{
    ClientCertificate, Connection, Encoding, ImplicitScheme, Login, PasswordScheme, Proxy, ProxyAccess,
    ProxyCredentials, ProxyLogin, ProxyScheme, ServiceName, SpnPort, Target, Thumbprint, Trust, Unencrypted,
    Verification,
};
use crate::endpoint::{Address, Transport};
use crate::error::Error;
use crate::secret::{PasswordSource, Secret};
use crate::switch::Keyword;

/// Connection switches as typed, not yet validated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) remote: Option<Address>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) ssl: bool,
    pub(crate) port: Option<u16>,
    pub(crate) unencrypted: bool,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<PasswordSource>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) thumbprint: Option<Thumbprint>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) default_credentials: bool,
    pub(crate) spn_port: bool,
    pub(crate) spn: Option<ServiceName>,
    pub(crate) skip_issuer: bool,
    pub(crate) skip_name: bool,
    pub(crate) skip_revocation: bool,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) trace: Option<PathBuf>,
    pub(crate) proxy_access: Option<ProxyAccess>,
    pub(crate) proxy_scheme: Option<ProxyScheme>,
    pub(crate) proxy_user: Option<String>,
    pub(crate) proxy_password: Option<Secret>,
}

/// Value of `-authentication`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    None,
    Certificate,
    Password(PasswordScheme),
}

impl Keyword for Scheme {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("basic", Self::Password(PasswordScheme::Basic)),
        ("digest", Self::Password(PasswordScheme::Digest)),
        ("negotiate", Self::Password(PasswordScheme::Negotiate)),
        ("kerberos", Self::Password(PasswordScheme::Kerberos)),
        ("certificate", Self::Certificate),
        ("credssp", Self::Password(PasswordScheme::CredSsp)),
    ];
}

impl Draft {
    /// Validates the switches and converts them to connection options.
    pub(crate) fn connection(mut self) -> Result<Connection, Error> {
        self.check_remote_switches()?;
        let transport = self.transport()?;
        refuse(
            transport == Transport::Http && (self.skip_issuer || self.skip_name || self.skip_revocation),
            "-skipCAcheck, -skipCNcheck and -skipRevocationcheck require HTTPS",
            "add -usessl, or write -remote:https://HOST",
        )?;
        refuse(
            transport == Transport::Http && self.ca.is_some(),
            "-ca requires HTTPS",
            "add -usessl, or write -remote:https://HOST",
        )?;
        let proxy = self.proxy()?;
        let login = self.login(transport)?;
        let service_name = self.spn.take().unwrap_or_default();
        let target = match (self.remote, self.socket) {
            (Some(address), _) => Target::Remote(address.complete(transport, self.port)),
            (None, Some(socket)) => Target::Local(vec![socket]),
            (None, None) => Target::local(),
        };
        Ok(Connection {
            target,
            login,
            service_name,
            trust: Trust {
                issuer: verification(self.skip_issuer),
                name: verification(self.skip_name),
                ca: self.ca,
            },
            unencrypted: if self.unencrypted { Unencrypted::Allowed } else { Unencrypted::Refused },
            encoding: self.encoding.unwrap_or(Encoding::Utf8),
            timeout: self.timeout,
            proxy,
            trace: self.trace,
        })
    }

    /// Returns whether the target is the local service.
    pub(crate) fn is_local(&self) -> bool {
        self.remote.is_none()
    }

    /// Returns warnings about switches without effect, one line each.
    pub(crate) fn notices(&self) -> Vec<String> {
        if self.skip_revocation {
            vec!["-skipRevocationcheck has no effect: certificate revocation is never checked".to_owned()]
        } else {
            Vec::new()
        }
    }

    /// Rejects `-remote` with `-socket`, and switches that have no meaning for the local service.
    fn check_remote_switches(&self) -> Result<(), Error> {
        if !self.is_local() {
            return refuse(self.socket.is_some(), "-socket cannot be used with -remote", "omit one of them");
        }
        let skips = self.skip_issuer || self.skip_name || self.skip_revocation;
        let proxy = self.proxy_access.is_some() || self.proxy_scheme.is_some();
        let proxy_login = self.proxy_user.is_some() || self.proxy_password.is_some();
        for (given, problem) in [
            (self.unencrypted, "-unencrypted requires -remote"),
            (self.ssl, "-usessl requires -remote"),
            (self.port.is_some(), "-port requires -remote"),
            (self.encoding.is_some(), "-encoding requires -remote"),
            (skips, "-skipCAcheck, -skipCNcheck and -skipRevocationcheck require -remote"),
            (self.ca.is_some(), "-ca requires -remote"),
            (proxy || proxy_login, "the proxy switches require -remote"),
        ] {
            refuse(given, problem, "add -remote:HOST")?;
        }
        let password = self.password.is_some() || self.password_file.is_some();
        let files = self.certificate_file.is_some() || self.key_file.is_some();
        for (given, problem) in [
            (self.user.is_some() || password, "-username and -password require -remote"),
            (self.thumbprint.is_some() || files, "-certificate and -certfile require -remote"),
            (self.default_credentials, "-defaultCreds requires -remote"),
            (self.spn_port, "-SPNPort requires -remote"),
            (self.spn.is_some(), "-spn requires -remote"),
            (self.scheme.is_some_and(|scheme| scheme != Scheme::None), "-authentication requires -remote"),
        ] {
            refuse(given, problem, NO_LOCAL_LOGIN)?;
        }
        Ok(())
    }

    /// Returns the transport, from the endpoint or from `-usessl`.
    pub(crate) fn transport(&self) -> Result<Transport, Error> {
        let explicit = self.remote.as_ref().and_then(Address::transport);
        refuse(
            self.ssl && explicit.is_some(),
            "-usessl cannot be used with an endpoint that includes a transport",
            "omit -usessl, or write the endpoint without http:// or https://",
        )?;
        refuse(
            self.port.is_some() && self.remote.as_ref().is_some_and(|address| address.port().is_some()),
            "-port cannot be used with an endpoint that includes a port",
            "omit one of them",
        )?;
        Ok(explicit.unwrap_or(if self.ssl { Transport::Https } else { Transport::Http }))
    }

    fn login(&mut self, transport: Transport) -> Result<Login, Error> {
        let password = self.password_source()?;
        let certificate = self.certificate()?;
        refuse(
            password.is_some() && self.user.is_none(),
            "a password requires -username",
            "add -username:NAME",
        )?;
        refuse(
            self.spn_port
                && !matches!(
                    self.scheme,
                    None | Some(Scheme::Password(PasswordScheme::Negotiate | PasswordScheme::Kerberos))
                ),
            "-SPNPort requires negotiate or kerberos authentication",
            "omit -SPNPort, or use -authentication:kerberos",
        )?;
        refuse(
            self.spn.is_some()
                && matches!(
                    self.scheme,
                    Some(
                        Scheme::None
                            | Scheme::Certificate
                            | Scheme::Password(PasswordScheme::Basic | PasswordScheme::Digest)
                    )
                ),
            "-spn requires negotiate, kerberos or credssp authentication",
            "omit -spn, or use -authentication:kerberos",
        )?;
        refuse(
            self.spn_port && matches!(self.spn, Some(ServiceName::Explicit(_))),
            "-SPNPort cannot be used with a full name in -spn",
            "include the port in the name: -spn:HTTP/HOST:PORT",
        )?;
        refuse(
            self.default_credentials
                && (self.scheme != Some(Scheme::Password(PasswordScheme::Negotiate))
                    || transport == Transport::Http),
            "-defaultCreds requires -authentication:negotiate over HTTPS",
            "add -authentication:negotiate and -usessl",
        )?;
        refuse(
            self.default_credentials && self.user.is_some(),
            "-defaultCreds cannot be used with -username",
            "omit one of them",
        )?;
        let spn = if self.spn_port { SpnPort::Appended } else { SpnPort::Left };
        match (self.scheme, certificate, self.user.take()) {
            (_, Some(_), Some(_)) => wrong(
                "-username cannot be used with a client certificate",
                "omit -username to log in with the certificate, or omit the certificate to use a password",
            ),
            (None | Some(Scheme::Certificate), Some(certificate), None) => {
                refuse(
                    transport == Transport::Http,
                    "client certificates require HTTPS",
                    "add -usessl, or write -remote:https://HOST",
                )?;
                Ok(Login::Certificate(certificate))
            }
            (Some(_), Some(_), None) => wrong(
                "a client certificate requires -authentication:certificate",
                "omit -authentication; it is implied by the certificate",
            ),
            (Some(Scheme::Certificate), None, None) => wrong(
                "-authentication:certificate requires a client certificate",
                "add -certificate:THUMBPRINT, or -certfile:FILE and -keyfile:FILE",
            ),
            (Some(Scheme::Certificate | Scheme::None), None, Some(_)) => wrong(
                "-username cannot be used with -authentication:none or certificate",
                "omit -username, or use -authentication:negotiate",
            ),
            (Some(Scheme::None), None, None) => Ok(Login::Anonymous),
            (scheme, None, Some(user)) => {
                let scheme = match scheme {
                    Some(Scheme::Password(scheme)) => Some(scheme),
                    _ => None,
                };
                Ok(Login::Password { scheme, user, password: password.unwrap_or(PasswordSource::Ask), spn })
            }
            (Some(Scheme::Password(scheme)), None, None) => {
                Ok(Login::Implicit { scheme: self.implicit(scheme)?, spn })
            }
            (None, None, None) => Ok(Login::Implicit { scheme: ImplicitScheme::Default, spn }),
        }
    }

    fn implicit(&self, scheme: PasswordScheme) -> Result<ImplicitScheme, Error> {
        match scheme {
            PasswordScheme::Negotiate if self.default_credentials => {
                Ok(ImplicitScheme::NegotiateDefaultCredentials)
            }
            PasswordScheme::Negotiate => Ok(ImplicitScheme::Negotiate),
            PasswordScheme::Kerberos => Ok(ImplicitScheme::Kerberos),
            PasswordScheme::Basic | PasswordScheme::Digest | PasswordScheme::CredSsp => wrong(
                "-authentication:basic, digest and credssp require -username",
                "add -username:NAME (prompts for the password)",
            ),
        }
    }

    fn password_source(&mut self) -> Result<Option<PasswordSource>, Error> {
        match (self.password.take(), self.password_file.take()) {
            (Some(_), Some(_)) => wrong("-password cannot be used with -passwordfile", "omit one of them"),
            (Some(source), None) => Ok(Some(source)),
            (None, Some(file)) => Ok(Some(PasswordSource::File(file))),
            (None, None) => Ok(None),
        }
    }

    fn certificate(&mut self) -> Result<Option<ClientCertificate>, Error> {
        match (self.thumbprint.take(), self.certificate_file.take(), self.key_file.take()) {
            (None, None, None) => Ok(None),
            (Some(thumbprint), None, None) => Ok(Some(ClientCertificate::Thumbprint(thumbprint))),
            (None, Some(certificate), Some(key)) => Ok(Some(ClientCertificate::Files { certificate, key })),
            (None, Some(both), None) => {
                Ok(Some(ClientCertificate::Files { certificate: both.clone(), key: both }))
            }
            (None, None, Some(_)) => wrong("-keyfile requires -certfile", "add -certfile:FILE"),
            (Some(_), _, _) => {
                wrong("-certificate cannot be used with -certfile or -keyfile", "omit one of them")
            }
        }
    }

    fn proxy(&mut self) -> Result<Option<Proxy>, Error> {
        let login = match (self.proxy_scheme, self.proxy_user.take(), self.proxy_password.take()) {
            (_, None, Some(_)) => {
                return wrong("-proxypassword requires -proxyusername", "add -proxyusername:NAME");
            }
            (None, Some(_), _) => {
                return wrong(
                    "-proxyusername requires -proxyauth",
                    "add -proxyauth:basic, digest or negotiate",
                );
            }
            (_, Some(_), None) => {
                return wrong("-proxyusername requires -proxypassword", "add -proxypassword:PASSWORD");
            }
            (None, None, None) => None,
            (Some(scheme), user, password) => {
                let credentials =
                    user.zip(password).map(|(user, password)| ProxyCredentials { user, password });
                Some(ProxyLogin { scheme, credentials })
            }
        };
        match (self.proxy_access, login) {
            (Some(ProxyAccess::None), Some(_)) => {
                wrong("-proxyauth cannot be used with -proxyaccess:no_proxy", "omit one of them")
            }
            (Some(access), login) => Ok(Some(Proxy { access, login })),
            (None, Some(_)) => {
                wrong("-proxyauth requires -proxyaccess", "add -proxyaccess:ie_settings or another source")
            }
            (None, None) => Ok(None),
        }
    }
}

/// Advice for credentials given for the local service.
pub(crate) const NO_LOCAL_LOGIN: &str =
    "the local service identifies the user through the kernel; add -remote:HOST to log in over the network";

/// Returns an error about conflicting switches if `conflict` is true.
pub(crate) fn refuse(conflict: bool, problem: &'static str, way_out: &'static str) -> Result<(), Error> {
    if conflict { wrong(problem, way_out) } else { Ok(()) }
}

fn wrong<T>(problem: &'static str, way_out: &'static str) -> Result<T, Error> {
    Err(Error::Rule { problem, way_out })
}

fn verification(skipped: bool) -> Verification {
    if skipped { Verification::Skipped } else { Verification::Required }
}
