//! WMI of a machine, in the form of that of this machine, so that the console has the same pages for both.
//!
//! Class definitions are those of the machine (DSP0227 15). A machine without them is read with the classes that are built
//! into this program, and instances of unknown classes as text.

mod classes;
mod instances;
mod rows;

use std::time::Duration;

use cim::{Name, Namespace, ObjectPath};
use client::Session;
use locks::Mutex;
use serde_json::Value;

use self::classes::Classes;
use self::rows::{OpenRows, Page};
use super::read_error::ReadError;
use super::task::{Failure, FailureKind};
use super::wmi_request::{RowRequest, WmiRequest};
use crate::wmi::Cursors;

pub(super) use self::rows::RowLimits;

/// Known classes and open queries of a machine.
#[derive(Default)]
pub(super) struct RemoteWmi {
    classes: Classes,
    cursors: Mutex<Cursors<OpenRows>>,
}

impl RemoteWmi {
    /// Ends enumerations whose next page was not requested in time.
    pub(super) fn drop_expired(&self) {
        self.cursors.lock().drop_expired();
    }

    /// Answers a request in a session with the machine.
    pub(super) async fn answer(&self, session: &Session, request: WmiRequest) -> Result<Value, ReadError> {
        match request {
            WmiRequest::Namespaces => classes::namespaces(session).await,
            WmiRequest::Classes { namespace, filter } => {
                let namespace = Namespace::parse(&namespace)?;
                self.classes.page(session, &namespace, &filter).await
            }
            WmiRequest::Class { namespace, class } => {
                let (namespace, class) = (Namespace::parse(&namespace)?, Name::parse(&class)?);
                self.classes.form(session, &namespace, &class).await
            }
            WmiRequest::Instance { namespace, path } => {
                let (namespace, path) = (Namespace::parse(&namespace)?, ObjectPath::parse(&path)?);
                instances::get(session, &self.classes, &namespace, &path).await
            }
            WmiRequest::Rows { namespace, rows, limit, keeps_rest } => {
                let namespace = Namespace::parse(&namespace)?;
                let owner = namespace.to_string();
                let mut page = self.rows(session, namespace, rows, limit).await?;
                let rest = page.rest.take_if(|_| keeps_rest);
                let next = rest.map(|rest| self.cursors.lock().store(&owner, rest));
                Ok(page.into_json(next))
            }
            WmiRequest::Invoke { namespace, class, method, path, arguments } => {
                let call = instances::MethodCall {
                    namespace: Namespace::parse(&namespace)?,
                    class: Name::parse(&class)?,
                    method,
                    path: path.as_deref().map(ObjectPath::parse).transpose()?,
                    arguments,
                };
                call.perform(session, &self.classes).await
            }
        }
    }

    /// Returns the first rows of a query; the rest is not read.
    pub(super) async fn first_rows(
        &self,
        session: &Session,
        namespace: &str,
        query: &str,
        limits: RowLimits,
    ) -> Result<Value, ReadError> {
        let open = OpenRows::of_query(session, Namespace::parse(namespace)?, query).await?;
        let page = open.page(session, &self.classes, limits).await?;
        Ok(page.into_json(None))
    }

    async fn rows(
        &self,
        session: &Session,
        namespace: Namespace,
        rows: RowRequest,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let open = match rows {
            RowRequest::Next(cursor) => {
                let found = self.cursors.lock().take(&cursor, namespace.as_str());
                let detail = "the cursor has expired or was used before; send the query again";
                found.ok_or_else(|| ReadError::Failed(Failure::new(FailureKind::CursorExpired, detail)))?
            }
            RowRequest::Query(query) => OpenRows::of_query(session, namespace, &query).await?,
            RowRequest::Instances(class) => {
                OpenRows::of_class(session, namespace, &Name::parse(&class)?).await?
            }
            RowRequest::Associators(path) => {
                let source = instances::reference(session, &self.classes, &namespace, &path).await?;
                OpenRows::associated(session, namespace, source, wsman::AssociationResult::Instances).await?
            }
            RowRequest::References(path) => {
                let source = instances::reference(session, &self.classes, &namespace, &path).await?;
                OpenRows::associated(session, namespace, source, wsman::AssociationResult::Associations)
                    .await?
            }
        };
        open.page(session, &self.classes, RowLimits { rows: limit, size: MAX_PAGE }).await
    }
}

/// Size of the rows of a page in bytes of XML.
const MAX_PAGE: usize = 1 << 20;
/// Time for a page, after which the rows so far are returned.
const PAGE_TIME: Duration = Duration::from_secs(25);
