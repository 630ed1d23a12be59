//! The service's side (RFC 4121 4.1).

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::ntlm::HostNames;
use auth::{Accepted, Account, AuthError, Binding, Hardening, ServiceClass, Step, TicketService};

use crate::diagnosis::{Trying, diagnose};
use crate::error::Mismatch;
use crate::library::{Credential, Name, NameForm, Progress, RawContext, Stored, Usage};
use crate::{Context, Delegated, KerberosError, Library, Principal, PrincipalMap, flag};

/// What a service needs to sign its clients in; makes an [`Acceptor`] for each of them.
#[derive(Clone)]
pub struct Acceptors {
    library: Arc<Library>,
    keytab: Keytab,
    sealing: Sealing,
    names: HostNames,
    principals: Arc<dyn PrincipalMap>,
}

/// Where the keys of the service are.
///
/// Clients ask for `HTTP/host`, `WSMAN/host` or `host/host`. Tickets for other services are refused, also those whose
/// keys are in the same keytab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keytab {
    /// Where `KRB5_KTNAME` or `krb5.conf` say; mostly `/etc/krb5.keytab`.
    #[default]
    OfThisMachine,
    /// This file.
    File(KeytabFile),
}

/// The path of a keytab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeytabFile(
    /// INVARIANT: without a NUL character.
    PathBuf,
);

/// Whether a client must be able to seal messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sealing {
    /// Not where TLS protects them, or nothing has to.
    #[default]
    Optional,
    /// Where nothing else protects them.
    Required,
}

/// The service's side of one authentication.
///
/// Taking a token may wait for disks and, as it looks for the account, for whatever the list of accounts does.
pub struct Acceptor {
    service: Acceptors,
    binding: Binding,
    standing: Standing,
    claimed: Option<Principal>,
}

/// A client that has proven itself and has an account here.
#[derive(Debug)]
pub struct Client {
    /// Who it is to its realm.
    pub principal: Principal,
    /// Who it is here.
    pub account: Account,
    /// What protects messages from now on.
    pub context: Context,
    /// Whether the client has handed on its ticket; it is not kept here.
    pub delegated: Delegated,
}

/// A token that a key of the keytab has opened.
struct Opened {
    raw: RawContext,
    progress: Progress,
    client: Option<Name>,
    opened_by: OpenedBy,
}

/// The key that has opened a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenedBy {
    /// The key of the service that the ticket names.
    KeyOfTicketName,
    /// Whichever key of the keytab fitted.
    AnyKey,
}

/// A client needs one token to prove itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Waiting,
    Over,
}

impl Acceptors {
    /// For the machine's own keytab, without demanding that clients can seal.
    #[must_use]
    pub fn new(library: Arc<Library>, principals: Arc<dyn PrincipalMap>) -> Self {
        let (keytab, sealing, names) = (Keytab::default(), Sealing::default(), HostNames::default());
        Self { library, keytab, sealing, names, principals }
    }

    /// With the names of this machine, which [`Hardening::Strict`] demands of tickets.
    #[must_use]
    pub fn host_names(self, names: HostNames) -> Self {
        Self { names, ..self }
    }

    /// With the keys of another keytab.
    #[must_use]
    pub fn keytab(self, keytab: Keytab) -> Self {
        Self { keytab, ..self }
    }

    /// Whether clients must be able to seal.
    #[must_use]
    pub fn sealing(self, sealing: Sealing) -> Self {
        Self { sealing, ..self }
    }

    /// Whether there are keys, for a word of warning before the first client comes.
    ///
    /// # Errors
    /// [`KerberosError::Keytab`] with what is missing, [`KerberosError::Configuration`].
    pub fn check(&self) -> Result<(), KerberosError> {
        self.keys(None).map(drop)
    }

    /// The service's side of one authentication on a connection.
    #[must_use]
    pub fn acceptor(&self, binding: Binding) -> Acceptor {
        Acceptor { service: self.clone(), binding, standing: Standing::Waiting, claimed: None }
    }

    /// Opens the keys of one service, or of all. They are opened for each client, so that a new keytab counts at once
    /// and each failure is reported.
    fn keys(&self, service: Option<&Name>) -> Result<Credential, KerberosError> {
        let path = self.keytab.name();
        let store = path.as_deref().map(Stored::Keytab);
        Credential::acquire(&self.library, service, Usage::Accept, store.as_slice())
            .map_err(|failure| self.naming_keytab(diagnose(failure, Trying::OpenKeytab(self.keytab.path()))))
    }

    /// The keytab of the environment is told by its name where that is known.
    fn naming_keytab(&self, error: KerberosError) -> KerberosError {
        match error {
            KerberosError::NoKey { keytab: None, cause } => {
                KerberosError::NoKey { keytab: self.library.default_keytab(), cause }
            }
            KerberosError::Keytab { keytab, cause } => self.keytab_error(keytab, cause),
            error => error,
        }
    }

