//! The client's side (RFC 4121 4.1).

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use auth::{AuthError, Initiated, Mutual, Secret, Step};

use crate::acceptor::KeytabFile;
use crate::diagnosis::{Trying, diagnose};
use crate::library::{Credential, Failure, Name, NameForm, RawContext, Request, Stored, Usage};
use crate::{Cache, Context, KerberosError, Library, Principal, Spn, flag};

/// What a client signs in with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Tickets that are there already.
    Tickets(Cache),
    /// The key of a principal in a keytab; tickets got with it are kept in the memory of this process.
    Keytab(ClientKeytab),
    /// The password of a principal; a ticket is got with it and forgotten with the initiator.
    Password {
        /// Who.
        principal: Principal,
        /// Its password.
        password: Secret,
    },
}

/// One principal in a keytab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKeytab {
    file: KeytabFile,
    principal: Principal,
}

/// Whether the service may act as the client elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delegation {
    /// It may not.
    #[default]
    No,
    /// It may where the realm trusts the service with it (`ok-as-delegate`).
    ByPolicy,
    /// It may: it gets a ticket that is as good as the client's own.
    Yes,
}

/// The client's side of one authentication.
///
/// Every step may wait for a KDC; the library gives up after some tens of seconds.
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

/// A service that has been reached.
#[derive(Debug)]
pub struct Reached {
    /// What protects messages from now on.
    pub context: Context,
    /// Whether the service has proven itself, too.
    pub mutual: Mutual,
    /// Whether the service can act as the client elsewhere.
    pub delegated: Delegated,
}

/// Whether something was delegated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delegated {
    /// A ticket of the client.
    Ticket,
    /// Nothing.
    Nothing,
}

/// Why an initiator failed, still there when others know it only as [`auth::Initiator`].
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
    /// Asks for the service `spn`; delegates nothing and is bound to no TLS connection unless told so.
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

    /// Whether the service may act as the client.
    #[must_use]
    pub fn delegation(self, delegation: Delegation) -> Self {
        Self { delegation, ..self }
    }

    /// Binds to a TLS connection: `tls-server-end-point:` and the hash of the certificate (RFC 5929).
    #[must_use]
    pub fn channel_binding(self, application_data: Vec<u8>) -> Self {
        Self { binding: Some(application_data), ..self }
    }

    /// For how long a ticket of the service is asked for; otherwise for as long as the client's own is good.
    ///
    /// One that is in the cache already is taken as it is.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime: Some(lifetime), ..self }
    }

    /// Where the reason will be if it fails.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason.clone()
    }

    /// As [`auth::Initiator::step`], with all that is known of the service, or of the reason for a failure.
    ///
    /// # Errors
    /// [`KerberosError`]. After that, and once it is done, [`KerberosError::Over`].
    pub fn advance(&mut self, token: Option<&[u8]>) -> Result<Step<Reached>, KerberosError> {
        let pending = match (std::mem::replace(&mut self.state, State::Over), token) {
            (State::New, None) => self.begin(),
            (State::Waiting(pending), Some(_)) => Ok(pending),
            _ => Err(KerberosError::Over),
        };
        let outcome = pending.and_then(|pending| self.take(pending, token));
        outcome.inspect_err(|error| {
            // The first reason is the one that counts.
            let _ = self.reason.0.set(error.clone());
        })
    }

    fn begin(&self) -> Result<Pending, KerberosError> {
        let (text, form) = self.spn.name();
        let not_an_spn = |_| KerberosError::NotAnSpn(self.spn.to_string());
        let target = Name::import(&self.library, &text, form).map_err(not_an_spn)?;
        let credential = self.credentials.open(&self.library)?;
        Ok(Pending { raw: RawContext::new(&self.library), credential, target })
    }

    fn take(&mut self, mut pending: Pending, token: Option<&[u8]>) -> Result<Step<Reached>, KerberosError> {
        if let Some(octets) = token.map(<[u8]>::len).filter(|octets| *octets > MAX_TOKEN_OCTETS) {
            return Err(KerberosError::Malformed { cause: format!("it has {octets} octets") });
        }
        let request = Request {
            credential: &pending.credential,
            target: &pending.target,
            flags: self.flags(),
            lifetime: self.lifetime.map_or(0, seconds),
            binding: self.binding.as_deref(),
        };
        let progress = pending
            .raw
            .initiate(&request, token)
            .map_err(|failure| diagnose(failure, Trying::Reach(&self.spn, &self.credentials.client())))?;
        if !progress.is_complete {
            self.state = State::Waiting(pending);
            return Ok(Step::Continue(progress.token));
        }
        if progress.flags & flag::INTEGRITY == 0 {
            return Err(KerberosError::Downgraded("integrity of messages"));
        }
        let has = |wanted| progress.flags & wanted != 0;
        let delegated = if has(flag::DELEGATION) { Delegated::Ticket } else { Delegated::Nothing };
        if self.delegation == Delegation::Yes && delegated == Delegated::Nothing {
            tracing::warn!(service = %self.spn, "The ticket cannot be delegated: kinit -f makes one that can");
        }
        let mutual = if has(flag::MUTUAL) { Mutual::Proven } else { Mutual::Unproven };
        let context = Context::established(pending.raw, progress.flags);
        let token = (!progress.token.is_empty()).then_some(progress.token);
        Ok(Step::Done { token, outcome: Reached { context, mutual, delegated } })
    }

    fn flags(&self) -> u32 {
        let protection =
            flag::MUTUAL | flag::CONFIDENTIALITY | flag::INTEGRITY | flag::SEQUENCE | flag::REPLAY;
        let delegation = match self.delegation {
            Delegation::No => 0,
            Delegation::ByPolicy => flag::DELEGATION_BY_POLICY,
            Delegation::Yes => flag::DELEGATION,
        };
        // Tells the service that whoever takes the binding out of the token has changed it.
        let bound = if self.binding.is_some() { flag::CHANNEL_BOUND } else { 0 };
        protection | delegation | bound
    }
}

