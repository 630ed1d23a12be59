//! `winrm/config` and what is below it as resources (MS-WSMV 2.2.4.1 onwards and 3.1.4.2 to 3.1.4.8).
//!
//! Sections are read and written as a whole, listeners are instances.
//! A change is in the file before it is answered, and in force when it is.

mod fault;
mod listener;
mod section;

use std::net::IpAddr;
use std::sync::Arc;

use config::{Draft, LISTENER_RESOURCE, ListenerKey, Section, Store};
use service::{Answer, BoxFuture, Call, Item, Plugin, Resource, ResourceKind};
use wsman::{Action, Fault, namespace};

use self::fault::ChangeError;

/// Tells on which addresses a listener listens now.
pub type ListeningOn = Arc<dyn Fn(ListenerKey) -> Vec<IpAddr> + Send + Sync>;

/// The plug-in for `http://schemas.microsoft.com/wbem/wsman/1/config`.
pub struct ConfigPlugin {
    store: Arc<Store>,
    listening_on: ListeningOn,
}

/// What a URI below `winrm/config` is.
enum Part {
    Section(Section),
    Listeners,
    /// Certificate mappings and plug-ins: there are none yet, and that can be asked.
    None,
}

impl ConfigPlugin {
    /// A plug-in that shows and changes what is in the store.
    #[must_use]
    pub fn new(store: Arc<Store>, listening_on: ListeningOn) -> Self {
        Self { store, listening_on }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        if call.request.head().fragment.is_some() {
            return Err(fault::no_fragments());
        }
        call.request.head().options.require_known(&[])?;
        match part(&call)? {
            Part::Section(section) => section::answer(&self.store, section, call).await,
            Part::Listeners => listener::answer(&self.store, &self.listening_on, call).await,
            Part::None => match call.request.head().action {
                Action::Enumerate => Ok(Answer::items(Vec::<Item>::new().into_iter())),
                ref other => Err(fault::action_not_supported(other)),
            },
        }
    }
}

impl Plugin for ConfigPlugin {
    fn resources(&self) -> &[Resource] {
        const RESOURCES: [Resource; 1] =
            [Resource { uri: namespace::CONFIG, with_children: true, kind: ResourceKind::Instances }];
        &RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }
}

fn part(call: &Call) -> Result<Part, Fault> {
    let uri = call.request.require_resource()?;
    if let Some(section) = Section::of_resource(uri.as_str()) {
        return Ok(Part::Section(section));
    }
    if *uri == *LISTENER_RESOURCE {
        return Ok(Part::Listeners);
    }
    match uri.below(namespace::CONFIG).map(str::to_ascii_lowercase).as_deref() {
        Some("/service/certmapping" | "/plugin") => Ok(Part::None),
        _ => Err(fault::no_such_part(uri)),
    }
}

/// Makes a change on a thread that may wait for the disk.
async fn change<T: Send + 'static>(
    store: &Arc<Store>,
    change: impl FnOnce(&mut Draft) -> Result<T, ChangeError> + Send + 'static,
) -> Result<T, Fault> {
    let store = Arc::clone(store);
    let changing = move || {
        let mut made = None;
        store.update(|draft| {
            made = Some(change(draft)?);
            Ok::<_, ChangeError>(())
        })?;
        made.ok_or(ChangeError::Interrupted)
    };
    tokio::task::spawn_blocking(changing).await.unwrap_or(Err(ChangeError::Interrupted)).map_err(Fault::from)
}
