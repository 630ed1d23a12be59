//! From what a command line says about the connection to a session of the client.

use std::path::PathBuf;
use std::time::Duration;

use auth::choice::Ntlm;
use client::{
    Authentication, Credentials, Obstacle, Progress, Scheme, Sealing, Secret, Session, SessionBuilder,
    TlsPolicy,
};
use wsman::{FragmentTransfer, OptionSet, ResourceUri, SelectorSet};
use xml::Encoding as XmlEncoding;

use crate::connection::{
    ClientCertificate, Connection, Delegation, Encoding, ImplicitScheme, Login, PasswordScheme, ServiceName,
    SpnPort, Target, Trust, Unencrypted, Verification,
};
use crate::endpoint::{Defaults, Endpoint, Transport};
use crate::failure::{Failure, Hint, Kind, bracketed};
use crate::input::{KeyValues, Value};
use crate::locator::Locator;
use crate::proxy;
use crate::secret::PasswordSource;
use crate::settings::ClientSettings;
use crate::trace;
use crate::winrm::Fragment;

/// A session, and what to say about it when something goes wrong.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) session: Session,
    pub(crate) login: Proven,
    target: Target,
    user: Option<String>,
    /// What to do about a host that is not trusted.
    trust: Option<String>,
}

/// Whether a session says who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proven {
    Yes,
    No,
}

impl Service {
    /// Finds the password, asking for it if need be, and makes the session; nothing is sent yet.
    pub(crate) fn new(
        connection: Connection,
        settings: &ClientSettings,
        delegation: Delegation,
    ) -> Result<Self, Failure> {
        match &connection.target {
            Target::Local(sockets) => {
                let builder = Session::local(sockets);
                Self::here(builder, connection, delegation)
            }
            Target::Remote(endpoint) => {
                let settings = (settings.read()?, settings.own_file());
                let endpoint = endpoint.clone().with_defaults(&defaults(&settings.0));
                Self::over_there(endpoint, connection, settings, delegation)
            }
        }
    }

    /// The service of this machine: the kernel says who asks.
    fn here(
        builder: SessionBuilder,
        connection: Connection,
        delegation: Delegation,
    ) -> Result<Self, Failure> {
        if delegation == Delegation::Allowed {
            let failure = Failure::here(Kind::Usage, "-allowdelegate needs -remote");
            return Err(
                failure.advise("on this machine the kernel says who asks: there is nothing to hand on")
            );
        }
        let Connection { target, login, encoding, timeout, trace, .. } = connection;
        let builder = traced(builder, trace)?;
        let (proven, user) = match login {
            Login::Anonymous => (Proven::No, None),
            _ => (Proven::Yes, Some(user_of_this_process())),
        };
        let session = finished(builder, encoding, timeout)?;
        Ok(Self { session, login: proven, target, user, trust: None })
    }