impl auth::Initiator for Initiator {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        let step = self.advance(token).map_err(|error| {
            tracing::debug!(%error, service = %self.spn, "Kerberos does not reach the service");
            AuthError::from(&error)
        })?;
        Ok(match step {
            Step::Continue(token) => Step::Continue(token),
            Step::Done { token, outcome: Reached { context, mutual, .. } } => {
                Step::Done { token, outcome: Initiated { context: Box::new(context), mutual } }
            }
        })
    }
}

impl Credentials {
    /// The default ones of whoever runs this process.
    #[must_use]
    pub fn of_this_user() -> Self {
        Self::Tickets(Cache::default())
    }

    /// The key of `principal` in a keytab.
    ///
    /// # Errors
    /// [`KerberosError::NotAName`] for a path with a NUL character.
    pub fn keytab(path: impl Into<PathBuf>, principal: Principal) -> Result<Self, KerberosError> {
        let file = KeytabFile::new(path.into())?;
        Ok(Self::Keytab(ClientKeytab { file, principal }))
    }

    fn open(&self, library: &Arc<Library>) -> Result<Credential, KerberosError> {
        let client = self.client();
        let failed = |failure| diagnose(failure, Trying::SignIn(&client));
        let credential = match self {
            Self::Tickets(cache) => return cache.open(library),
            Self::Keytab(keytab) => return keytab.open(library),
            Self::Password { principal, password } => {
                Credential::with_password(library, &imported(library, principal)?, password.expose())
            }
        };
        credential.and_then(tried).map_err(failed)
    }

    /// Who signs in, for messages.
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
        let unusable = |cause: String| KerberosError::ClientKeytab {
            keytab: file.path().to_owned(),
            principal: principal.clone(),
            cause,
        };
        // The library would look elsewhere, and complain of what it does not find there.
        File::open(file.path()).map_err(|error| unusable(error.to_string()))?;
        let (keytab, cache) = (file.name(), self.private_cache());
        let stores = [Stored::ClientKeytab(&keytab), Stored::Cache(&cache)];
        let name = imported(library, principal)?;
        let credential = Credential::acquire(library, Some(&name), Usage::Initiate, &stores);
        credential.and_then(tried).map_err(|failure| {
            match diagnose(failure, Trying::SignIn(&principal.to_string())) {
                KerberosError::NoTicket { .. } => unusable("it has no key of this name".to_owned()),
                error => error,
            }
        })
    }

    /// One for each principal of each keytab: its tickets serve all initiators of this process.
    fn private_cache(&self) -> CString {
        let (path, principal) = (self.file.path().as_os_str().as_bytes(), self.principal.to_string());
        CString::new([b"MEMORY:telarch:", path, b":", principal.as_bytes()].concat()).unwrap_or_default()
    }
}

impl Reason {
    /// The reason, once there is one.
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

fn imported(library: &Arc<Library>, principal: &Principal) -> Result<Name, KerberosError> {
    let text = principal.to_string();
    Name::import(library, &text, NameForm::Principal)
        .map_err(|failure| diagnose(failure, Trying::SignIn(&text)))
}

/// Until it is asked, the library has not tried a password or a key.
fn tried(credential: Credential) -> Result<Credential, Failure> {
    credential.inquire()?;
    Ok(credential)
}

/// Zero would mean that it does not matter.
fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// An answer has a few hundred.
const MAX_TOKEN_OCTETS: usize = 64 * 1_024;
