//! Conversion of connection options to a session of the client.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// A session with a service, and the context for its error messages.
#[derive(Clone)]
pub(crate) struct RemoteService {
    pub(crate) session: Session,
    pub(crate) authenticated: Authenticated,
    target: Target,
    user: Option<String>,
    /// Advice for a host that is not in `TrustedHosts`.
    trust_advice: Option<String>,
    selection: SchemeSelection,
}

/// Selection of the authentication scheme.
#[derive(Clone)]
enum SchemeSelection {
    /// The command line requests a scheme.
    Fixed,
    /// The client chooses a scheme; the flag is set once the user was told about it.
    Automatic(Arc<AtomicBool>),
}

/// Whether a session sends credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authenticated {
    Yes,
    No,
}

impl RemoteService {
    /// Reads the password, with a prompt if necessary, and creates the session. Sends nothing.
    pub(crate) fn new(
        connection: Connection,
        settings: &ClientSettings,
        delegation: Delegation,
    ) -> Result<Self, Failure> {
        match &connection.target {
            Target::Local(sockets) => {
                let builder = Session::local(sockets);
                Self::local(builder, connection, delegation)
            }
            Target::Remote(endpoint) => {
                let client = settings.read()?;
                let endpoint = endpoint.clone().with_defaults(&defaults(&client));
                Self::remote(endpoint, connection, &client, settings.own_file(), delegation)
            }
        }
    }

    /// Connects to the service of this machine, which gets the user from the kernel.
    fn local(
        builder: SessionBuilder,
        connection: Connection,
        delegation: Delegation,
    ) -> Result<Self, Failure> {
        if delegation == Delegation::Allowed {
            let failure = Failure::here(Kind::Usage, "-allowdelegate requires -remote");
            return Err(failure.advise("the local service uses no credentials that could be delegated"));
        }
        let Connection { target, login, encoding, timeout, trace, .. } = connection;
        let builder = traced(builder, trace)?;
        let (authenticated, user) = match login {
            Login::Anonymous => (Authenticated::No, None),
            _ => (Authenticated::Yes, Some(user_of_this_process())),
        };
        let session = build(builder, encoding, timeout)?;
        Ok(Self {
            session,
            authenticated,
            target,
            user,
            trust_advice: None,
            selection: SchemeSelection::Fixed,
        })
    }

    /// Connects to a service over the network. `own_file` is the settings file that the user may change.
    fn remote(
        endpoint: Endpoint,
        connection: Connection,
        settings: &config::Client,
        own_file: Option<&PathBuf>,
        delegation: Delegation,
    ) -> Result<Self, Failure> {
        let Connection { login, service_name, trust, unencrypted, encoding, timeout, proxy, trace, .. } =
            connection;
        let spn = service_name_of(service_name, &login);
        let builder = Session::builder(address(&endpoint)?).tls(policy(trust)).service_name(spn);
        let builder = with_unencrypted(builder.with_client_settings(settings, endpoint.host()), unencrypted);
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
                let what = "-allowdelegate requires negotiate, kerberos or credssp authentication";
                return Err(Failure::here(Kind::Usage, what).advise("use -authentication:kerberos"));
            }
        };
        // TrustedHosts permits NTLM. NTLM needs a password and cannot delegate a ticket.
        let trust_advice = match (delegation, &login) {
            (Delegation::Refused, Login::Password { .. }) => Some(trust_advice(endpoint.host(), own_file)),
            _ => None,
        };
        let LoginMethod { authentication, password } = login_method(login)?;
        let authenticated =
            if authentication == Authentication::None { Authenticated::No } else { Authenticated::Yes };
        let builder = builder.authentication(authentication);
        let selection = match authentication {
            Authentication::Automatic => SchemeSelection::Automatic(Arc::default()),
            _ => SchemeSelection::Fixed,
        };
        let target = Target::Remote(endpoint.clone());
        let Some((user, source)) = password else {
            let session = build(builder, encoding, timeout)?;
            return Ok(Self { session, authenticated, target, user: None, trust_advice, selection });
        };
        // Check first whether the password could be sent, so that it is not prompted for in vain.
        let empty = Credentials { user: user.clone(), password: Secret::new(String::new()) };
        let session = build(builder.clone().credentials(empty), encoding, timeout)?;
        let service =
            Self { session, authenticated, target, user: Some(user.clone()), trust_advice, selection };
        service.session.check_sign_in().map_err(|error| service.failure(error))?;
        let password = resolve(source, &user, endpoint.host())?;
        let builder = builder.credentials(Credentials { user, password });
        Ok(Self { session: build(builder, encoding, timeout)?, ..service })
    }

    /// Returns the host name or address as typed, for messages.
    pub(crate) fn host(&self) -> &str {
        self.target.host()
    }

    /// Returns whether the service is known to be Telarch.
    pub(crate) async fn is_telarch(&self) -> bool {
        if self.is_local() {
            return true;
        }
        let identified = self.session.identify().await;
        identified.is_ok_and(|identified| {
            let identity = identified.identity;
            identity.product.unwrap_or(identity.product_vendor) == "Telarch"
        })
    }

    /// Returns whether this is the local service, reached through its Unix socket.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.target, Target::Local(_))
    }

    /// Returns the user name as typed, or of this process for the local service; `None` if it is not known.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the sockets of the local service; `None` for a service over the network.
    pub(crate) fn local_sockets(&self) -> Option<&[PathBuf]> {
        match &self.target {
            Target::Local(sockets) => Some(sockets),
            Target::Remote(_) => None,
        }
    }

    /// Returns a note, once, if the client has chosen Basic, which sends the password.
    pub(crate) fn scheme_note(&self) -> Option<String> {
        let SchemeSelection::Automatic(is_noted) = &self.selection else { return None };
        if self.session.scheme() != Some(Scheme::Basic) || is_noted.swap(true, Ordering::Relaxed) {
            return None;
        }
        let reasons: Vec<String> =
            self.session.passed_over_schemes().iter().map(ToString::to_string).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
        let host = self.host();
        Some(format!("signed in to {host} with Basic over HTTPS, which sends it the password{reasons}"))
    }

    /// Converts a client error to a failure with the context of this session.
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
            failure = self.trust_advice.iter().fold(failure, Failure::advise);
        }
        if let Some(user) = self.user.as_ref().filter(|_| !at_proxy) {
            failure = failure.as_user(user);
        }
        let endpoint = match &self.target {
            Target::Local(_) if closed => {
                let failure = failure.at_local_service().with_hint(&Hint::CONNECTION_REJECTED);
                return match self.user.as_deref().and_then(|user| user.strip_prefix(WITHOUT_NAME)) {
                    Some(uid) => failure.advise(format!(
                        "UID {uid} has no name in /etc/passwd, so the service cannot identify this user"
                    )),
                    None => failure,
                };
            }
            Target::Local(_) => return failure.at_local_service(),
            Target::Remote(endpoint) => endpoint,
        };
        if unexplained && endpoint.transport() == Transport::Http {
            return failure.with_hint(&Hint::UNENCRYPTED);
        }
        match endpoint.usual_port() {
            Some(usual) if failure.kind() == Kind::Connect => failure.advise(format!(
                "the default port of {transport}:// is {port}, but WinRM services usually listen on {usual}: \
                 try -r:{transport}://{host}:{usual}",
                transport = endpoint.transport(),
                port = endpoint.port(),
                host = bracketed(endpoint.host()),
            )),
            _ => failure,
        }
    }
}

