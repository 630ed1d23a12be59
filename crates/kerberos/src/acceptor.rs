//! Service side of Kerberos (RFC 4121 4.1).

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::ntlm::HostNames;
use auth::{
    Accepted, Account, AuthError, Binding, DirectorySids, Hardening, ServiceClass, Step, TicketService,
};
use sddl::{LogonInfo, Sid};

use crate::diagnosis::{Operation, diagnose};
use crate::error::Mismatch;
use crate::library::{Credential, Name, NameForm, Progress, RawContext, Stored, Usage};
use crate::{Context, Delegated, KerberosError, KeytabFile, Library, Principal, PrincipalMap, flag};

/// Configuration of a service for authenticating its clients; creates an [`Acceptor`] for each of them.
#[derive(Clone)]
pub struct Acceptors {
    library: Arc<Library>,
    keytab: Keytab,
    sealing: Sealing,
    names: HostNames,
    principals: Arc<dyn PrincipalMap>,
}

/// Location of the service keys.
///
/// Clients request tickets for `HTTP/host`, `WSMAN/host` or `host/host`. Tickets for other services are rejected, even
/// if their keys are in the same keytab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keytab {
    /// Default keytab of `KRB5_KTNAME` or `krb5.conf`, usually `/etc/krb5.keytab`.
    #[default]
    OfThisMachine,
    /// A keytab file.
    File(KeytabFile),
}

/// Requirement that clients can seal messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sealing {
    /// Sealing is not required, because TLS or nothing protects the messages.
    #[default]
    Optional,
    /// Sealing is required, because nothing else protects the messages.
    Required,
}

/// Service side of one authentication.
///
/// Processing a token may block on disk access and on the account lookup.
pub struct Acceptor {
    service: Acceptors,
    binding: Binding,
    state: State,
    claimed: Option<Principal>,
}

/// An authenticated client with an account on this machine.
#[derive(Debug)]
pub struct Client {
    /// Kerberos principal.
    pub principal: Principal,
    /// Local account.
    pub account: Account,
    /// Protection of subsequent messages.
    pub context: Context,
    /// Whether the client has delegated its ticket, which is discarded here.
    pub delegated: Delegated,
    /// SIDs of the client and its groups, if a domain controller has put them into the ticket.
    pub logon_info: Option<LogonInfo>,
}

/// A client's token that a key of the keytab has decrypted.
struct Opened {
    raw: RawContext,
    progress: Progress,
    client: Option<Name>,
    opened_by: OpenedBy,
}

/// Key that decrypted a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenedBy {
    /// The key of the service that the ticket names.
    KeyOfTicketName,
    /// Any other key of the keytab.
    AnyKey,
}

/// State of an acceptor; a client needs only one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Over,
}

impl Acceptors {
    /// Uses the default keytab and does not require sealing.
    #[must_use]
    pub fn new(library: Arc<Library>, principals: Arc<dyn PrincipalMap>) -> Self {
        let (keytab, sealing, names) = (Keytab::default(), Sealing::default(), HostNames::default());
        Self { library, keytab, sealing, names, principals }
    }

    /// Sets the names of this machine, one of which [`Hardening::Strict`] requires in tickets.
    #[must_use]
    pub fn host_names(self, names: HostNames) -> Self {
        Self { names, ..self }
    }

    /// Uses the keys of another keytab.
    #[must_use]
    pub fn keytab(self, keytab: Keytab) -> Self {
        Self { keytab, ..self }
    }

    /// Sets whether clients must be able to seal.
    #[must_use]
    pub fn sealing(self, sealing: Sealing) -> Self {
        Self { sealing, ..self }
    }

    /// Checks that there are keys, so that a warning can be logged before the first client connects.
    ///
    /// # Errors
    /// [`KerberosError::Keytab`] if the keytab is unusable, [`KerberosError::Configuration`] if `krb5.conf` is.
    pub fn check(&self) -> Result<(), KerberosError> {
        self.keys(None).map(drop)
    }

    /// Creates the service side of one authentication on a connection.
    #[must_use]
    pub fn acceptor(&self, binding: Binding) -> Acceptor {
        Acceptor { service: self.clone(), binding, state: State::Waiting, claimed: None }
    }

    /// Opens the keys of one service, or of all. The keytab is opened for each client, so that changes take effect at
    /// once and every failure is reported.
    fn keys(&self, service: Option<&Name>) -> Result<Credential, KerberosError> {
        let path = self.keytab.name();
        let store = path.as_deref().map(Stored::Keytab);
        Credential::acquire(&self.library, service, Usage::Accept, store.as_slice()).map_err(|failure| {
            self.with_keytab_path(diagnose(failure, Operation::OpenKeytab(self.keytab.path())))
        })
    }

