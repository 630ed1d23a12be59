//! Listeners: instances with the keys Address and Transport.

use std::sync::Arc;

use config::{LISTENER_RESOURCE, Listener, ListenerKey, Store};
use service::{Answer, Call, Item};
use wsman::{Action, EndpointReference, Fault, ResourceUri, SelectorSet, namespace, write_resource_created};
use xml::Writer;

use crate::fault::{self, ChangeError};
use crate::{ListeningOn, change};

const ADDRESS: &str = "Address";
const TRANSPORT: &str = "Transport";

pub(crate) async fn answer(
    store: &Arc<Store>,
    listening_on: &ListeningOn,
    call: Call,
) -> Result<Answer, Fault> {
    match &call.request.head().action {
        Action::Enumerate => enumerate(store, listening_on, &call),
        Action::Get => {
            let key = key(&call)?;
            show(store, listening_on, key, &call)
        }
        Action::Put => {
            let key = key(&call)?;
            put(store, key, &call).await?;
            show(store, listening_on, key, &call)
        }
        Action::Create => create(store, &call).await,
        Action::Delete => {
            let key = key(&call)?;
            change(store, move |draft| Ok(draft.listeners.delete(key)?)).await?;
            call.finish(call.reply())
        }
        other => Err(fault::action_not_supported(other)),
    }
}

fn enumerate(store: &Store, listening_on: &ListeningOn, call: &Call) -> Result<Answer, Fault> {
    if call.enumerate.as_ref().is_some_and(|enumerate| enumerate.filter.is_some()) {
        return Err(fault::no_filters());
    }
    let listeners = store.listeners();
    let items = listeners.iter().map(|listener| item(listener, listening_on));
    Ok(Answer::items(items.collect::<Result<Vec<_>, Fault>>()?.into_iter()))
}

fn show(store: &Store, listening_on: &ListeningOn, key: ListenerKey, call: &Call) -> Result<Answer, Fault> {
    let listeners = store.listeners();
    let listener = listeners.find(key).ok_or_else(|| fault::no_such_listener(key))?;
    let mut reply = call.reply();
    listener.write(addresses(listener, listening_on), reply.body());
    call.finish(reply)
}

async fn put(store: &Arc<Store>, key: ListenerKey, call: &Call) -> Result<(), Fault> {
    let document = fault::detached(call.request.require_body("Listener")?)?;
    change(store, move |draft| {
        let listener = draft.listeners.find(key).ok_or(ChangeError::NoSuchListener(key))?;
        let changed = listener.put(document.root())?;
        Ok(draft.listeners.replace(changed)?)
    })
    .await
}

async fn create(store: &Arc<Store>, call: &Call) -> Result<Answer, Fault> {
    let key = key(call)?;
    let document = call.request.body().map(fault::detached).transpose()?;
    change(store, move |draft| {
        let body = document.as_ref().map(|document| document.root());
        let listener = Listener::create(key, body, &draft.config.service)?;
        Ok(draft.listeners.create(listener)?)
    })
    .await?;
    let mut reply = call.reply();
    let mut reference = reference(key)?;
    if let Some(to) = &call.request.head().to {
        reference.address.clone_from(to);
    }
    write_resource_created(reply.body(), &reference);
    call.finish(reply)
}

fn item(listener: &Listener, listening_on: &ListeningOn) -> Result<Item, Fault> {
    let mut object = Writer::new();
    listener.write(addresses(listener, listening_on), &mut object);
    Ok(Item { object: object.into_fragment(), reference: Some(reference(listener.key())?) })
}

fn addresses(listener: &Listener, listening_on: &ListeningOn) -> Vec<std::net::IpAddr> {
    if listener.enabled { listening_on(listener.key()) } else { Vec::new() }
}

fn reference(key: ListenerKey) -> Result<EndpointReference, Fault> {
    let selectors =
        SelectorSet::new().with(ADDRESS, key.address.to_string()).with(TRANSPORT, key.transport.as_str());
    let resource = ResourceUri::parse(LISTENER_RESOURCE)?;
    Ok(EndpointReference { address: namespace::ANONYMOUS.to_owned(), resource, selectors })
}

fn key(call: &Call) -> Result<ListenerKey, Fault> {
    let selectors = &call.request.head().selectors;
    let known = |name: &str| name.eq_ignore_ascii_case(ADDRESS) || name.eq_ignore_ascii_case(TRANSPORT);
    if let Some(unknown) = selectors.iter().find(|selector| !known(&selector.name)) {
        return Err(fault::unexpected_selector(&unknown.name));
    }
    let value = |name| selectors.text(name).ok_or_else(|| fault::missing_selector(name));
    Ok(ListenerKey::parse(value(ADDRESS)?, value(TRANSPORT)?).map_err(ChangeError::from)?)
}