    /// To the library a file that it cannot read is one that is not there: the system knows better.
    fn keytab_error(&self, keytab: Option<PathBuf>, cause: String) -> KerberosError {
        let keytab = keytab.or_else(|| self.library.default_keytab());
        let opened = keytab.as_ref().map(File::open);
        let cause = opened.and_then(Result::err).map_or(cause, |error| error.to_string());
        KerberosError::Keytab { keytab, cause }
    }
}

impl Acceptor {
    /// As [`auth::Acceptor::step`], with all that is known of the client, or of the reason for a failure.
    ///
    /// # Errors
    /// [`KerberosError`]. After that, and once it is done, [`KerberosError::Over`].
    pub fn accept(&mut self, token: &[u8]) -> Result<Step<Client>, KerberosError> {
        if std::mem::replace(&mut self.standing, Standing::Over) == Standing::Over {
            return Err(KerberosError::Over);
        }
        if token.len() > MAX_TOKEN_OCTETS {
            return Err(KerberosError::Malformed { cause: format!("it has {} octets", token.len()) });
        }
        let Opened { raw, progress, client, opened_by } = self.open(token)?;
        // Only the style of DCE (MS-KILE 3.4.5.1) has a third token, and messages of another form.
        if !progress.is_complete {
            return Err(KerberosError::Malformed { cause: "it is in the style of DCE".to_owned() });
        }
        self.demand(progress.flags)?;
        if progress.flags & flag::CHANNEL_BOUND == 0 {
            self.require_own_service(token, opened_by, &raw)?;
        }
        let client = client.ok_or(KerberosError::Downgraded("a name"))?;
        let (principal, account) = self.account(&client)?;
        let delegated = match progress.flags & flag::DELEGATION {
            0 => Delegated::Nothing,
            _ => Delegated::Ticket,
        };
        if delegated == Delegated::Ticket {
            tracing::info!(%principal, "The client has handed on its ticket, which is not kept");
        }
        let context = Context::established(raw, progress.flags);
        let token = (!progress.token.is_empty()).then_some(progress.token);
        Ok(Step::Done { token, outcome: Client { principal, account, context, delegated } })
    }

    fn demand(&self, flags: u32) -> Result<(), KerberosError> {
        if flags & flag::ANONYMOUS != 0 {
            return Err(KerberosError::Downgraded("a name"));
        }
        if flags & flag::INTEGRITY == 0 {
            return Err(KerberosError::Downgraded("integrity of messages"));
        }
        if self.service.sealing == Sealing::Required && flags & flag::CONFIDENTIALITY == 0 {
            return Err(KerberosError::Downgraded("sealed messages"));
        }
        let is_demanded = self.binding.level == Hardening::Strict && self.binding.expected.is_some();
        if is_demanded && flags & flag::CHANNEL_BOUND == 0 {
            return Err(KerberosError::ChannelBinding(Mismatch::Absent));
        }
        Ok(())
    }

    /// Opens a token with the key of the service that its ticket names, if that service is ours, or else with any
    /// key of the keytab: in a domain of Windows all services of a machine share one key, and the keytab need not have
    /// all their names.
    fn open(&self, token: &[u8]) -> Result<Opened, KerberosError> {
        let named = TicketService::of_token(token).ok().filter(|service| service.class().is_some());
        let principal = named.and_then(|service| Principal::of_service(&service));
        let library = &self.service.library;
        let name = principal
            .and_then(|principal| Name::import(library, &principal.to_string(), NameForm::Principal).ok());
        // The name is a claim. Where its key is missing, or did not seal the ticket, another one may have.
        if let Some(keys) = name.as_ref().and_then(|name| self.service.keys(Some(name)).ok()) {
            match self.open_with(&keys, token, OpenedBy::KeyOfTicketName) {
                Err(KerberosError::NoKey { .. }) => {}
                outcome => return outcome,
            }
        }
        self.open_with(&self.service.keys(None)?, token, OpenedBy::AnyKey)
    }

    fn open_with(
        &self,
        keys: &Credential,
        token: &[u8],
        opened_by: OpenedBy,
    ) -> Result<Opened, KerberosError> {
        let mut raw = RawContext::new(&self.service.library);
        let trying = Trying::Accept(self.service.keytab.path());
        let binding = self.binding.expected.as_ref().filter(|_| self.binding.level != Hardening::None);
        let (progress, client) = raw
            .accept(keys, token, binding.map(auth::ChannelBinding::application_data))
            .map_err(|failure| self.service.naming_keytab(diagnose(failure, trying)))?;
        Ok(Opened { raw, progress, client, opened_by })
    }

