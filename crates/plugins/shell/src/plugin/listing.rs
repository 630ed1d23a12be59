//! Lists of shells of all kinds and of their commands (MS-WSMV 3.1.4.2 and 3.1.4.6).

use std::sync::Arc;

use service::{Answer, BoxFuture, Call, Item, Plugin, Resource, ResourceKind};
use shells::{Registry, RemoteShell, Snapshot, snapshot};
use wsman::enumeration::EnumerationMode;
use wsman::shell as message;
use wsman::{Action, EndpointReference, Fault, OptionSet, ResourceUri, SelectorSet, namespace};
use xml::Writer;

use super::{OPTIONS, fault};

/// The plug-in that only lists shells, for a process in which another plug-in opens them.
pub struct ShellListing {
    registry: Arc<Registry>,
}

impl ShellListing {
    /// Resource URIs served by the plug-in.
    pub const RESOURCES: [Resource; 2] = [COMMANDS, SHELLS];

    /// Creates a plug-in that lists these shells.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let head = call.request.head();
        if head.fragment.is_some() {
            return Err(fault::no_fragments());
        }
        head.options.require_known(&OPTIONS)?;
        if head.options.contains(OptionSet::VALIDATE_ONLY) {
            return Err(fault::cannot_validate());
        }
        match &head.action {
            Action::Get => get(&self.registry, &call).await,
            Action::Enumerate => enumerate(&self.registry, &call).await,
            other => Err(fault::action_not_supported(other)),
        }
    }
}

impl Plugin for ShellListing {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }
}

/// Describes a shell of the caller.
pub(super) async fn get(registry: &Registry, call: &Call) -> Result<Answer, Fault> {
    if call.request.head().resource.as_ref().is_some_and(|uri| *uri == *namespace::SHELL_CMD) {
        // Windows serves Get for the generic URI only (MS-WSMV 3.1.4.2).
        return Err(fault::action_not_supported(&Action::Get));
    }
    let shell = registry.find(shell_id(call)?, &call.caller)?;
    let state = shell.state_in(&snapshot_for(std::slice::from_ref(&shell)).await);
    let mut reply = call.reply();
    state.write(reply.body());
    call.finish(reply)
}

/// Lists the caller's shells, or with a filter on ShellId the commands of one shell.
pub(super) async fn enumerate(registry: &Registry, call: &Call) -> Result<Answer, Fault> {
    let head = call.request.head();
    if head.resource.as_ref().is_some_and(|uri| *uri == *namespace::SHELL_CMD) {
        return Err(fault::action_not_supported(&Action::Enumerate));
    }
    let enumerate = call.operation.enumerate();
    let filter = enumerate.and_then(|enumerate| enumerate.filter.as_ref());
    if let Some(filter) = filter {
        if filter.dialect != namespace::DIALECT_SELECTOR {
            return Err(fault::unknown_dialect(&filter.dialect));
        }
        let id = filter.selectors.text(message::option::SHELL_ID).ok_or_else(fault::filter_required)?;
        if enumerate.is_some_and(|enumerate| enumerate.mode != EnumerationMode::Object) {
            return Err(fault::commands_without_references());
        }
        let shell = registry.find(id, &call.caller)?;
        let items = shell.command_states().into_iter().map(|command| {
            let mut object = Writer::new();
            command.write(&mut object);
            Item { object: object.into_fragment(), reference: None, bookmark: None }
        });
        return Ok(Answer::items(items.collect::<Vec<_>>().into_iter()));
    }
    if head.resource.as_ref().is_some_and(|uri| *uri == *COMMANDS.uri) {
        return Err(fault::filter_required());
    }
    let shells = registry.of(&call.caller);
    let snapshot = snapshot_for(&shells).await;
    let items = shells.into_iter().map(|shell| {
        let mut object = Writer::new();
        shell.state_in(&snapshot).write(&mut object);
        let resource = ResourceUri::parse(shell.resource())?;
        let selectors = SelectorSet::new().with(message::option::SHELL_ID, shell.id());
        let reference = Some(EndpointReference::anonymous(resource, selectors));
        Ok(Item { object: object.into_fragment(), reference, bookmark: None })
    });
    Ok(Answer::items(items.collect::<Result<Vec<_>, Fault>>()?.into_iter()))
}

/// Returns the shell identifier in the selectors.
pub(super) fn shell_id(call: &Call) -> Result<&str, Fault> {
    let selectors = &call.request.head().selectors;
    selectors.text(message::option::SHELL_ID).ok_or_else(fault::no_shell_selected)
}

/// Takes a snapshot of the machine's processes if one of the shells needs it.
async fn snapshot_for(shells: &[Arc<dyn RemoteShell>]) -> Snapshot {
    if shells.iter().any(|shell| shell.processes().needs_snapshot()) {
        snapshot().await
    } else {
        Snapshot::default()
    }
}

/// Resource to enumerate the commands of a shell.
pub(super) const COMMANDS: Resource = Resource {
    uri: "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command",
    with_children: false,
    kind: ResourceKind::Shells,
};
/// Resource to enumerate shells of all kinds.
pub(super) const SHELLS: Resource =
    Resource { uri: namespace::SHELL, with_children: false, kind: ResourceKind::Shells };
