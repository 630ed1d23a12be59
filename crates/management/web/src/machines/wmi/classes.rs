//! Namespaces and classes of a machine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cim::cimxml::{ReceivedClass, read_class};
use cim::uri::CLASS_SCHEMA;
use cim::{Class, Name, Namespace, Schema};
use client::{EnumerateOptions, Error, Item, Locator, Session};
use futures_util::{StreamExt as _, stream};
use locks::Mutex;
use serde_json::{Value, json};
use tokio::time::timeout;
use wsman::{OptionSet, SelectorSet};

use super::super::read_error::ReadError;
use super::super::reading::query_items;
use super::super::reason::is_fault;
use crate::wmi::class_form;
use crate::wsman_resource::resource;

/// Class definitions that were read from a machine.
#[derive(Default)]
pub(super) struct Classes {
    /// `None` for a class that the machine does not describe and that is not built in.
    found: Mutex<HashMap<(Namespace, Name), Option<Found>>>,
    lists: Mutex<HashMap<Namespace, Arc<Vec<ListedClass>>>>,
}

/// Class with the schema of its superclasses.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) schema: Arc<Schema>,
    pub(super) class: Arc<Class>,
}

/// Class in the list of a namespace.
struct ListedClass {
    name: Name,
    superclass: Option<Name>,
    is_abstract: bool,
    is_association: bool,
    /// The class has the qualifier of a class with a provider.
    is_dynamic: bool,
}

