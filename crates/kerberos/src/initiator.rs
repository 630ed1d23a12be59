//! Client side of Kerberos (RFC 4121 4.1).

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use auth::{AuthError, Initiated, Mutual, Secret, Step};

use crate::diagnosis::{Operation, diagnose};
use crate::library::{Credential, Failure, Name, NameForm, RawContext, Request, Stored, Usage};
use crate::{Cache, Context, KerberosError, KeytabFile, Library, Principal, Spn, flag};

/// Credentials of a client.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Existing tickets.
    Tickets(Cache),
    /// The key of a principal in a keytab; tickets obtained with it are cached in the memory of this process.
    Keytab(ClientKeytab),
    /// The password of a principal; the ticket obtained with it is dropped with the initiator.
    Password {
        /// Principal to authenticate as.
        principal: Principal,
        /// Password of the principal.
        password: Secret,
    },
}

/// A principal in a keytab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKeytab {
    file: KeytabFile,
    principal: Principal,
}

/// Permission for the service to act as the client on other hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delegation {
    /// No delegation.
    #[default]
    No,
    /// Delegation only if the realm trusts the service for it (`ok-as-delegate`).
    ByPolicy,
    /// Delegation of a forwarded ticket, equivalent to the client's own.
    Yes,
}

/// Client side of one authentication.
///
/// Each step may wait for a KDC; the library times out after some tens of seconds.
pub struct Initiator {
    library: Arc<Library>,
    credentials: Credentials,
    spn: Spn,
    delegation: Delegation,
    binding: Option<Vec<u8>>,
    lifetime: Option<Duration>,
    reason: Reason,
    state: State,
}

/// An authenticated connection to a service.
#[derive(Debug)]
pub struct AuthenticatedService {
    /// Protection of subsequent messages.
    pub context: Context,
    /// Whether the service was authenticated, too.
    pub mutual: Mutual,
    /// Whether the service received a delegated ticket.
    pub delegated: Delegated,
}

/// Result of delegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delegated {
    /// A ticket was delegated.
    Ticket,
    /// No ticket was delegated.
    Nothing,
}

/// Reason why an initiator failed; also available to callers that know it only as [`auth::Initiator`].
#[derive(Clone, Debug, Default)]
pub struct Reason(Arc<OnceLock<KerberosError>>);

enum State {
    New,
    Waiting(Pending),
    Over,
}

struct Pending {
    raw: RawContext,
    credential: Credential,
    target: Name,
}

impl Initiator {
    /// Creates an initiator for the service `spn`, without delegation and channel binding.
    #[must_use]
    pub fn new(library: Arc<Library>, credentials: Credentials, spn: Spn) -> Self {
        Self {
            library,
            credentials,
            spn,
            delegation: Delegation::default(),
            binding: None,
            lifetime: None,
            reason: Reason::default(),
            state: State::New,
        }
    }

    /// Sets whether the service may act as the client.
    #[must_use]
    pub fn delegation(self, delegation: Delegation) -> Self {
        Self { delegation, ..self }
    }

    /// Binds the authentication to a TLS connection: `tls-server-end-point:` and the certificate hash (RFC 5929).
    #[must_use]
    pub fn channel_binding(self, application_data: Vec<u8>) -> Self {
        Self { binding: Some(application_data), ..self }
    }

    /// Sets the requested lifetime of the service ticket. By default it is that of the client's own ticket.
    ///
    /// A service ticket that is already in the cache is used as it is.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime: Some(lifetime), ..self }
    }

    /// Returns a handle to the reason of a failure.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason.clone()
    }

    /// Processes a token like [`auth::Initiator::step`], with all details of the service or of the failure.
    ///
    /// # Errors
    /// [`KerberosError`]; [`KerberosError::Over`] after an error or completion.
    pub fn advance(&mut self, token: Option<&[u8]>) -> Result<Step<AuthenticatedService>, KerberosError> {
        let pending = match (std::mem::replace(&mut self.state, State::Over), token) {
            (State::New, None) => self.begin(),
            (State::Waiting(pending), Some(_)) => Ok(pending),
            _ => Err(KerberosError::Over),
        };
        let outcome = pending.and_then(|pending| self.process(pending, token));
        outcome.inspect_err(|error| {
            // Only the first reason is kept.
            let _ = self.reason.0.set(error.clone());
        })
    }

    fn begin(&self) -> Result<Pending, KerberosError> {
        let (text, form) = self.spn.name();
        let target = Name::import(&self.library, &text, form)
            .map_err(|_| KerberosError::NotAnSpn(self.spn.to_string()))?;
        let credential = self.credentials.open(&self.library)?;
        Ok(Pending { raw: RawContext::new(&self.library), credential, target })
    }

    fn process(
        &mut self,
        mut pending: Pending,
        token: Option<&[u8]>,
    ) -> Result<Step<AuthenticatedService>, KerberosError> {
        if let Some(octets) = token.map(<[u8]>::len).filter(|octets| *octets > MAX_TOKEN) {
            return Err(KerberosError::Malformed { cause: format!("{octets} bytes long") });
        }
        let request = Request {
            credential: &pending.credential,
            target: &pending.target,
            flags: self.flags(),
            lifetime: self.lifetime.map_or(0, seconds),
            binding: self.binding.as_deref(),
        };
        let progress = pending.raw.initiate(&request, token).map_err(|failure| {
            diagnose(failure, Operation::RequestService(&self.spn, &self.credentials.client()))
        })?;
        if !progress.is_complete {
            self.state = State::Waiting(pending);
            return Ok(Step::Continue(progress.token));
        }
        if progress.flags & flag::INTEGRITY == 0 {
            return Err(KerberosError::Downgraded("message integrity"));
        }
        let is_delegated = progress.flags & flag::DELEGATION != 0;
        let delegated = if is_delegated { Delegated::Ticket } else { Delegated::Nothing };
        if self.delegation == Delegation::Yes && delegated == Delegated::Nothing {
            tracing::warn!(service = %self.spn, "Ticket is not forwardable; obtain one with kinit -f");
        }
        let is_mutual = progress.flags & flag::MUTUAL != 0;
        let mutual = if is_mutual { Mutual::Proven } else { Mutual::Unproven };
        let context = Context::established(pending.raw, progress.flags);
        let token = (!progress.token.is_empty()).then_some(progress.token);
        Ok(Step::Done { token, outcome: AuthenticatedService { context, mutual, delegated } })
    }

    fn flags(&self) -> u32 {
        let protection =
            flag::MUTUAL | flag::CONFIDENTIALITY | flag::INTEGRITY | flag::SEQUENCE | flag::REPLAY;
        let delegation = match self.delegation {
            Delegation::No => 0,
            Delegation::ByPolicy => flag::DELEGATION_BY_POLICY,
            Delegation::Yes => flag::DELEGATION,
        };
        // The flag tells the service that a token without binding has been modified.
        let bound = if self.binding.is_some() { flag::CHANNEL_BOUND } else { 0 };
        protection | delegation | bound
    }
}