    /// Adds the path of the default keytab to an error, if it is known.
    fn with_keytab_path(&self, error: KerberosError) -> KerberosError {
        match error {
            KerberosError::NoKey { keytab: None, cause } => {
                KerberosError::NoKey { keytab: self.library.default_keytab(), cause }
            }
            KerberosError::Keytab { keytab, cause } => self.keytab_error(keytab, cause),
            error => error,
        }
    }

    /// Replaces the cause of a keytab error by that of the operating system: the library reports unreadable files as
    /// missing.
    fn keytab_error(&self, keytab: Option<PathBuf>, cause: String) -> KerberosError {
        let keytab = keytab.or_else(|| self.library.default_keytab());
        let opened = keytab.as_ref().map(File::open);
        let cause = opened.and_then(Result::err).map_or(cause, |error| error.to_string());
        KerberosError::Keytab { keytab, cause }
    }
}

impl Acceptor {
    /// Processes a token like [`auth::Acceptor::step`], with all details of the client or of the failure.
    ///
    /// # Errors
    /// [`KerberosError`]; [`KerberosError::Over`] after an error or completion.
    pub fn accept(&mut self, token: &[u8]) -> Result<Step<Client>, KerberosError> {
        if std::mem::replace(&mut self.state, State::Over) == State::Over {
            return Err(KerberosError::Over);
        }
        if token.len() > MAX_TOKEN {
            return Err(KerberosError::Malformed { cause: format!("{} bytes long", token.len()) });
        }
        let Opened { raw, progress, client, opened_by } = self.open(token)?;
        // Only DCE style (MS-KILE 3.4.5.1) has a third token, and another message format.
        if !progress.is_complete {
            return Err(KerberosError::Malformed { cause: "DCE style is not supported".to_owned() });
        }
        self.require_protection(progress.flags)?;
        if progress.flags & flag::CHANNEL_BOUND == 0 {
            self.require_own_service(token, opened_by, &raw)?;
        }
        let client = client.ok_or(KerberosError::Downgraded("a client name"))?;
        let (principal, account) = self.account(&client)?;
        let logon_info = logon_info_of(&client)?;
        let delegated = match progress.flags & flag::DELEGATION {
            0 => Delegated::Nothing,
            _ => Delegated::Ticket,
        };
        if delegated == Delegated::Ticket {
            tracing::info!(%principal, "Client delegated its ticket, which is discarded");
        }
        let context = Context::established(raw, progress.flags);
        let token = (!progress.token.is_empty()).then_some(progress.token);
        Ok(Step::Done { token, outcome: Client { principal, account, context, delegated, logon_info } })
    }

    fn require_protection(&self, flags: u32) -> Result<(), KerberosError> {
        if flags & flag::ANONYMOUS != 0 {
            return Err(KerberosError::Downgraded("a client name"));
        }
        if flags & flag::INTEGRITY == 0 {
            return Err(KerberosError::Downgraded("message integrity"));
        }
        if self.service.sealing == Sealing::Required && flags & flag::CONFIDENTIALITY == 0 {
            return Err(KerberosError::Downgraded("message sealing"));
        }
        let is_binding_required = self.binding.level == Hardening::Strict && self.binding.expected.is_some();
        if is_binding_required && flags & flag::CHANNEL_BOUND == 0 {
            return Err(KerberosError::ChannelBinding(Mismatch::Absent));
        }
        Ok(())
    }

    /// Decrypts a token with the key of the service that its ticket names, if that service is ours, otherwise with any
    /// key of the keytab: in a Windows domain all services of a machine share one key, and the keytab need not contain
    /// all their names.
    fn open(&self, token: &[u8]) -> Result<Opened, KerberosError> {
        let named = TicketService::of_token(token).ok().filter(|service| service.class().is_some());
        let principal = named.and_then(|service| Principal::of_service(&service));
        let library = &self.service.library;
        let name = principal
            .and_then(|principal| Name::import(library, &principal.to_string(), NameForm::Principal).ok());
        // The name is only a claim. If its key is missing or did not encrypt the ticket, another key may have.
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
        let operation = Operation::Accept(self.service.keytab.path());
        let binding = self.binding.expected.as_ref().filter(|_| self.binding.level != Hardening::None);
        let (progress, client) = raw
            .accept(keys, token, binding.map(auth::ChannelBinding::application_data))
            .map_err(|failure| self.service.with_keytab_path(diagnose(failure, operation)))?;
        Ok(Opened { raw, progress, client, opened_by })
    }

