//! Effect of a change on the configuration file of this machine's WS-Management service.

use config::{Draft, Listener, ListenerKey, Serving, Store, StoreError};
use webserver::FileDiff;
use xml::{Bounds, Document, Fragment};

use crate::problem::Problem;
use crate::wsman_change::WsManChange;

/// Returns the difference that a change makes in the file; `None` if the file does not change. Saves nothing.
pub(crate) fn diff(store: &Store, change: &WsManChange) -> Result<Option<FileDiff>, Problem> {
    let texts = store.preview(|draft| edit(draft, change))?;
    let file = store.path().to_string_lossy();
    Ok((texts.before != texts.after).then(|| FileDiff::of_texts(&file, &texts.before, &texts.after)))
}

/// Makes a change in a copy of the configuration.
fn edit(draft: &mut Draft, change: &WsManChange) -> Result<(), Problem> {
    match change {
        WsManChange::Set { settings } => {
            settings.iter().try_for_each(|(path, value)| draft.config.set(path, value)).map_err(refused)
        }
        WsManChange::CreateListener { address, transport, values } => {
            let key = ListenerKey::parse(address, transport).map_err(refused)?;
            let element = document(values.element().map_err(refused)?)?;
            let listener = Listener::create(key, Some(element.root()), &draft.config.service);
            draft.listeners.create(listener.map_err(refused)?).map_err(refused)
        }
        WsManChange::ChangeListener { address, transport, values } => {
            let key = ListenerKey::parse(address, transport).map_err(refused)?;
            let element = document(values.element().map_err(refused)?)?;
            let listener = draft.listeners.find_in_force(key, &draft.config.service);
            let listener = listener.ok_or_else(|| Problem::not_found("listener"))?;
            let changed = listener.put(element.root(), &Serving::default()).map_err(refused)?;
            draft.listeners.replace(changed).map_err(refused)
        }
        WsManChange::DeleteListener { address, transport } => {
            let key = ListenerKey::parse(address, transport).map_err(refused)?;
            draft.listeners.delete(key).map_err(refused)
        }
        // They are in a file of their own, which the service writes.
        WsManChange::CreateMapping { .. } | WsManChange::DeleteMapping { .. } => Ok(()),
    }
}

fn document(element: Fragment) -> Result<Document, Problem> {
    Document::parse(element.as_str().to_owned(), &Bounds::default()).map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> Problem {
    Problem::new(422, "wsman-refused", error.to_string())
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(422, "wsman-configuration", error.to_string())
    }
}