/// Returns the name of the user of this process, or `uid N` if it has no name.
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
    name.unwrap_or_else(|| format!("{WITHOUT_NAME}{number}"))
}

/// Prefix of the UID in place of the name of a user without one.
const WITHOUT_NAME: &str = "uid ";

/// Converts a locator with options and fragment to a locator of the client.
pub(crate) fn target(
    locator: &Locator,
    options: &KeyValues,
    fragment: Option<FragmentTransfer>,
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
    if let Some(fragment) = fragment {
        target = target.with_fragment(fragment);
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

/// Loads the client certificate.
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

/// Authentication scheme of the client, with user and password source if the scheme needs them.
struct LoginMethod {
    authentication: Authentication,
    password: Option<(String, PasswordSource)>,
}

impl LoginMethod {
    fn without_password(authentication: Authentication) -> Self {
        Self { authentication, password: None }
    }
}

fn login_method(login: Login) -> Result<LoginMethod, Failure> {
    let (scheme, user, source) = match login {
        Login::Anonymous => return Ok(LoginMethod::without_password(Authentication::None)),
        // The Kerberos ticket of the user of this process.
        Login::Implicit { scheme, .. } => {
            let authentication = match scheme {
                ImplicitScheme::Default => Authentication::Automatic,
                ImplicitScheme::Kerberos => Authentication::Kerberos,
                ImplicitScheme::Negotiate | ImplicitScheme::NegotiateDefaultCredentials => {
                    Authentication::Negotiate
                }
            };
            return Ok(LoginMethod::without_password(authentication));
        }
        Login::Certificate(_) => return Ok(LoginMethod::without_password(Authentication::Certificate)),
        Login::Password { scheme, user, password, .. } => (scheme, user, password),
    };
    let authentication = match scheme {
        // The client selects Kerberos or Negotiate.
        None => Authentication::Automatic,
        Some(PasswordScheme::Basic) => Authentication::Basic,
        Some(PasswordScheme::Digest) => Authentication::Digest,
        Some(PasswordScheme::Negotiate) => Authentication::Negotiate,
        Some(PasswordScheme::Kerberos) => Authentication::Kerberos,
        Some(PasswordScheme::CredSsp) => Authentication::CredSsp,
    };
    Ok(LoginMethod { authentication, password: Some((user, source)) })
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
    /// Returns whether the login uses a ticket or password that can be delegated.
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

fn build(builder: SessionBuilder, encoding: Encoding, timeout: Option<Duration>) -> Result<Session, Failure> {
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

/// Applies `-unencrypted` to a session.
fn with_unencrypted(builder: SessionBuilder, unencrypted: Unencrypted) -> SessionBuilder {
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
        ServiceName::Explicit(name) => client::ServiceName::Explicit(name),
    }
}

/// Returns whether the login failed because the host is not in `TrustedHosts`, so that NTLM was not tried.
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

/// Returns the command that adds a host to `TrustedHosts`.
fn trust_advice(host: &str, own_file: Option<&PathBuf>) -> String {
    let host = bracketed(host);
    // Quote brackets, which a shell would expand.
    let quote = if host.starts_with('[') { "'" } else { "" };
    let file = own_file.map(|file| format!(" (changes {})", file.display())).unwrap_or_default();
    format!("or trust the host without verification: winrm trust {quote}{host}{quote}{file}")
}
