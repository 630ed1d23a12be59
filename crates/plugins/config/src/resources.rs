//! The resource `winrm/config/resource`: the resources that the caller may access, with its rights. It is computed and
//! cannot be changed.

use config::{Plugin, State};
use sddl::AccessMask;
use service::{Answer, Call, Caller, Item, Resource, ResourceKind};
use wsman::{Action, EndpointReference, Fault, ResourceUri, SelectorSet, namespace};
use xml::Writer;

use crate::{ConfigPlugin, fault};

/// Resource URI, which is also the namespace of `cfg:Resource`.
const RESOURCE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/resource";
const URI: &str = "ResourceURI";

pub(crate) fn answer(plugin: &ConfigPlugin, call: &Call) -> Result<Answer, Fault> {
    match &call.request.head().action {
        Action::Enumerate => {
            fault::refuse_selectors_and_filter(call)?;
            let items = accessible(plugin, &call.caller).into_iter().map(AccessibleResource::item);
            Ok(Answer::items(items.collect::<Result<Vec<_>, Fault>>()?.into_iter()))
        }
        Action::Get => {
            let uri = requested(call)?;
            let found = accessible(plugin, &call.caller).into_iter().find(|own| uri == *own.uri);
            let found = found.ok_or_else(|| fault::no_such_resource(&uri))?;
            let mut reply = call.reply();
            found.write(reply.body());
            call.finish(reply)
        }
        other => Err(fault::action_not_supported(other)),
    }
}

/// Returns the URI that the request selects.
fn requested(call: &Call) -> Result<ResourceUri, Fault> {
    let selectors = &call.request.head().selectors;
    if let Some(unknown) = selectors.iter().find(|selector| !selector.name.eq_ignore_ascii_case(URI)) {
        return Err(fault::unexpected_selector(&unknown.name));
    }
    ResourceUri::parse(selectors.text(URI).ok_or_else(|| fault::missing_selector("resource", URI))?)
}

/// A resource to which the caller has at least one right.
struct AccessibleResource {
    uri: &'static str,
    rights: String,
}

/// Returns the resources of enabled plug-ins to which a caller has a right, sorted by URI.
fn accessible(plugin: &ConfigPlugin, caller: &Caller) -> Vec<AccessibleResource> {
    let state = plugin.store.state();
    let served = plugin.served.get().map(Vec::as_slice).unwrap_or_default();
    let mut served: Vec<&Resource> = served.iter().collect();
    served.sort_by_key(|resource| resource.uri);
    served.dedup_by_key(|resource| resource.uri);
    let enabled = served
        .into_iter()
        .filter(|resource| state.plugins.find_by_uri(resource.uri).is_none_or(Plugin::is_enabled));
    let with_rights = enabled.map(|resource| (resource.uri, rights(resource, caller, &state)));
    with_rights
        .filter(|(_, rights)| !rights.is_empty())
        .map(|(uri, rights)| AccessibleResource { uri, rights: rights.join(" ") })
        .collect()
}

/// Returns the names of the caller's rights.
fn rights(resource: &Resource, caller: &Caller, state: &State) -> Vec<&'static str> {
    let all = [
        ("Read", AccessMask::GENERIC_READ),
        ("Write", AccessMask::GENERIC_WRITE),
        ("Execute", AccessMask::GENERIC_EXECUTE),
    ];
    let used = match resource.kind {
        ResourceKind::Instances => &all[..],
        // Every action on a shell requires the right to execute.
        ResourceKind::Shells => &all[2..],
    };
    let guard = state.access.of(resource.uri).guard;
    let granted = used.iter().filter(|(_, right)| guard.access_check(caller.token(), *right).is_granted());
    granted.map(|(name, _)| *name).collect()
}

impl AccessibleResource {
    fn write(&self, writer: &mut Writer) {
        writer.start("cfg:Resource").namespace("cfg", RESOURCE).attribute("xml:lang", "en-US");
        writer.element("cfg:ResourceURI", self.uri).element("cfg:Rights", &self.rights).end();
    }

    fn item(self) -> Result<Item, Fault> {
        let mut object = Writer::new();
        self.write(&mut object);
        let selectors = SelectorSet::new().with(URI, self.uri);
        let resource = ResourceUri::parse(RESOURCE)?;
        let reference = EndpointReference { address: namespace::ANONYMOUS.to_owned(), resource, selectors };
        Ok(Item { object: object.into_fragment(), reference: Some(reference), bookmark: None })
    }
}
