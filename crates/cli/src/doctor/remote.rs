//! Checks of a remote service.

mod authenticated;
mod network;
mod realm;
mod sign_in;

use std::io;
use std::time::Duration;

use super::finding::Outcome;
use super::runner::{CheckRunner, Limit};
use crate::connection::{Connection, Delegation, ImplicitScheme, Login, PasswordScheme, Verification};
use crate::failure::{Failure, Kind};
use crate::secret::PasswordSource;
use crate::session::RemoteService;
use crate::settings::ClientSettings;

/// Service to check, with the credentials to use.
pub(super) struct RemoteTarget<'s> {
    /// Connection with a request timeout suitable for checks.
    connection: Connection,
    settings: &'s ClientSettings,
    /// Session without credentials.
    anonymous: RemoteService,
}

impl<'s> RemoteTarget<'s> {
    pub(super) fn new(
        mut connection: Connection,
        settings: &'s ClientSettings,
        limit: Option<Duration>,
    ) -> Result<Self, Failure> {
        // Let the service cancel requests that exceed the time limit of a check.
        connection.timeout = Some(limit.unwrap_or(LONGEST_REQUEST));
        let without_login = Connection { login: Login::Anonymous, ..connection.clone() };
        let anonymous = RemoteService::new(without_login, settings, Delegation::Refused)?;
        Ok(Self { connection, settings, anonymous })
    }

    /// Returns the title of the report: endpoint and user.
    pub(super) fn title(&self) -> String {
        let endpoint = self.endpoint();
        match &self.connection.login {
            Login::Password { user, .. } => format!("{endpoint} as {user}"),
            Login::Certificate(_) => format!("{endpoint} with a client certificate"),
            Login::Anonymous => format!("{endpoint} without credentials"),
            Login::Implicit { .. } => endpoint.to_string(),
        }
    }

    fn endpoint(&self) -> &client::Endpoint {
        self.anonymous.session.endpoint()
    }

    /// Returns the host as written on a command line, with brackets around an IPv6 address.
    fn host(&self) -> String {
        crate::failure::bracketed(self.endpoint().host()).into_owned()
    }

    /// Returns a session with another login.
    fn service(&self, login: Login) -> Result<RemoteService, Failure> {
        let connection = Connection { login, ..self.connection.clone() };
        RemoteService::new(connection, self.settings, Delegation::Refused)
    }

    /// Converts a client error to a failed outcome.
    fn outcome(&self, error: client::Error) -> Outcome {
        Outcome::from(&self.anonymous.failure(error))
    }

    /// Returns whether TLS proves the identity of the service, because issuer and name of its certificate are verified.
    fn is_proven_by_tls(&self) -> bool {
        let trust = &self.connection.trust;
        self.endpoint().transport() == client::Transport::Https
            && trust.issuer == Verification::Required
            && trust.name == Verification::Required
    }

    /// Returns the login with its password read, so that the user is prompted at most once.
    fn with_password(&self) -> Result<Login, Failure> {
        let Login::Password { scheme, user, password, spn } = self.connection.login.clone() else {
            return Ok(self.connection.login.clone());
        };
        // Check first whether the password could be sent, so that it is not prompted for in vain.
        let empty = PasswordSource::Argument(crate::secret::Secret::new(String::new()));
        let service = self.service(Login::Password { scheme, user: user.clone(), password: empty, spn })?;
        service.session.check_sign_in().map_err(|error| service.failure(error))?;
        let secret = crate::session::resolve(password, &user, self.endpoint().host())?;
        Ok(Login::Password { scheme, user, password: PasswordSource::Argument(secret), spn })
    }

    /// Returns the requested authentication scheme, or `None` if it is selected automatically.
    fn requested_scheme(&self) -> Option<PasswordScheme> {
        match &self.connection.login {
            Login::Password { scheme, .. } => *scheme,
            Login::Implicit { scheme: ImplicitScheme::Kerberos, .. } => Some(PasswordScheme::Kerberos),
            Login::Implicit {
                scheme: ImplicitScheme::Negotiate | ImplicitScheme::NegotiateDefaultCredentials,
                ..
            } => Some(PasswordScheme::Negotiate),
            _ => None,
        }
    }
}

/// Runs all checks of the remote service.
pub(super) async fn check_all(target: &RemoteTarget<'_>, runner: &mut CheckRunner<'_>) -> io::Result<()> {
    network::reach(target, runner).await?;
    let identity = network::identify(target, runner).await?;
    let greeting = network::greet(target, runner).await?;
    let login = realm::check(target, greeting.as_ref(), runner).await?;
    let service = sign_in::check(target, login, greeting.as_ref(), runner).await?;
    authenticated::check(service.as_ref(), identity.as_ref(), runner).await
}

/// Returns a time limit with a generic timeout message.
fn seconds(after: u64) -> Limit {
    let late = Outcome::fail(Kind::Timeout, "the check timed out")
        .fix("increase the time limit of each check: -timeout:MILLISECONDS");
    Limit { after: Duration::from_secs(after), late }
}

/// Default time limit of one request.
const LONGEST_REQUEST: Duration = Duration::from_secs(60);