/// Returns the namespaces below `root` that the user may read.
pub(super) async fn namespaces(session: &Session) -> Result<Value, ReadError> {
    let mut names = vec!["root".to_owned()];
    let mut level = children(session, "root".to_owned()).await?;
    while !level.is_empty() && names.len() + level.len() <= MAX_NAMESPACES {
        names.extend(level.iter().cloned());
        let below = stream::iter(level).map(|parent| children(session, parent)).buffered(PARALLEL);
        let below: Vec<_> = below.collect().await;
        level = Vec::new();
        for children in below {
            match children {
                Ok(children) => level.extend(children),
                // The user may not read this namespace.
                Err(error) if is_fault(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    names.sort();
    Ok(json!({ "namespaces": names }))
}

/// Returns the direct children of a namespace, with their full names.
async fn children(session: &Session, parent: String) -> Result<Vec<String>, Error> {
    let mut items = query_items(session, &parent, "SELECT Name FROM __NAMESPACE").await?;
    let mut names = Vec::new();
    while let Some(item) = items.next().await {
        let item = item?;
        let name = item.object().and_then(|object| {
            let name = object.children().find(|child| child.name().eq_ignore_ascii_case("Name"))?;
            Some(name.text().trim().to_ascii_lowercase())
        });
        // A parent that lists itself would not end.
        let child = name.and_then(|name| Namespace::parse(&format!("{parent}/{name}")).ok());
        names.extend(child.map(|child| child.to_string()).filter(|child| *child != parent));
        if names.len() >= MAX_NAMESPACES {
            items.release().await?;
            break;
        }
    }
    Ok(names)
}

impl Classes {
    /// Returns the classes of a namespace whose names contain a text.
    pub(super) async fn page(
        &self,
        session: &Session,
        namespace: &Namespace,
        filter: &str,
    ) -> Result<Value, ReadError> {
        let list = self.list(session, namespace).await?;
        let filter = filter.to_ascii_lowercase();
        let has_dynamic = list.iter().any(|one| one.is_dynamic);
        let classes: Vec<Value> = list
            .iter()
            .filter(|one| one.name.as_str().to_ascii_lowercase().contains(&filter))
            .map(|one| one.to_json(has_dynamic))
            .collect();
        let is_cut = list.len() >= MAX_CLASSES;
        Ok(json!({ "namespace": namespace.as_str(), "classes": classes, "is_cut": is_cut }))
    }

    /// Returns the definition of a class in the form of those of this machine.
    pub(super) async fn form(
        &self,
        session: &Session,
        namespace: &Namespace,
        name: &Name,
    ) -> Result<Value, ReadError> {
        let Found { class, .. } = self.require(session, namespace, name).await?;
        // Not essential: a machine may describe single classes only, or need long for all.
        let list = match timeout(LIST_TIME, self.list(session, namespace)).await {
            Ok(Ok(list)) => Some(list),
            Ok(Err(ReadError::Client(error))) if is_fault(&error) => None,
            Ok(Err(error)) => return Err(error),
            Err(_) => None,
        };
        let mut form = class_form(&class, !class.is_abstract());
        if let Some(form) = form.as_object_mut() {
            form.insert("namespace".to_owned(), json!(namespace.as_str()));
            form.insert("subclasses".to_owned(), json!(list.map(|list| subclasses(&list, name))));
        }
        Ok(form)
    }

    /// Returns a class that the machine must have.
    pub(super) async fn require(
        &self,
        session: &Session,
        namespace: &Namespace,
        name: &Name,
    ) -> Result<Found, ReadError> {
        let found = self.find(session, namespace, name).await?;
        found.ok_or_else(|| ReadError::not_found(format!("class {name} not found in {namespace}")))
    }

    /// Returns a class: the definition of the machine, or the built-in one if the machine describes no classes.
    pub(super) async fn find(
        &self,
        session: &Session,
        namespace: &Namespace,
        name: &Name,
    ) -> Result<Option<Found>, Error> {
        let key = (namespace.clone(), name.clone());
        if let Some(known) = self.found.lock().get(&key) {
            return Ok(known.clone());
        }
        let fetched = fetch(session, namespace, name).await;
        // A machine that is busy now may describe the class later.
        let is_lasting = !fetched.as_ref().is_err_and(Error::is_operation_timeout);
        let found = match fetched {
            Ok(received) => received.and_then(|class| class.schema(namespace.clone()).ok()),
            Err(error) if is_fault(&error) => None,
            Err(error) => return Err(error),
        };
        let schema = found.unwrap_or_else(|| Schema::of(namespace.clone()));
        let class = schema.class(name.as_str());
        let found = class.map(|class| Found { schema: Arc::new(schema), class });
        if is_lasting {
            let mut known = self.found.lock();
            if known.len() >= MAX_FOUND {
                known.clear();
            }
            known.insert(key, found.clone());
        }
        Ok(found)
    }

    /// Returns the list of classes, which is read once.
    async fn list(
        &self,
        session: &Session,
        namespace: &Namespace,
    ) -> Result<Arc<Vec<ListedClass>>, ReadError> {
        if let Some(list) = self.lists.lock().get(namespace) {
            return Ok(Arc::clone(list));
        }
        let locator = schema_locator(namespace, None)?;
        let mut items = session.enumerate(&locator, EnumerateOptions::default()).await?;
        let mut list: Vec<ListedClass> = Vec::new();
        while let Some(item) = items.next().await {
            list.extend(ListedClass::of(&item?));
            if list.len() >= MAX_CLASSES {
                items.release().await?;
                break;
            }
        }
        list.sort_by(|one, other| one.name.cmp(&other.name));
        let list = Arc::new(list);
        let mut lists = self.lists.lock();
        if lists.len() >= MAX_LISTS {
            lists.clear();
        }
        lists.insert(namespace.clone(), Arc::clone(&list));
        Ok(list)
    }
}

impl ListedClass {
    fn of(item: &Item) -> Option<Self> {
        let ReceivedClass { declaration, .. } = read_class(item.object()?).ok()?;
        let says = |name: &str| {
            let found = declaration.qualifiers.find(name);
            found.is_some_and(|one| one.value == cim::Value::Boolean(true))
        };
        let (is_abstract, is_association, is_dynamic) =
            (says("Abstract"), says("Association"), says("dynamic"));
        Some(Self {
            superclass: declaration.superclass,
            is_abstract,
            is_association,
            is_dynamic,
            name: declaration.name,
        })
    }

    /// Returns the entry in the form of those of this machine. A service that marks no class with the qualifier of
    /// Windows has instances of every class that is not abstract.
    fn to_json(&self, has_dynamic: bool) -> Value {
        json!({
            "name": self.name.to_string(),
            "superclass": self.superclass.as_ref().map(ToString::to_string),
            "is_abstract": self.is_abstract,
            "is_association": self.is_association,
            "has_provider": if has_dynamic { self.is_dynamic } else { !self.is_abstract },
        })
    }
}

/// Returns the names of all direct and indirect subclasses of a class, sorted.
fn subclasses(list: &[ListedClass], class: &Name) -> Vec<String> {
    let mut below: HashMap<&Name, Vec<&Name>> = HashMap::new();
    for one in list {
        if let Some(superclass) = &one.superclass {
            below.entry(superclass).or_default().push(&one.name);
        }
    }
    let mut waiting = vec![class];
    let mut found: Vec<String> = Vec::new();
    while let Some(name) = waiting.pop() {
        // Removed, so that no class is visited twice.
        let direct = below.remove(name).unwrap_or_default();
        found.extend(direct.iter().map(ToString::to_string));
        waiting.extend(direct);
    }
    found.sort();
    found
}

/// Requests the definition of a class with everything that it inherits.
async fn fetch(
    session: &Session,
    namespace: &Namespace,
    name: &Name,
) -> Result<Option<ReceivedClass>, Error> {
    let answer = session.get(&schema_locator(namespace, Some(name))?).await?;
    Ok(answer.content().and_then(|content| read_class(content).ok()))
}

fn schema_locator(namespace: &Namespace, class: Option<&Name>) -> Result<Locator, Error> {
    let mut selectors = SelectorSet::new().with("__cimnamespace", namespace.as_str());
    let mut options = OptionSet::new().with("IncludeQualifiers", "true");
    if let Some(class) = class {
        selectors = selectors.with("ClassName", class.as_str());
        for detail in ["IncludeInheritedElements", "IncludeInheritanceHierarchy", "IncludeClassOrigin"] {
            options = options.with(detail, "true");
        }
    }
    Ok(resource(&format!("{CLASS_SCHEMA}*"))?.with_selectors(selectors).with_options(options))
}

/// Time for the list of classes when only the subclasses of one class are of interest.
const LIST_TIME: Duration = Duration::from_secs(10);
const MAX_NAMESPACES: usize = 300;
/// Namespaces that are read at the same time.
const PARALLEL: usize = 6;
/// Maximum number of classes of a list.
const MAX_CLASSES: usize = 5_000;
/// Definitions and lists that a machine's session keeps.
const MAX_FOUND: usize = 300;
const MAX_LISTS: usize = 8;