    /// Rejects a ticket for another service, such as `cifs`, which indicates that an attacker relays the client's
    /// authentication. A token that is bound to this TLS connection was made for it, whatever its service name.
    ///
    /// The name in the ticket is not encrypted. So if another key than that of this name decrypted the ticket, the
    /// principal of that key is checked too, unless it is the machine account, whose name has no service class.
    fn require_own_service(
        &self,
        token: &[u8],
        opened_by: OpenedBy,
        raw: &RawContext,
    ) -> Result<(), KerberosError> {
        let service = TicketService::of_token(token)
            .map_err(|error| KerberosError::Malformed { cause: error.to_string() })?;
        if service.class().is_none() {
            return Err(KerberosError::OtherService { service: service.components().join("/") });
        }
        if opened_by == OpenedBy::AnyKey {
            let owner = raw.service().map_err(|failure| diagnose(failure, Operation::Other))?;
            let owner = principal_of(&owner.ok_or(KerberosError::Downgraded("a service name"))?)?;
            if let [class, _, ..] = owner.components()
                && ServiceClass::of(class).is_none()
            {
                return Err(KerberosError::OtherService { service: owner.to_string() });
            }
        }
        let is_this_host = service.host().is_some_and(|host| self.service.names.is_this_host(host));
        if self.binding.level == Hardening::Strict && !is_this_host {
            let own = self.service.names.dns().to_owned();
            return Err(KerberosError::OtherHost { service: service.components().join("/"), own });
        }
        Ok(())
    }

    fn account(&self, client: &Name) -> Result<(Principal, Account), KerberosError> {
        let principal = principal_of(client)?;
        let account = self.service.principals.account(&principal, &|| local_name(client, &principal))?;
        tracing::debug!(%principal, %account, "Kerberos authenticated a client");
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
            // On one line and quoted: names in the message come from the peer.
            let reason = error.to_string().replace('\n', ";");
            if verdict == AuthError::Unavailable && error != KerberosError::Over {
                tracing::error!(error = reason, "Kerberos sign-ins unavailable");
            } else if error.has_remedy() {
                tracing::info!(error = reason, "Kerberos rejected a client");
            } else {
                tracing::debug!(error = reason, "Kerberos rejected a client");
            }
            verdict
        })?;
        Ok(match step {
            Step::Continue(token) => Step::Continue(token),
            Step::Done { token, outcome: Client { account, context, logon_info, .. } } => {
                let sids = logon_info.iter().flat_map(|info| [&info.user].into_iter().chain(&info.groups));
                let directory = DirectorySids::new(sids.map(Sid::encode));
                Step::Done { token, outcome: Accepted { account, context: Box::new(context), directory } }
            }
        })
    }

    fn claimed(&self) -> Option<String> {
        self.claimed.as_ref().map(ToString::to_string)
    }
}

impl Keytab {
    /// Uses a keytab file.
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

/// Returns the account name that `auth_to_local` derives from a client's name.
fn local_name(client: &Name, principal: &Principal) -> Option<String> {
    let name = client.local_name().inspect_err(|failure| {
        tracing::debug!(%principal, error = failure.text, "No account name from auth_to_local");
    });
    String::from_utf8(name.ok()?).ok()
}

/// Converts a name of the library to a principal.
fn principal_of(name: &Name) -> Result<Principal, KerberosError> {
    let text = name.display().map_err(|failure| diagnose(failure, Operation::Other))?;
    let text = String::from_utf8(text).map_err(|error| {
        KerberosError::NotAPrincipal(String::from_utf8_lossy(error.as_bytes()).into_owned())
    })?;
    Principal::parse(&text)
}

/// Returns the SIDs in the PAC of a client's ticket. A PAC without a valid signature counts as none.
///
/// # Errors
/// [`KerberosError::Malformed`] if they cannot be read: without them, entries that deny access would not apply.
fn logon_info_of(client: &Name) -> Result<Option<LogonInfo>, KerberosError> {
    /// Attribute of MIT Kerberos with the buffer `PAC_LOGON_INFO`.
    const LOGON_INFO: &str = "urn:mspac:logon-info";
    let Some(bytes) = client.verified_attribute(LOGON_INFO) else { return Ok(None) };
    let info =
        LogonInfo::decode(&bytes).map_err(|error| KerberosError::Malformed { cause: error.to_string() })?;
    tracing::debug!(domain = %info.domain, groups = info.groups.len(), "Ticket has groups");
    Ok(Some(info))
}

/// Maximum token length in bytes; tickets with many groups have up to 48 KiB.
const MAX_TOKEN: usize = 64 * 1_024;
