//! Rows of queries, page by page.

use cim::wql::{self, Query};
use cim::wscim::Reader;
use cim::{Name, Namespace};
use client::{EnumerateOptions, Enumerator, Item, Session};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use wsman::enumeration::Filter;
use wsman::{AssociationFilter, AssociationResult, EndpointReference, namespace};

use super::super::read_error::ReadError;
use super::super::reading::{every_class, query_items, row};
use super::super::task::{Failure, FailureKind};
use super::PAGE_TIME;
use super::classes::{Classes, Found};
use super::instances::{origin, uri};
use crate::wmi::instance_form;
use crate::wsman_resource::resource;

/// Limits of the rows of a page.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct RowLimits {
    pub(in super::super) rows: usize,
    /// Size of all rows in bytes of XML.
    pub(in super::super) size: usize,
}

/// Query whose rows are being read.
pub(super) struct OpenRows {
    namespace: Namespace,
    items: Enumerator,
    /// Row that was received, but not returned.
    pending: Option<Item>,
    /// Class of projected rows, which do not name it.
    class: Option<Name>,
    /// Selected properties; `None` for all.
    properties: Option<Vec<String>>,
    /// Number of omissions in earlier pages.
    reported: usize,
}

/// Page of rows, and the rest of its query.
pub(super) struct Page {
    namespace: String,
    properties: Option<Vec<String>>,
    rows: Vec<Value>,
    omitted: Vec<Value>,
    pub(super) rest: Option<OpenRows>,
}

impl OpenRows {
    /// Begins a WQL query. The machine parses it, so that it may have more than this program knows.
    pub(super) async fn of_query(
        session: &Session,
        namespace: Namespace,
        text: &str,
    ) -> Result<Self, ReadError> {
        let items = query_items(session, namespace.as_str(), text).await?;
        let (class, properties) = match wql::parse(text) {
            Ok(Query::Select(select)) if select.is_of_classes() => (None, Some(vec!["__CLASS".to_owned()])),
            Ok(Query::Select(select)) => {
                let names = select.names().map(|names| names.iter().map(ToString::to_string).collect());
                (Some(select.from), names)
            }
            _ => (None, None),
        };
        Ok(Self { namespace, items, pending: None, class, properties, reported: 0 })
    }

    /// Begins the list of all instances of a class and its subclasses.
    pub(super) async fn of_class(
        session: &Session,
        namespace: Namespace,
        class: &Name,
    ) -> Result<Self, ReadError> {
        let locator = resource(&uri(&namespace, class))?;
        let items = session.enumerate(&locator, EnumerateOptions::default()).await?;
        Ok(Self { namespace, items, pending: None, class: None, properties: None, reported: 0 })
    }

    /// Begins the list of the instances that are associated with one, or of the associations.
    pub(super) async fn associated(
        session: &Session,
        namespace: Namespace,
        object: EndpointReference,
        result: AssociationResult,
    ) -> Result<Self, ReadError> {
        let association = AssociationFilter {
            object,
            result,
            association_class: None,
            role: None,
            result_class: None,
            result_role: None,
            properties: Vec::new(),
        };
        let filter = Filter {
            dialect: namespace::DIALECT_ASSOCIATION.to_owned(),
            association: Some(association),
            ..Filter::default()
        };
        let options = EnumerateOptions { filter: Some(filter), ..EnumerateOptions::default() };
        let items = session.enumerate(&every_class(namespace.as_str())?, options).await?;
        Ok(Self { namespace, items, pending: None, class: None, properties: None, reported: 0 })
    }

    /// Reads rows until the page is full or its time is over.
    pub(super) async fn page(
        mut self,
        session: &Session,
        classes: &Classes,
        limits: RowLimits,
    ) -> Result<Page, ReadError> {
        let deadline = Instant::now() + PAGE_TIME;
        let (mut rows, mut size, mut has_rest) = (Vec::new(), 0, true);
        loop {
            let item = match self.pending.take() {
                Some(item) => item,
                None => match timeout_at(deadline, self.items.next()).await {
                    Err(_) if rows.is_empty() => {
                        let detail = format!("the machine sent no row in {} seconds", PAGE_TIME.as_secs());
                        return Err(ReadError::Failed(Failure::new(FailureKind::Unreachable, detail)));
                    }
                    Err(_) => break,
                    Ok(None) => {
                        has_rest = false;
                        break;
                    }
                    Ok(Some(item)) => item?,
                },
            };
            if rows.len() >= limits.rows || size >= limits.size {
                self.pending = Some(item);
                break;
            }
            size += item.xml().len();
            let found = match self.class_of(&item) {
                Some(name) => classes.find(session, &self.namespace, &name).await?,
                None => None,
            };
            rows.extend(self.form(&item, found.as_ref()));
        }
        let omissions = self.items.omissions();
        let omitted = omissions.iter().skip(self.reported);
        let omitted = omitted.map(|one| json!({ "class": one.source, "reason": one.reason })).collect();
        self.reported = omissions.len();
        Ok(Page {
            namespace: self.namespace.to_string(),
            properties: self.properties.clone(),
            rows,
            omitted,
            rest: has_rest.then_some(self),
        })
    }

    /// Returns the class of a row: that of its element, or the class of the query for a projection.
    fn class_of(&self, item: &Item) -> Option<Name> {
        let object = item.object()?;
        if is_fragment(object.name()) { self.class.clone() } else { Name::parse(object.name()).ok() }
    }

    /// Returns a row in the form of those of this machine; as text if its class is not known.
    fn form(&self, item: &Item, found: Option<&Found>) -> Option<Value> {
        let object = item.object()?;
        if let Some(name) = object.attribute("", "NAME")
            && object.name() == "CLASS"
        {
            return Some(json!({ "class": name, "path": name, "values": { "__CLASS": name } }));
        }
        let typed = found.and_then(|found| {
            let read = Reader::new(&found.schema).properties(object, &found.class).ok()?;
            Some(instance_form(&read.instance, self.properties.as_deref(), &origin(&self.namespace)))
        });
        let class = self.class.as_ref().map(Name::as_str).unwrap_or_default();
        Some(
            typed.unwrap_or_else(|| {
                row(object, if is_fragment(object.name()) { class } else { object.name() })
            }),
        )
    }
}

impl Page {
    /// Returns the page as JSON, with the name under which its rest is stored.
    pub(super) fn into_json(self, next: Option<String>) -> Value {
        json!({
            "namespace": self.namespace,
            "properties": self.properties,
            "rows": self.rows,
            "omitted": self.omitted,
            "is_cut": self.rest.is_some(),
            "next": next,
        })
    }
}

/// Returns whether an element is a projection, which does not name its class.
fn is_fragment(name: &str) -> bool {
    name == "XmlFragment"
}