impl auth::Initiator for Initiator {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        let step = self.advance(token).map_err(|error| {
            tracing::debug!(%error, service = %self.spn, "Kerberos authentication to the service failed");
            AuthError::from(&error)
        })?;
        Ok(match step {
            Step::Continue(token) => Step::Continue(token),
            Step::Done { token, outcome: AuthenticatedService { context, mutual, .. } } => {
                Step::Done { token, outcome: Initiated { context: Box::new(context), mutual } }
            }
        })
    }
}

impl Credentials {
    /// Uses the default tickets of the user who runs this process.
    #[must_use]
    pub fn of_this_user() -> Self {
        Self::Tickets(Cache::default())
    }

    /// Uses the key of `principal` in a keytab.
    ///
    /// # Errors
    /// [`KerberosError::NotAName`] for a path with a NUL character.
    pub fn keytab(path: impl Into<PathBuf>, principal: Principal) -> Result<Self, KerberosError> {
        let file = KeytabFile::new(path.into())?;
        Ok(Self::Keytab(ClientKeytab { file, principal }))
    }

    fn open(&self, library: &Arc<Library>) -> Result<Credential, KerberosError> {
        let client = self.client();
        let credential = match self {
            Self::Tickets(cache) => return cache.open(library),
            Self::Keytab(keytab) => return keytab.open(library),
            Self::Password { principal, password } => {
                Credential::with_password(library, &import_name(library, principal)?, password.expose())
            }
        };
        credential
            .and_then(verify_credential)
            .map_err(|failure| diagnose(failure, Operation::SignIn(&client)))
    }

    /// Client name for error messages.
    fn client(&self) -> String {
        match self {
            Self::Tickets(_) => "the owner of the ticket".to_owned(),
            Self::Keytab(ClientKeytab { principal, .. }) | Self::Password { principal, .. } => {
                principal.to_string()
            }
        }
    }
}

impl ClientKeytab {
    fn open(&self, library: &Arc<Library>) -> Result<Credential, KerberosError> {
        let Self { file, principal } = self;

        // The library would search elsewhere and report a misleading error.
        File::open(file.path()).map_err(|error| self.unusable(error.to_string()))?;
        let (keytab, cache) = (file.name(), self.private_cache());
        let stores = [Stored::ClientKeytab(&keytab), Stored::Cache(&cache)];
        let name = import_name(library, principal)?;
        let credential = Credential::acquire(library, Some(&name), Usage::Initiate, &stores);
        credential.and_then(verify_credential).map_err(|failure| {
            match diagnose(failure, Operation::SignIn(&principal.to_string())) {
                KerberosError::NoTicket { .. } => self.unusable("no key for this principal".to_owned()),
                error => error,
            }
        })
    }

    fn unusable(&self, cause: String) -> KerberosError {
        let (keytab, principal) = (self.file.path().to_owned(), self.principal.clone());
        KerberosError::ClientKeytab { keytab, principal, cause }
    }

    /// Returns a cache name per principal and keytab; its tickets are shared by all initiators of this process.
    fn private_cache(&self) -> CString {
        let (path, principal) = (self.file.path().as_os_str().as_bytes(), self.principal.to_string());
        CString::new([b"MEMORY:telarch:", path, b":", principal.as_bytes()].concat()).unwrap_or_default()
    }
}

impl Reason {
    /// The reason, once the initiator has failed.
    #[must_use]
    pub fn get(&self) -> Option<&KerberosError> {
        self.0.get()
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiator")
            .field("credentials", &self.credentials)
            .field("spn", &self.spn)
            .field("delegation", &self.delegation)
            .finish_non_exhaustive()
    }
}

fn import_name(library: &Arc<Library>, principal: &Principal) -> Result<Name, KerberosError> {
    let text = principal.to_string();
    Name::import(library, &text, NameForm::Principal)
        .map_err(|failure| diagnose(failure, Operation::SignIn(&text)))
}

/// Verifies a password or key, which the library does not use before it is queried.
fn verify_credential(credential: Credential) -> Result<Credential, Failure> {
    credential.inquire()?;
    Ok(credential)
}

/// Converts a lifetime to seconds; 0 would mean the default.
fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// Maximum token length in bytes; a typical answer has a few hundred.
const MAX_TOKEN: usize = 64 * 1_024;
