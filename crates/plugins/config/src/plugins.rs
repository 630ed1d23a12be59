//! Plug-ins: instances with the key Name. The service defines which plug-ins exist; PowerShell endpoints are listed after
//! them.

use config::{EndpointName, PLUGIN_RESOURCE, Plugin, State};
use service::{Answer, Call, Item};
use wsman::{Action, EndpointReference, Fault, ResourceUri, SelectorSet, namespace};
use xml::Writer;

use crate::endpoints::{self, NAME};
use crate::{ConfigPlugin, fault};

/// Plug-in or endpoint that a request addresses.
enum Addressed {
    Plugin(&'static str),
    Endpoint(EndpointName),
}

pub(crate) async fn answer(plugin: &ConfigPlugin, call: Call) -> Result<Answer, Fault> {
    match &call.request.head().action {
        Action::Enumerate => enumerate(plugin, &call).await,
        Action::Get => match addressed(plugin, &call).await? {
            Addressed::Plugin(name) => show(plugin, name, &call),
            Addressed::Endpoint(name) => endpoints::show(plugin, &name, &call),
        },
        Action::Put => match addressed(plugin, &call).await? {
            Addressed::Plugin(name) => {
                put(plugin, name, &call).await?;
                show(plugin, name, &call)
            }
            Addressed::Endpoint(name) => {
                endpoints::put(plugin, name.clone(), &call).await?;
                endpoints::show(plugin, &name, &call)
            }
        },
        other => Err(fault::action_not_supported(other)),
    }
}

async fn enumerate(plugin: &ConfigPlugin, call: &Call) -> Result<Answer, Fault> {
    fault::refuse_selectors_and_filter(call)?;
    let names = endpoints::names(plugin).await;
    let state = plugin.store.state();
    let served = state.plugins.iter().filter(|other| is_served(plugin, other));
    let plugins = served.map(|other| item(other, &state));
    let items = plugins.chain(names.iter().map(|name| endpoints::item(name, &state)));
    Ok(Answer::items(items.collect::<Result<Vec<_>, Fault>>()?.into_iter()))
}

fn show(plugin: &ConfigPlugin, name: &str, call: &Call) -> Result<Answer, Fault> {
    let state = plugin.store.state();
    let mut reply = call.reply();
    let found = state.plugins.find(name).ok_or_else(|| fault::no_such_plugin(name))?;
    found.write(state.security_defaults(), reply.body());
    call.finish(reply)
}

async fn put(plugin: &ConfigPlugin, name: &'static str, call: &Call) -> Result<(), Fault> {
    let document = fault::detached(call.request.require_body("PlugInConfiguration")?)?;
    let machine = plugin.store.state().machine_sid;
    let change = plugin.change(call, move |draft| {
        let surroundings =
            config::SecurityDefaults { root: &draft.config.service.root_sddl, machine_sid: machine };
        let place = draft.plugins.find_mut(name)?;
        *place = place.put(document.root(), surroundings)?;
        Ok(())
    });
    change.await
}

fn item(plugin: &Plugin, state: &State) -> Result<Item, Fault> {
    let mut object = Writer::new();
    plugin.write(state.security_defaults(), &mut object);
    let selectors = SelectorSet::new().with(NAME, plugin.kind().name);
    let resource = ResourceUri::parse(PLUGIN_RESOURCE)?;
    let reference = EndpointReference { address: namespace::ANONYMOUS.to_owned(), resource, selectors };
    Ok(Item { object: object.into_fragment(), reference: Some(reference), bookmark: None })
}

/// Returns the plug-in or endpoint that the request addresses, if the service has it.
async fn addressed(plugin: &ConfigPlugin, call: &Call) -> Result<Addressed, Fault> {
    let selectors = &call.request.head().selectors;
    if let Some(unknown) = selectors.iter().find(|selector| !selector.name.eq_ignore_ascii_case(NAME)) {
        return Err(fault::unexpected_selector(&unknown.name));
    }
    let name = selectors.text(NAME).ok_or_else(|| fault::missing_selector("plug-in", NAME))?;
    let state = plugin.store.state();
    match state.plugins.find(name) {
        Some(found) if is_served(plugin, found) => Ok(Addressed::Plugin(found.kind().name)),
        _ => {
            let found = endpoints::find(plugin, name).await;
            found.map(Addressed::Endpoint).ok_or_else(|| fault::no_such_plugin(name))
        }
    }
}

/// Returns whether the service has the plug-in.
fn is_served(plugin: &ConfigPlugin, other: &Plugin) -> bool {
    let served = plugin.served.get().map(Vec::as_slice).unwrap_or_default();
    served.iter().any(|resource| covers(other, resource.uri))
}

fn covers(plugin: &Plugin, uri: &str) -> bool {
    let Ok(uri) = ResourceUri::parse(uri) else { return false };
    plugin.kind().resources.iter().any(|resource| uri.below(resource.uri).is_some())
}