    /// Rejects a ticket for another service, such as `cifs`: somebody relays the sign-in of a client that wanted to go
    /// there. A token that is bound to this TLS connection was made for it, whatever the name of the service.
    ///
    /// The name in the ticket is not sealed; so where another key than that of this name has opened the ticket, the
    /// name of that key counts, too. It says nothing where it is the account of the machine.
    fn require_own_service(
        &self,
        token: &[u8],
        opened_by: OpenedBy,
        raw: &RawContext,
    ) -> Result<(), KerberosError> {
        let service = TicketService::of_token(token)
            .map_err(|error| KerberosError::Malformed { cause: error.to_string() })?;
        let shown = || service.components().join("/");
        if service.class().is_none() {
            return Err(KerberosError::OtherService { service: shown() });
        }
        if opened_by == OpenedBy::AnyKey {
            let owner = raw.service().map_err(|failure| diagnose(failure, Trying::Anything))?;
            let owner = principal_of(&owner.ok_or(KerberosError::Downgraded("a service name"))?)?;
            if let [class, _, ..] = owner.components()
                && ServiceClass::of(class).is_none()
            {
                return Err(KerberosError::OtherService { service: owner.to_string() });
            }
        }
        let is_called = |host| self.service.names.is_called(host);
        if self.binding.level == Hardening::Strict && !service.host().is_some_and(is_called) {
            let own = self.service.names.dns().to_owned();
            return Err(KerberosError::OtherHost { service: shown(), own });
        }
        Ok(())
    }

    fn account(&self, client: &Name) -> Result<(Principal, Account), KerberosError> {
        let principal = principal_of(client)?;
        let local_name = || {
            let local = client.local();
            let local = local.inspect_err(|failure| {
                tracing::debug!(%principal, error = failure.text, "auth_to_local gives no name");
            });
            String::from_utf8(local.ok()?).ok()
        };
        let account = self.service.principals.account(&principal, &local_name)?;
        tracing::debug!(%principal, %account, "Kerberos knows the client");
        Ok((principal, account))
    }
}

impl auth::Acceptor for Acceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let step = self.accept(token).map_err(|error| {
            let verdict = AuthError::from(&error);
            if let KerberosError::NoAccount { principal, .. } | KerberosError::Accounts { principal, .. } =
                &error
            {
                self.claimed = Some(principal.clone());
            }
            // In one line, and quoted: names in it come from elsewhere.
            let reason = error.to_string().replace('\n', ";");
            if verdict == AuthError::Unavailable && error != KerberosError::Over {
                tracing::error!(error = reason, "Kerberos cannot judge sign-ins");
            } else if error.has_remedy() {
                tracing::info!(error = reason, "Kerberos refuses a client");
            } else {
                tracing::debug!(error = reason, "Kerberos refuses a client");
            }
            verdict
        })?;
        Ok(match step {
            Step::Continue(token) => Step::Continue(token),
            Step::Done { token, outcome: Client { account, context, .. } } => {
                Step::Done { token, outcome: Accepted { account, context: Box::new(context) } }
            }
        })
    }

    fn claimed(&self) -> Option<String> {
        self.claimed.as_ref().map(ToString::to_string)
    }
}

impl Keytab {
    /// This file.
    ///
    /// # Errors
    /// [`KerberosError::NotAName`] for a path with a NUL character.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, KerberosError> {
        KeytabFile::new(path.into()).map(Self::File)
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::OfThisMachine => None,
            Self::File(file) => Some(file.path()),
        }
    }

    fn name(&self) -> Option<CString> {
        match self {
            Self::OfThisMachine => None,
            Self::File(file) => Some(file.name()),
        }
    }
}

impl KeytabFile {
    pub(crate) fn new(path: PathBuf) -> Result<Self, KerberosError> {
        if path.as_os_str().as_bytes().contains(&0) {
            return Err(KerberosError::NotAName(path.display().to_string()));
        }
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// As the library wants it; without the type it would take a colon in the path for the end of one.
    pub(crate) fn name(&self) -> CString {
        CString::new([b"FILE:", self.0.as_os_str().as_bytes()].concat()).unwrap_or_default()
    }
}

impl fmt::Debug for Acceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptors")
            .field("keytab", &self.keytab)
            .field("sealing", &self.sealing)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("service", &self.service)
            .field("binding", &self.binding)
            .finish_non_exhaustive()
    }
}

/// The principal that a name of the library is.
fn principal_of(name: &Name) -> Result<Principal, KerberosError> {
    let text = name.display().map_err(|failure| diagnose(failure, Trying::Anything))?;
    let text = String::from_utf8(text).map_err(|error| {
        KerberosError::NotAPrincipal(String::from_utf8_lossy(error.as_bytes()).into_owned())
    })?;
    Principal::parse(&text)
}

/// Tickets with long lists of groups come to 48 KiB.
const MAX_TOKEN_OCTETS: usize = 64 * 1_024;
