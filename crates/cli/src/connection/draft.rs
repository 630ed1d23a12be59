//! The switches about the connection as they were given, and how they become one.

use std::path::PathBuf;
use std::time::Duration;

use super::{
    ClientCertificate, Connection, Encoding, ImplicitScheme, Login, PasswordScheme, Proxy, ProxyAccess,
    ProxyCredentials, ProxyLogin, ProxyScheme, ServiceName, SpnPort, Target, Thumbprint, Trust, Unencrypted,
    Verification,
};
use crate::endpoint::{Address, Transport};
use crate::error::Error;
use crate::hosts::SavedHosts;
use crate::secret::{PasswordSource, Secret};
use crate::switch::Keyword;

/// What the switches said, before anyone asked whether it fits together.
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

/// Every word of `-authentication`.
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
    /// Puts the switches together, or says which do not fit.
    pub(crate) fn connection(mut self) -> Result<Connection, Error> {
        self.needs_remote()?;
        let transport = self.transport()?;
        refuse(
            transport == Transport::Http && (self.skip_issuer || self.skip_name || self.skip_revocation),
            "-skipCAcheck, -skipCNcheck and -skipRevocationcheck are about HTTPS, and this is HTTP",
            "add -usessl, or write -remote:https://HOST",
        )?;
        refuse(
            transport == Transport::Http && self.ca.is_some(),
            "-ca is about HTTPS, and this is HTTP",
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

    /// Puts what is saved under a name in the place of the name; what the switches say counts before it.
    pub(crate) fn look_up(&mut self, hosts: &SavedHosts) -> Result<(), Error> {
        let Some(saved) = self.remote.as_ref().map(|address| hosts.find(address)).transpose()?.flatten()
        else {
            return Ok(());
        };
        self.ssl |= saved.address().transport().is_none() && saved.transport() == Some(Transport::Https);
        self.port = self.port.or(saved.port());
        self.remote = Some(saved.address().clone());
        let certificate = self.thumbprint.is_some() || self.certificate_file.is_some();
        if !certificate && self.scheme.is_none() {
            self.scheme = saved.scheme();
        }
        let takes_user = !matches!(self.scheme, Some(Scheme::None | Scheme::Certificate));
        if !certificate && takes_user && self.user.is_none() && !self.default_credentials {
            self.user = saved.user().map(str::to_owned);
        }
        Ok(())
    }

    /// Whether it is about this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.remote.is_none()
    }

    /// What was given and changes nothing, a line each.
    pub(crate) fn notices(&self) -> Vec<String> {
        let said = [(
            self.skip_revocation,
            "-skipRevocationcheck changes nothing: this version never asks whether a certificate was revoked",
        )];
        said.into_iter().filter(|(given, _)| *given).map(|(_, line)| line.to_owned()).collect()
    }

    /// Refuses what has no meaning on the way to the service of this machine.
    fn needs_remote(&self) -> Result<(), Error> {
        if !self.is_local() {
            return refuse(
                self.socket.is_some(),
                "-socket does not go with -remote",
                "leave one of them away",
            );
        }
        let skips = self.skip_issuer || self.skip_name || self.skip_revocation;
        let proxy = self.proxy_access.is_some() || self.proxy_scheme.is_some();
        let proxy_login = self.proxy_user.is_some() || self.proxy_password.is_some();
        for (given, problem) in [
            (self.unencrypted, "-unencrypted needs -remote"),
            (self.ssl, "-usessl needs -remote"),
            (self.port.is_some(), "-port needs -remote"),
            (self.encoding.is_some(), "-encoding needs -remote"),
            (skips, "-skipCAcheck, -skipCNcheck and -skipRevocationcheck need -remote"),
            (self.ca.is_some(), "-ca needs -remote"),
            (proxy || proxy_login, "a proxy needs -remote"),
        ] {
            refuse(given, problem, "add -remote:HOST")?;
        }
        let password = self.password.is_some() || self.password_file.is_some();
        let files = self.certificate_file.is_some() || self.key_file.is_some();
        for (given, problem) in [
            (self.user.is_some() || password, "-username and -password need -remote"),
            (self.thumbprint.is_some() || files, "a certificate needs -remote"),
            (self.default_credentials, "-defaultCreds needs -remote"),
            (self.spn_port, "-SPNPort needs -remote"),
            (self.spn.is_some(), "-spn needs -remote"),
            (self.scheme.is_some_and(|scheme| scheme != Scheme::None), "-authentication needs -remote"),
        ] {
            refuse(given, problem, KERNEL_KNOWS)?;
        }
        Ok(())
    }

    /// HTTP or HTTPS, from the address or from `-usessl`.
    pub(crate) fn transport(&self) -> Result<Transport, Error> {
        let typed = self.remote.as_ref().and_then(Address::transport);
        refuse(
            self.ssl && typed.is_some(),
            "-usessl does not go with an endpoint that has a transport",
            "leave -usessl away, or write the endpoint without http:// or https://",
        )?;
        refuse(
            self.port.is_some() && self.remote.as_ref().is_some_and(|address| address.port().is_some()),
            "-port does not go with an endpoint that has a port",
            "leave one of them away",
        )?;
        Ok(typed.unwrap_or(if self.ssl { Transport::Https } else { Transport::Http }))
    }

    fn login(&mut self, transport: Transport) -> Result<Login, Error> {
        let password = self.password_source()?;
        let certificate = self.certificate()?;
        refuse(
            password.is_some() && self.user.is_none(),
            "a password without -username",
            "add -username:NAME",
        )?;
        refuse(
            self.spn_port
                && !matches!(
                    self.scheme,
                    None | Some(Scheme::Password(PasswordScheme::Negotiate | PasswordScheme::Kerberos))
                ),
            "-SPNPort goes with negotiate and kerberos only",
            "leave -SPNPort away, or use -authentication:kerberos",
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
            "-spn goes with negotiate, kerberos and credssp only",
            "leave -spn away, or use -authentication:kerberos",
        )?;
        refuse(
            self.spn_port && matches!(self.spn, Some(ServiceName::Chosen(_))),
            "-SPNPort does not go with a whole name in -spn",
            "write the port into it: -spn:HTTP/HOST:PORT",
        )?;
        refuse(
            self.default_credentials
                && (self.scheme != Some(Scheme::Password(PasswordScheme::Negotiate))
                    || transport == Transport::Http),
            "-defaultCreds goes with -authentication:negotiate over HTTPS only",
            "add -authentication:negotiate and -usessl",
        )?;
        refuse(
            self.default_credentials && self.user.is_some(),
            "-defaultCreds does not go with -username",
            "leave one of them away",
        )?;
        let spn = if self.spn_port { SpnPort::Appended } else { SpnPort::Left };
        match (self.scheme, certificate, self.user.take()) {
            (_, Some(_), Some(_)) => wrong(
                "-username does not go with a certificate",
                "leave -username away to log in with the certificate, or -certificate to use a password",
            ),
            (None | Some(Scheme::Certificate), Some(certificate), None) => {
                refuse(
                    transport == Transport::Http,
                    "a certificate logs in over HTTPS only, and this is HTTP",
                    "add -usessl, or write -remote:https://HOST",
                )?;
                Ok(Login::Certificate(certificate))
            }
            (Some(_), Some(_), None) => wrong(
                "a certificate goes with -authentication:certificate only",
                "leave -authentication away: the certificate says it",
            ),
            (Some(Scheme::Certificate), None, None) => wrong(
                "-authentication:certificate needs a certificate",
                "add -certificate:THUMBPRINT, or -certfile:FILE and -keyfile:FILE",
            ),
            (Some(Scheme::Certificate | Scheme::None), None, Some(_)) => wrong(
                "-username does not go with -authentication:none or certificate",
                "leave -username away, or use -authentication:negotiate",
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
                "-authentication:basic, digest and credssp need a user",
                "add -username:NAME; the password is asked for",
            ),
        }
    }

    fn password_source(&mut self) -> Result<Option<PasswordSource>, Error> {
        match (self.password.take(), self.password_file.take()) {
            (Some(_), Some(_)) => wrong("-password does not go with -passwordfile", "leave one of them away"),
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
            (None, None, Some(_)) => wrong("-keyfile without -certfile", "add -certfile:FILE"),
            (Some(_), _, _) => {
                wrong("-certificate does not go with -certfile and -keyfile", "leave one of them away")
            }
        }
    }

    fn proxy(&mut self) -> Result<Option<Proxy>, Error> {
        let login = match (self.proxy_scheme, self.proxy_user.take(), self.proxy_password.take()) {
            (_, None, Some(_)) => {
                return wrong("-proxypassword without -proxyusername", "add -proxyusername:NAME");
            }
            (None, Some(_), _) => {
                return wrong(
                    "-proxyusername without -proxyauth",
                    "add -proxyauth:basic, digest or negotiate",
                );
            }
            (_, Some(_), None) => {
                return wrong("-proxyusername without -proxypassword", "add -proxypassword:PASSWORD");
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
                wrong("-proxyauth does not go with -proxyaccess:no_proxy", "leave one of them away")
            }
            (Some(access), login) => Ok(Some(Proxy { access, login })),
            (None, Some(_)) => {
                wrong("-proxyauth without -proxyaccess", "add -proxyaccess:ie_settings or another source")
            }
            (None, None) => Ok(None),
        }
    }
}

/// Why nobody signs in to the service of this machine.
pub(crate) const KERNEL_KNOWS: &str =
    "on this machine the kernel says who asks; to sign in over the network, add -remote:HOST";

/// An error about switches that do not fit together, if that is so.
pub(crate) fn refuse(collides: bool, problem: &'static str, way_out: &'static str) -> Result<(), Error> {
    if collides { wrong(problem, way_out) } else { Ok(()) }
}

fn wrong<T>(problem: &'static str, way_out: &'static str) -> Result<T, Error> {
    Err(Error::Rule { problem, way_out })
}

fn verification(skipped: bool) -> Verification {
    if skipped { Verification::Skipped } else { Verification::Required }
}