    fn over_there(
        endpoint: Endpoint,
        connection: Connection,
        (settings, own_file): (config::Client, Option<&PathBuf>),
        delegation: Delegation,
    ) -> Result<Self, Failure> {
        let Connection { login, service_name, trust, unencrypted, encoding, timeout, proxy, trace, .. } =
            connection;
        let spn = service_name_of(service_name, &login);
        let builder = Session::builder(address(&endpoint)?).tls(policy(trust)).service_name(spn);
        let builder = unencrypted_if(builder.with_client_settings(&settings, endpoint.host()), unencrypted);
        let builder = traced(builder, trace)?;
        let proxy = proxy.map(|proxy| proxy::find(&proxy, &endpoint)).transpose()?.flatten();
        let builder = proxy.into_iter().fold(builder, SessionBuilder::proxy);
        let builder = match &login {
            Login::Certificate(certificate) => builder.client_certificate(client_certificate(certificate)?),
            _ => builder,
        };
        let builder = match (delegation, &login) {
            (Delegation::Refused, _) => builder,
            (Delegation::Allowed, login) if login.can_be_delegated() => {
                builder.delegation(client::Delegation::Demanded)
            }
            (Delegation::Allowed, _) => {
                let what = "-allowdelegate goes with negotiate, kerberos and credssp only";
                return Err(Failure::here(Kind::Usage, what).advise("use -authentication:kerberos"));
            }
        };
        // A ticket that is to be handed on, or used because there is no password, is not to be had from NTLM.
        let how_to_trust = match (delegation, &login) {
            (Delegation::Refused, Login::Password { .. }) => Some(how_to_trust(endpoint.host(), own_file)),
            _ => None,
        };
        let service = |session, login, user| Self {
            session,
            login,
            user,
            trust: how_to_trust.clone(),
            target: Target::Remote(endpoint.clone()),
        };
        if login == Login::Anonymous {
            let builder = builder.authentication(Authentication::None);
            return Ok(service(finished(builder, encoding, timeout)?, Proven::No, None));
        }
        let (authentication, password) = authentication(login)?;
        let builder = builder.authentication(authentication);
        let Some((user, source)) = password else {
            return Ok(service(finished(builder, encoding, timeout)?, Proven::Yes, None));
        };
        // Nobody is asked for a password that would not be sent.
        let nameless = Credentials { user: user.clone(), password: Secret::new(String::new()) };
        let asking = service(
            finished(builder.clone().credentials(nameless), encoding, timeout)?,
            Proven::Yes,
            Some(user.clone()),
        );
        asking.session.check_sign_in().map_err(|error| asking.failure(error))?;
        let password = resolve(source, &user, endpoint.host())?;
        let builder = builder.credentials(Credentials { user: user.clone(), password });
        Ok(service(finished(builder, encoding, timeout)?, Proven::Yes, Some(user)))
    }

    /// The host as it was addressed, for people.
    pub(crate) fn host(&self) -> &str {
        self.target.host()
    }

    /// Whether it is a service of this machine, which is asked over its Unix socket.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.target, Target::Local(_))
    }

    /// Who asks.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What a failure of the client means here.
    pub(crate) fn failure(&self, error: client::Error) -> Failure {
        let closed =
            matches!(&error, client::Error::Disconnected { when: Progress::Sending | Progress::Waiting, .. });
        let unexplained = matches!(
            &error,
            client::Error::Http { status: 500 } | client::Error::NoMessage { status: 500, .. }
        );
        let untrusted = is_about_trust(&error, &self.target);
        let at_proxy = matches!(error, client::Error::Proxy { .. });
        let mut failure = Failure::from_client(&error, self.target.host());
        if untrusted {
            failure = self.trust.iter().fold(failure, Failure::advise);
        }
        if let Some(user) = self.user.as_ref().filter(|_| !at_proxy) {
            failure = failure.as_user(user);
        }
        let endpoint = match &self.target {
            Target::Local(_) if closed => {
                return failure.at_local_service().with_hint(&Hint::CONNECTION_REJECTED);
            }
            Target::Local(_) => return failure.at_local_service(),
            Target::Remote(endpoint) => endpoint,
        };
        if unexplained && endpoint.transport() == Transport::Http {
            return failure.with_hint(&Hint::UNENCRYPTED);
        }
        match endpoint.usual_port() {
            Some(usual) if failure.kind() == Kind::Connect => failure.advise(format!(
                "without a port {transport}:// means {port}; the service usually listens on {usual}: \
                 -r:{transport}://{host}:{usual}",
                transport = endpoint.transport(),
                port = endpoint.port(),
                host = bracketed(endpoint.host()),
            )),
            _ => failure,
        }
    }
}

/// Who asks a service of this machine, as the kernel tells it.
fn user_of_this_process() -> String {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return "root".to_owned();
    }
    let number = user.as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    // passwd(5): name, password, number.
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {number}"))
}

