//! Sections of the configuration: single elements, read and written as a whole.

use config::{Config, Section};
use service::{Answer, Call};
use wsman::{Action, Fault, OptionSet, namespace};

use crate::{ConfigPlugin, fault};

pub(crate) async fn answer(plugin: &ConfigPlugin, section: Section, call: Call) -> Result<Answer, Fault> {
    let head = call.request.head();
    if let Some(selector) = head.selectors.iter().next() {
        return Err(fault::unexpected_selector(&selector.name));
    }
    match &head.action {
        // The store is read instead of the call's snapshot, so that a recent change is visible.
        Action::Get => show(plugin, section, &call),
        Action::Put => {
            put(plugin, section, &call).await?;
            show(plugin, section, &call)
        }
        other => Err(fault::action_not_supported(other)),
    }
}

fn show(plugin: &ConfigPlugin, section: Section, call: &Call) -> Result<Answer, Fault> {
    let mut reply = call.reply();
    // Windows shows the source of a value, but not its position; clients must request it by an option.
    if call.request.head().options.is_set(OptionSet::SOURCES) {
        Config::write_with_sources(&plugin.store.sources(), section, namespace::SOURCES, reply.body());
    } else {
        plugin.store.snapshot().write(section, reply.body());
    }
    call.finish(reply)
}

async fn put(plugin: &ConfigPlugin, section: Section, call: &Call) -> Result<(), Fault> {
    let body = call.request.require_body(section.element())?;
    // The element is moved to another thread as a document of its own.
    let document = fault::detached(body)?;
    let change = plugin.change(call, move |draft| {
        draft.config = draft.config.put(section, document.root())?;
        Ok(())
    });
    change.await
}
