//! Listeners: instances with the keys Address and Transport.
//!
//! The listener of policy is listed first, in place of a local listener with the same key, and cannot be changed.
//! Compatibility listeners are listed last and cannot be changed either. As on Windows, they have the same selectors
//! as the listener they accompany; if both exist, the selectors address the latter.

use config::{Draft, LISTENER_RESOURCE, Listener, ListenerError, ListenerKey, ListenerSource, State};
use service::{Answer, Call, Item};
use wsman::{Action, EndpointReference, Fault, ResourceUri, SelectorSet, namespace, write_resource_created};
use xml::Writer;

use crate::ConfigPlugin;
use crate::fault::{self, ChangeError};
use crate::listening::Sockets;

const ADDRESS: &str = "Address";
const TRANSPORT: &str = "Transport";

pub(crate) async fn answer(plugin: &ConfigPlugin, call: Call) -> Result<Answer, Fault> {
    match &call.request.head().action {
        Action::Enumerate => enumerate(plugin, &call),
        Action::Get => {
            let key = key(&call)?;
            show(plugin, key, &call)
        }
        Action::Put => {
            let key = key(&call)?;
            put(plugin, key, &call).await?;
            show(plugin, key, &call)
        }
        Action::Create => create(plugin, &call).await,
        Action::Delete => {
            let key = key(&call)?;
            plugin.change(&call, move |draft| delete(draft, key)).await?;
            call.finish(call.reply())
        }
        other => Err(fault::action_not_supported(other)),
    }
}

fn enumerate(plugin: &ConfigPlugin, call: &Call) -> Result<Answer, Fault> {
    fault::refuse_selectors_and_filter(call)?;
    let state = plugin.store.state();
    let in_force = state.listeners.in_force(&state.config.service);
    let items = in_force.iter().map(|listener| item(listener, &plugin.sockets));
    Ok(Answer::items(items.collect::<Result<Vec<_>, Fault>>()?.into_iter()))
}

fn show(plugin: &ConfigPlugin, key: ListenerKey, call: &Call) -> Result<Answer, Fault> {
    let State { listeners, config, .. } = &*plugin.store.state();
    let listener = listeners.find_in_force(key, &config.service);
    let listener = listener.ok_or_else(|| fault::no_such_listener(key))?;
    let mut reply = call.reply();
    listener.write(&plugin.sockets.of(&listener), reply.body());
    call.finish(reply)
}

async fn put(plugin: &ConfigPlugin, key: ListenerKey, call: &Call) -> Result<(), Fault> {
    let document = fault::detached(call.request.require_body("Listener")?)?;
    let sockets = plugin.sockets.clone();
    let change = plugin.change(call, move |draft| {
        let listener = draft.listeners.find_in_force(key, &draft.config.service);
        let listener = listener.ok_or(ChangeError::NoSuchListener(key))?;
        // Clients put back everything they read, so unchanged listeners are accepted.
        let changed = listener.put(document.root(), &sockets.of(&listener))?;
        match listener.source {
            ListenerSource::Local => Ok(draft.listeners.replace(changed)?),
            _ => Ok(()),
        }
    });
    change.await
}

fn delete(draft: &mut Draft, key: ListenerKey) -> Result<(), ChangeError> {
    match draft.listeners.find_in_force(key, &draft.config.service) {
        Some(Listener { source: made_by, .. }) if made_by != ListenerSource::Local => {
            Err(ListenerError::NotLocal { key, made_by }.into())
        }
        _ => Ok(draft.listeners.delete(key)?),
    }
}

async fn create(plugin: &ConfigPlugin, call: &Call) -> Result<Answer, Fault> {
    let key = key(call)?;
    let document = call.request.body().map(fault::detached).transpose()?;
    let change = plugin.change(call, move |draft| {
        let body = document.as_ref().map(|document| document.root());
        if Listener::of_policy(&draft.config.service).is_some_and(|own| own.key() == key) {
            return Err(ListenerError::NotLocal { key, made_by: ListenerSource::Policy }.into());
        }
        let listener = Listener::create(key, body, &draft.config.service)?;
        Ok(draft.listeners.create(listener)?)
    });
    change.await?;
    let mut reply = call.reply();
    let mut reference = reference(key)?;
    if let Some(to) = &call.request.head().to {
        reference.address.clone_from(to);
    }
    write_resource_created(reply.body(), &reference);
    call.finish(reply)
}

fn item(listener: &Listener, sockets: &Sockets) -> Result<Item, Fault> {
    let mut object = Writer::new();
    listener.write(&sockets.of(listener), &mut object);
    Ok(Item { object: object.into_fragment(), reference: Some(reference(listener.key())?), bookmark: None })
}

fn reference(key: ListenerKey) -> Result<EndpointReference, Fault> {
    let selectors =
        SelectorSet::new().with(ADDRESS, key.address.to_string()).with(TRANSPORT, key.transport.as_str());
    let resource = ResourceUri::parse(LISTENER_RESOURCE)?;
    Ok(EndpointReference { address: namespace::ANONYMOUS.to_owned(), resource, selectors })
}

fn key(call: &Call) -> Result<ListenerKey, Fault> {
    let selectors = &call.request.head().selectors;
    if let Some(unknown) = selectors.iter().find(|selector| !is_key(&selector.name)) {
        return Err(fault::unexpected_selector(&unknown.name));
    }
    let [address, transport] = [ADDRESS, TRANSPORT]
        .map(|key| selectors.text(key).ok_or_else(|| fault::missing_selector("listener", key)));
    Ok(ListenerKey::parse(address?, transport?).map_err(ChangeError::from)?)
}

fn is_key(name: &str) -> bool {
    name.eq_ignore_ascii_case(ADDRESS) || name.eq_ignore_ascii_case(TRANSPORT)
}
