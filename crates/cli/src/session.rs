//! From what a command line says about the connection to a session of the client.

use std::borrow::Cow;

use client::{Authentication, Credentials, Progress, Session, TlsPolicy};
use wsman::{FragmentTransfer, OptionSet, ResourceUri, SelectorSet};
use xml::Encoding as XmlEncoding;

use crate::connection::{
    Connection, Encoding, ImplicitScheme, Login, PasswordScheme, ProxyAccess, Target, Trust, Unencrypted,
    Verification,
};
use crate::endpoint::{Endpoint, Transport};
use crate::failure::{Failure, Hint, Kind};
use crate::input::{KeyValues, Value};
use crate::locator::Locator;
use crate::winrm::Fragment;

/// A session, and what to say about it when something goes wrong.
pub(crate) struct Service {
    pub(crate) session: Session,
    pub(crate) login: Proven,
    target: Target,
    user: Option<String>,
}

/// Whether a session says who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proven {
    Yes,
    No,
}

impl Service {
    /// Finds the password, asking for it if need be, and makes the session; nothing is sent yet.
    pub(crate) fn new(connection: Connection) -> Result<Self, Failure> {
        let Connection { target, login, trust, unencrypted, encoding, timeout, proxy } = connection;
        if proxy.is_some_and(|proxy| proxy.access != ProxyAccess::None) {
            return Err(missing("a proxy"));
        }
        let builder = match &target {
            Target::Local(sockets) => Session::local(sockets),
            Target::Remote(endpoint) => Session::builder(address(endpoint)?).tls(policy(trust)),
        };
        let mut builder = builder.encoding(match encoding {
            Encoding::Utf8 => XmlEncoding::Utf8,
            Encoding::Utf16 => XmlEncoding::Utf16,
        });
        if unencrypted == Unencrypted::Allowed {
            builder = builder.unencrypted(client::Unencrypted::Allowed);
        }
        if let Some(timeout) = timeout {
            builder = builder.operation_timeout(timeout);
        }
        let (proven, user) = match (&target, &login) {
            (_, Login::Anonymous) => (Proven::No, None),
            (Target::Local(_), Login::Implicit { .. }) => (Proven::Yes, Some(user_of_this_process())),
            _ => {
                let (authentication, credentials) = authentication(login, target.host())?;
                let user = credentials.as_ref().map(|credentials| credentials.user.clone());
                builder = builder.authentication(authentication);
                if let Some(credentials) = credentials {
                    builder = builder.credentials(credentials);
                }
                (Proven::Yes, user)
            }
        };
        let session = builder.build().map_err(|error| Failure::from_client(error, target.host()))?;
        Ok(Self { session, login: proven, target, user })
    }

    /// What a failure of the client means here.
    pub(crate) fn failure(&self, error: client::Error) -> Failure {
        let closed =
            matches!(&error, client::Error::Disconnected { when: Progress::Sending | Progress::Waiting, .. });
        let unexplained = matches!(
            &error,
            client::Error::Http { status: 500 } | client::Error::NoMessage { status: 500, .. }
        );
        let mut failure = Failure::from_client(error, self.target.host());
        if let Some(user) = &self.user {
            failure = failure.as_user(user);
        }
        let endpoint = match &self.target {
            Target::Local(_) if closed => return failure.here_on_this_machine().with_hint(&Hint::NOT_LET_IN),
            Target::Local(_) => return failure.here_on_this_machine(),
            Target::Remote(endpoint) => endpoint,
        };
        if unexplained && endpoint.transport() == Transport::Http {
            return failure.with_hint(&Hint::UNSEALED);
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

/// A host as it stands in an endpoint.
pub(crate) fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

/// Who asks a service of this machine, as the kernel tells it.
fn user_of_this_process() -> String {
    match rustix::process::geteuid() {
        root if root.is_root() => "root".to_owned(),
        user => format!("uid {}", user.as_raw()),
    }
}

/// The locator as the client takes it.
pub(crate) fn target(
    locator: &Locator,
    options: &KeyValues,
    fragment: Option<Fragment>,
) -> Result<client::Locator, Failure> {
    let resource = ResourceUri::parse(locator.resource_uri())
        .map_err(|fault| Failure::here(Kind::Usage, fault.to_string()))?;
    let mut switches = OptionSet::new();
    for (name, value) in options.iter() {
        let value = match value {
            Value::Text(text) => Some(text.clone()),
            Value::Null => None,
        };
        switches.push(wsman::WsmanOption { name: name.to_owned(), value, must_comply: false });
    }
    let mut target =
        client::Locator::new(resource).with_selectors(selectors(locator.selectors())).with_options(switches);
    if let Some(Fragment { path, dialect }) = fragment {
        target = target
            .with_fragment(FragmentTransfer { dialect: Some(dialect.uri().to_owned()), expression: path });
    }
    Ok(target)
}

pub(crate) fn selectors(pairs: &[(String, String)]) -> SelectorSet {
    pairs.iter().fold(SelectorSet::new(), |set, (name, value)| set.with(name, value))
}

/// The failure for what the command line knows and the client does not.
pub(crate) fn missing(what: &str) -> Failure {
    Failure::here(Kind::Usage, format!("{what} is not supported by this version"))
}

fn address(endpoint: &Endpoint) -> Result<client::Endpoint, Failure> {
    let transport = match endpoint.transport() {
        Transport::Http => client::Transport::Http,
        Transport::Https => client::Transport::Https,
    };
    let path = format!("/{}", endpoint.prefix());
    client::Endpoint::new(transport, endpoint.host(), endpoint.port(), &path)
        .map_err(|error| Failure::here(Kind::Usage, error.to_string()))
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

/// What proves who asks a service on the network.
fn authentication(login: Login, host: &str) -> Result<(Authentication, Option<Credentials>), Failure> {
    let (scheme, user, source) = match login {
        Login::Anonymous => {
            let failure = Failure::here(Kind::Authentication, "there is no user to log in as");
            return Err(failure.advise("add -username:NAME, or -authentication:none for identify alone"));
        }
        // What the user of this process has: a ticket.
        Login::Implicit { scheme: ImplicitScheme::Kerberos, .. } => {
            return Ok((Authentication::Kerberos, None));
        }
        Login::Implicit { .. } => return Ok((Authentication::Negotiate, None)),
        Login::Certificate(_) => return Err(missing("logging in with a certificate")),
        Login::Password { scheme, user, password, .. } => (scheme, user, password),
    };
    let authentication = match scheme {
        Some(PasswordScheme::Basic) => Authentication::Basic,
        Some(PasswordScheme::Digest) => return Err(missing("-authentication:digest")),
        // MS-WSMV 3.1.4.1: whoever gives a password and no scheme means this one.
        None | Some(PasswordScheme::Negotiate) => Authentication::Negotiate,
        Some(PasswordScheme::Kerberos) => Authentication::Kerberos,
        Some(PasswordScheme::CredSsp) => Authentication::CredSsp,
    };
    let password = source.resolve(&user, host).map_err(|error| {
        let failure = Failure::here(Kind::Authentication, error.to_string());
        match error.way_out() {
            Some(line) => failure.advise(line),
            None => failure,
        }
    })?;
    Ok((authentication, Some(Credentials { user, password })))
}
