//! Who asks, in the terms access is decided in, and the decision.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use auth::{Account, Identity, Scheme};
use config::{Access, Config, DescriptorOrigin, EffectiveDescriptor, Plugins};
use sddl::{AccessMask, Outcome, Sid, Token};
use wsman::{Action, Detail, Fault, ResourceUri, Subcode, code};

use crate::audit::{self, Accessed};
use crate::plugin::ResourceKind;

/// Someone who was let in, and where from.
pub struct Caller {
    identity: Identity,
    token: Token,
    address: IpAddr,
    whence: Whence,
    proof: Option<Proof>,
}

/// From which side of the machine's boundary somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// A program of this machine, known to the kernel.
    ThisMachine,
    /// The network, even if the address is this machine's.
    Network,
}

/// What a program keeps of a proof for as long as somebody acts on it, and only it understands.
pub type Proof = Arc<dyn Any + Send + Sync>;

/// Knows the SIDs of accounts.
pub trait Principals: Send + Sync {
    /// The token of an account; `None` if it has ceased to exist.
    fn token(&self, account: &Account) -> Option<Token>;

    /// The token of someone who has proven it in a certain way, where the way adds SIDs: a program of this
    /// machine makes its user interactive, NTLM and certificates have SIDs of their own.
    fn token_of(&self, identity: &Identity) -> Option<Token> {
        self.token(identity.account())
    }

    /// What is to be kept of the proof while there is a [`Caller`] because of it.
    fn proof_of(&self, identity: &Identity) -> Option<Proof> {
        let _ = identity;
        None
    }

    /// The SID of a user or a group of this machine, for those who write security descriptors.
    fn sid_of(&self, _name: &str) -> Option<Sid> {
        None
    }

    /// The name of the user or the group of this machine that has a SID.
    fn name_of(&self, _sid: Sid) -> Option<String> {
        None
    }
}

impl Caller {
    /// Only an [`Identity`] makes a caller, and only authentication makes an identity.
    #[must_use]
    pub fn new(identity: Identity, token: Token, address: IpAddr) -> Self {
        let whence = match identity.scheme() {
            Scheme::Local => Whence::ThisMachine,
            _ => Whence::Network,
        };
        Self { identity, token, address, whence, proof: None }
    }

    /// For a process that works for somebody who has signed in to another one.
    #[must_use]
    pub fn with_whence(self, whence: Whence) -> Self {
        Self { whence, ..self }
    }

    /// With what is to be kept of the proof.
    #[must_use]
    pub fn with_proof(self, proof: Option<Proof>) -> Self {
        Self { proof, ..self }
    }

    /// What was kept of the proof.
    #[must_use]
    pub fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    /// What was proven.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The user's SID: what the caller makes belongs to it.
    #[must_use]
    pub fn sid(&self) -> Sid {
        self.token.user()
    }

    /// The user with all groups.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Whether the request came over the network.
    #[must_use]
    pub fn whence(&self) -> Whence {
        self.whence
    }

    /// Where the request came from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, token, address, .. } = self;
        f.debug_struct("Caller")
            .field("identity", identity)
            .field("token", token)
            .field("address", address)
            .finish_non_exhaustive()
    }
}

/// Whether the caller may ask at all from where it is: connections that were open when a policy forbade other machines
/// end here.
///
/// # Errors
/// `w:AccessDenied`.
pub(crate) fn from_elsewhere(caller: &Caller, config: &Config) -> Result<(), Fault> {
    if config.service.allow_remote_access || caller.whence() == Whence::ThisMachine {
        return Ok(());
    }
    Err(Fault::new(
        Subcode::AccessDenied,
        code::REMOTE_ACCESS_DISABLED,
        "a policy of this machine forbids that other machines are served: AllowAutoConfig is disabled",
    ))
}

/// Decides by the descriptor that fits the resource best whether the caller may do this to it.
///
/// # Errors
/// `w:AccessDenied`; which entry decided goes to the log only.
pub(crate) fn check(
    caller: &Caller,
    access: &Access,
    kind: ResourceKind,
    resource: &str,
    action: &Action,
) -> Result<(), Fault> {
    let desired = rights(kind, action);
    let EffectiveDescriptor { guard, origin: decider } = access.of(resource);
    let verdict = guard.access_check(caller.token(), desired);
    let is_granted = verdict.is_granted();
    // Whatever a SACL leaves out, denials and changes are recorded; it decides about the rest, such as reading.
    let is_always_recorded = !is_granted || !desired.intersection(CHANGES).is_empty();
    let is_wanted = is_always_recorded || guard.audit(caller.token(), desired, Outcome::from(verdict));
    if is_wanted && !(is_granted && goes_on(action)) {
        let ace = verdict.ace().and_then(|ace| guard.dacl()?.aces.get(ace));
        audit::access(caller, &Accessed { action, resource, rights: desired, decider, ace, verdict });
    }
    if is_granted {
        return Ok(());
    }
    let place = match decider {
        DescriptorOrigin::Plugin { plugin, .. } => format!("the security descriptor of the plug-in {plugin}"),
        _ => "RootSDDL of the service".to_owned(),
    };
    Err(Fault::new(
        Subcode::AccessDenied,
        code::ACCESS_DENIED,
        format!(
            "access is denied: {} needs the right {desired} here, which {place} does not give",
            caller.identity.account()
        ),
    ))
}

/// Refuses what belongs to a plug-in that is switched off, as if there were none.
///
/// # Errors
/// `a:DestinationUnreachable`, as for a resource that does not exist.
pub(crate) fn is_on(plugins: &Plugins, uri: &ResourceUri) -> Result<(), Fault> {
    match plugins.find_by_uri(uri.as_str()) {
        Some(plugin) if !plugin.is_enabled() => {
            let name = plugin.kind().name;
            let reason = format!("the plug-in {name}, which answers for {uri}, is switched off");
            Err(Fault::new(Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI, reason)
                .with_detail(Detail::INVALID_RESOURCE_URI))
        }
        _ => Ok(()),
    }
}

/// The rights whose use is recorded in any case.
const CHANGES: AccessMask = AccessMask::GENERIC_WRITE.union(AccessMask::GENERIC_EXECUTE);

/// Whether it only goes on with what was recorded when it began: a command's output comes in many pieces.
fn goes_on(action: &Action) -> bool {
    use wsman::ShellVerb::{Receive, Send};
    matches!(action, Action::Shell(Receive | Send))
}

fn rights(kind: ResourceKind, action: &Action) -> AccessMask {
    match (kind, action) {
        (ResourceKind::Shells, _) => AccessMask::GENERIC_EXECUTE,
        (
            _,
            Action::Get
            | Action::Enumerate
            | Action::Pull
            | Action::Release
            | Action::Subscribe
            | Action::Renew
            | Action::GetStatus
            | Action::Unsubscribe,
        ) => AccessMask::GENERIC_READ,
        (_, Action::Put | Action::Create | Action::Delete) => AccessMask::GENERIC_WRITE,
        _ => AccessMask::GENERIC_EXECUTE,
    }
}