/// The locator as the client takes it.
pub(crate) fn target(
    locator: &Locator,
    options: &KeyValues,
    fragment: Option<Fragment>,
) -> Result<client::Locator, Failure> {
    let mut switches = OptionSet::new();
    for (name, value) in options.iter() {
        let value = match value {
            Value::Text(text) => Some(text.clone()),
            Value::Null => None,
        };
        switches.push(wsman::WsmanOption { name: name.to_owned(), value, must_comply: false });
    }
    let mut target = client::Locator::new(resource(locator)?)
        .with_selectors(selectors(locator.selectors()))
        .with_options(switches);
    if let Some(Fragment { path, dialect }) = fragment {
        target = target
            .with_fragment(FragmentTransfer { dialect: Some(dialect.uri().to_owned()), expression: path });
    }
    Ok(target)
}

pub(crate) fn resource(locator: &Locator) -> Result<ResourceUri, Failure> {
    ResourceUri::parse(locator.resource_uri()).map_err(|fault| Failure::here(Kind::Usage, fault.to_string()))
}

pub(crate) fn selectors(pairs: &[(String, String)]) -> SelectorSet {
    pairs.iter().fold(SelectorSet::new(), |set, (name, value)| set.with(name, value))
}

fn address(endpoint: &Endpoint) -> Result<client::Endpoint, Failure> {
    endpoint.for_client().map_err(|error| Failure::here(Kind::Usage, error.to_string()))
}

fn policy(trust: Trust) -> TlsPolicy {
    let mut policy = TlsPolicy::new();
    if let Some(file) = trust.ca {
        policy = policy.ca_file(file);
    }
    if trust.issuer == Verification::Skipped {
        policy = policy.skip_ca();
    }
    if trust.name == Verification::Skipped {
        policy = policy.skip_name();
    }
    policy
}

/// Reads the certificate that the command line names.
fn client_certificate(named: &ClientCertificate) -> Result<client::ClientCertificate, Failure> {
    let found = match named {
        ClientCertificate::Files { certificate, key } => {
            client::ClientCertificate::from_files(certificate, key)
        }
        ClientCertificate::Thumbprint(thumbprint) => {
            let thumbprint = client::Thumbprint::parse(thumbprint.as_str())
                .map_err(|error| Failure::here(Kind::Usage, error.to_string()))?;
            client::ClientCertificate::find(thumbprint, config::client_certificates())
        }
    };
    found.map_err(|error| {
        let text = error.to_string();
        let (what, way_out) = text.split_once("\n  ").unwrap_or((&text, ""));
        let failure = Failure::here(Kind::Authentication, what);
        if way_out.is_empty() { failure } else { failure.advise(way_out) }
    })
}

/// What proves who asks a service on the network, and who that is.
type Way = (Authentication, Option<(String, PasswordSource)>);

fn authentication(login: Login) -> Result<Way, Failure> {
    let (scheme, user, source) = match login {
        Login::Anonymous => return Ok((Authentication::None, None)),
        // What the user of this process has: a ticket.
        Login::Implicit { scheme, .. } => {
            let authentication = match scheme {
                ImplicitScheme::Default => Authentication::Automatic,
                ImplicitScheme::Kerberos => Authentication::Kerberos,
                ImplicitScheme::Negotiate | ImplicitScheme::NegotiateDefaultCredentials => {
                    Authentication::Negotiate
                }
            };
            return Ok((authentication, None));
        }
        Login::Certificate(_) => return Ok((Authentication::Certificate, None)),
        Login::Password { scheme, user, password, .. } => (scheme, user, password),
    };
    let authentication = match scheme {
        // MS-WSMV 3.1.4.1: whoever gives a password and no scheme means Negotiate.
        None => Authentication::Automatic,
        Some(PasswordScheme::Basic) => Authentication::Basic,
        Some(PasswordScheme::Digest) => Authentication::Digest,
        Some(PasswordScheme::Negotiate) => Authentication::Negotiate,
        Some(PasswordScheme::Kerberos) => Authentication::Kerberos,
        Some(PasswordScheme::CredSsp) => Authentication::CredSsp,
    };
    Ok((authentication, Some((user, source))))
}

