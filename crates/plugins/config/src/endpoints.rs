//! PowerShell endpoints, which are listed with the plug-ins as on Windows. Their settings belong to the plug-in
//! PowerShell.

use std::sync::Arc;

use config::{EndpointName, PLUGIN_RESOURCE, State};
use service::{Answer, Call, Item};
use wsman::{EndpointReference, Fault, ResourceUri, SelectorSet, namespace};
use xml::Writer;

use crate::{ConfigPlugin, fault};

/// Selector of plug-ins and endpoints.
pub(crate) const NAME: &str = "Name";
/// Name of the plug-in that the endpoints belong to.
const PLUGIN: &str = "PowerShell";

/// Returns the endpoints of this machine, without those that have the name of a plug-in.
pub(crate) async fn names(plugin: &ConfigPlugin) -> Vec<EndpointName> {
    let Some(list) = plugin.powershell.clone() else { return Vec::new() };
    let config = Arc::clone(&plugin.store.state().config);
    // Folders are read on a thread that may wait for the disk.
    let mut names = tokio::task::spawn_blocking(move || list.names(&config)).await.unwrap_or_default();
    // Their instances could not be distinguished from those of plug-ins.
    let state = plugin.store.state();
    names.retain(|name| state.plugins.find(name.as_str()).is_none());
    names
}

/// Returns the endpoint with a name, compared without case.
pub(crate) async fn find(plugin: &ConfigPlugin, name: &str) -> Option<EndpointName> {
    let wanted = EndpointName::parse(name.trim()).ok()?;
    names(plugin).await.into_iter().find(|own| *own == wanted)
}

/// Returns the item of an enumeration.
pub(crate) fn item(name: &EndpointName, state: &State) -> Result<Item, Fault> {
    let mut object = Writer::new();
    write(name, state, &mut object)?;
    let selectors = SelectorSet::new().with(NAME, name.as_str());
    let resource = ResourceUri::parse(PLUGIN_RESOURCE)?;
    let reference = EndpointReference { address: namespace::ANONYMOUS.to_owned(), resource, selectors };
    Ok(Item { object: object.into_fragment(), reference: Some(reference), bookmark: None })
}

/// Returns the response to a Get.
pub(crate) fn show(plugin: &ConfigPlugin, name: &EndpointName, call: &Call) -> Result<Answer, Fault> {
    let mut reply = call.reply();
    write(name, &plugin.store.state(), reply.body())?;
    call.finish(reply)
}

/// Changes the switch and the security entries of an endpoint.
pub(crate) async fn put(plugin: &ConfigPlugin, name: EndpointName, call: &Call) -> Result<(), Fault> {
    let document = fault::detached(call.request.require_body("PlugInConfiguration")?)?;
    let machine = plugin.store.state().machine_sid;
    let change = plugin.change(call, move |draft| {
        let surroundings =
            config::SecurityDefaults { root: &draft.config.service.root_sddl, machine_sid: machine };
        let place = draft.plugins.find_mut(PLUGIN)?;
        *place = place.put_endpoint(&name, document.root(), surroundings, &draft.config.winrs)?;
        Ok(())
    });
    change.await
}

fn write(name: &EndpointName, state: &State, writer: &mut Writer) -> Result<(), Fault> {
    let found = state.plugins.find(PLUGIN).ok_or_else(|| fault::no_such_plugin(name.as_str()))?;
    found.write_endpoint(name, state.security_defaults(), &state.config.winrs, writer);
    Ok(())
}
