//! A service over the network.

mod network;
mod realm;
mod sign_in;
mod use_of_it;

use std::io;
use std::time::Duration;

use super::finding::Outcome;
use super::round::{Limit, Round};
use crate::connection::{Connection, Delegation, ImplicitScheme, Login, PasswordScheme, Verification};
use crate::failure::{Failure, Kind};
use crate::secret::PasswordSource;
use crate::session::Service;
use crate::settings::ClientSettings;

/// Which service is examined, and for whom.
pub(super) struct Patient<'s> {
    /// With a limit for each request that suits a check.
    connection: Connection,
    settings: &'s ClientSettings,
    /// The same service, asked by nobody.
    anonymous: Service,
}

impl<'s> Patient<'s> {
    pub(super) fn new(
        mut connection: Connection,
        settings: &'s ClientSettings,
        limit: Option<Duration>,
    ) -> Result<Self, Failure> {
        // What a service takes longer for than a check may, it need not do at all.
        connection.timeout = Some(limit.unwrap_or(LONGEST_REQUEST));
        let nobody = Connection { login: Login::Anonymous, ..connection.clone() };
        let anonymous = Service::new(nobody, settings, Delegation::Refused)?;
        Ok(Self { connection, settings, anonymous })
    }

    /// Where it is, and who wants to use it.
    pub(super) fn title(&self) -> String {
        let endpoint = self.endpoint();
        match &self.connection.login {
            Login::Password { user, .. } => format!("{endpoint} as {user}"),
            Login::Certificate(_) => format!("{endpoint} with a certificate"),
            Login::Anonymous => format!("{endpoint} as nobody"),
            Login::Implicit { .. } => endpoint.to_string(),
        }
    }

    fn endpoint(&self) -> &client::Endpoint {
        self.anonymous.session.endpoint()
    }

    /// The host, as a command line has it.
    fn host(&self) -> String {
        crate::failure::bracketed(self.endpoint().host()).into_owned()
    }

    /// The same connection by another login.
    fn service(&self, login: Login) -> Result<Service, Failure> {
        let connection = Connection { login, ..self.connection.clone() };
        Service::new(connection, self.settings, Delegation::Refused)
    }

    /// What a failure of the client means.
    fn outcome(&self, error: client::Error) -> Outcome {
        Outcome::from(&self.anonymous.failure(error))
    }

    /// Whether the certificate of the service is looked at in full, so that TLS proves who it is.
    fn is_proven_by_tls(&self) -> bool {
        let trust = &self.connection.trust;
        self.endpoint().transport() == client::Transport::Https
            && trust.issuer == Verification::Required
            && trust.name == Verification::Required
    }

    /// The login with its password found, so that nobody is asked for it twice.
    fn with_password(&self) -> Result<Login, Failure> {
        let Login::Password { scheme, user, password, spn } = self.connection.login.clone() else {
            return Ok(self.connection.login.clone());
        };
        let login = |password| Login::Password { scheme, user: user.clone(), password, spn };
        // Nobody is asked for a password that would not be sent.
        let empty = PasswordSource::Argument(crate::secret::Secret::new(String::new()));
        let asking = self.service(login(empty))?;
        asking.session.check_sign_in().map_err(|error| asking.failure(error))?;
        let secret = crate::session::resolve(password, &user, self.endpoint().host())?;
        Ok(login(PasswordSource::Argument(secret)))
    }

    /// The scheme that was asked for, of those that a service offers by name.
    fn chosen(&self) -> Option<PasswordScheme> {
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

/// Looks at it from the outside to the inside.
pub(super) async fn examine(patient: &Patient<'_>, round: &mut Round<'_>) -> io::Result<()> {
    network::reach(patient, round).await?;
    let identity = network::identify(patient, round).await?;
    let greeting = network::greet(patient, round).await?;
    let login = realm::ask(patient, greeting.as_ref(), round).await?;
    let signed = sign_in::try_all(patient, login, greeting.as_ref(), round).await?;
    use_of_it::look(signed.as_ref(), identity.as_ref(), round).await
}

/// A limit for what says nothing when it is late but that it is.
fn seconds(after: u64) -> Limit {
    let late = Outcome::fail(Kind::Timeout, "it did not end in time")
        .fix("give it more time: -timeout:MILLISECONDS holds for each check");
    Limit { after: Duration::from_secs(after), late }
}

/// How long the service may work on one request of a check.
const LONGEST_REQUEST: Duration = Duration::from_secs(60);