pub(crate) fn resolve(source: PasswordSource, user: &str, host: &str) -> Result<Secret, Failure> {
    source.resolve(user, host).map_err(|error| {
        let failure = Failure::here(Kind::Authentication, error.to_string());
        match error.way_out() {
            Some(line) => failure.advise(line),
            None => failure,
        }
    })
}

impl Login {
    /// Whether it has a ticket or a password to hand on.
    fn can_be_delegated(&self) -> bool {
        match self {
            Self::Implicit { .. } => true,
            Self::Password { scheme, .. } => {
                !matches!(scheme, Some(PasswordScheme::Basic | PasswordScheme::Digest))
            }
            Self::Anonymous | Self::Certificate(_) => false,
        }
    }
}

fn traced(builder: SessionBuilder, trace: Option<PathBuf>) -> Result<SessionBuilder, Failure> {
    match trace {
        Some(file) => Ok(builder.trace(trace::to(&file)?)),
        None => Ok(builder),
    }
}

fn finished(
    builder: SessionBuilder,
    encoding: Encoding,
    timeout: Option<Duration>,
) -> Result<Session, Failure> {
    let builder = builder.encoding(match encoding {
        Encoding::Utf8 => XmlEncoding::Utf8,
        Encoding::Utf16 => XmlEncoding::Utf16,
    });
    let builder = match timeout {
        Some(timeout) => builder.operation_timeout(timeout),
        None => builder,
    };
    builder.build().map_err(|error| Failure::here(Kind::Usage, error.to_string()))
}

/// Messages that may be readable on the way, if the command line says so.
fn unencrypted_if(builder: SessionBuilder, unencrypted: Unencrypted) -> SessionBuilder {
    match unencrypted {
        Unencrypted::Allowed => builder.unencrypted(client::Unencrypted::Allowed).sealing(Sealing::Off),
        Unencrypted::Refused => builder,
    }
}

fn defaults(settings: &config::Client) -> Defaults {
    Defaults {
        http: settings.default_ports.http.number(),
        https: settings.default_ports.https.number(),
        prefix: settings.url_prefix.as_str().to_owned(),
    }
}

fn service_name_of(name: ServiceName, login: &Login) -> client::ServiceName {
    let appended = matches!(
        login,
        Login::Implicit { spn: SpnPort::Appended, .. } | Login::Password { spn: SpnPort::Appended, .. }
    );
    let port = if appended { client::SpnPort::Appended } else { client::SpnPort::Omitted };
    match name {
        ServiceName::OfHost(class) => client::ServiceName::FromEndpoint { class, port },
        ServiceName::Chosen(name) => client::ServiceName::Explicit(name),
    }
}

/// Whether trusting the host would have helped: then NTLM had been tried, too.
fn is_about_trust(error: &client::Error, target: &Target) -> bool {
    match error {
        client::Error::NoAllowedScheme { refusal, .. } => {
            refusal.considered().iter().any(|(_, obstacle)| *obstacle == Obstacle::NotTrusted)
        }
        client::Error::SignIn {
            scheme: Scheme::Negotiate | Scheme::CredSsp, ntlm: Ntlm::Forbidden, ..
        } => {
            matches!(target, Target::Remote(endpoint) if endpoint.transport() == Transport::Http)
        }
        _ => false,
    }
}

/// The exact way to put a host on the list of those that need no proof.
fn how_to_trust(host: &str, own_file: Option<&PathBuf>) -> String {
    let host = bracketed(host);
    // A shell would look for files that fit into the brackets.
    let quote = if host.starts_with('[') { "'" } else { "" };
    let place = own_file.map(|file| format!(", which writes {}", file.display())).unwrap_or_default();
    format!("or trust it without proof: winrm trust {quote}{host}{quote}{place}")
}
