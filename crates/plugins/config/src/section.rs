//! Sections: one element each, read and written as a whole.

use std::sync::Arc;

use config::{Section, Store};
use service::{Answer, Call};
use wsman::{Action, Fault};

use crate::{change, fault};

pub(crate) async fn answer(store: &Arc<Store>, section: Section, call: Call) -> Result<Answer, Fault> {
    let head = call.request.head();
    if let Some(selector) = head.selectors.iter().next() {
        return Err(fault::unexpected_selector(&selector.name));
    }
    match &head.action {
        // The store is asked rather than the call: a change made a moment ago is to be seen.
        Action::Get => show(store, section, &call),
        Action::Put => {
            put(store, section, &call).await?;
            show(store, section, &call)
        }
        other => Err(fault::action_not_supported(other)),
    }
}

fn show(store: &Store, section: Section, call: &Call) -> Result<Answer, Fault> {
    let mut reply = call.reply();
    store.snapshot().write(section, reply.body());
    call.finish(reply)
}

async fn put(store: &Arc<Store>, section: Section, call: &Call) -> Result<(), Fault> {
    let body = call.request.require_body(section.element())?;
    // The element travels to another thread as a document of its own.
    let document = fault::detached(body)?;
    change(store, move |draft| {
        draft.config = draft.config.put(section, document.root())?;
        Ok(())
    })
    .await
}
