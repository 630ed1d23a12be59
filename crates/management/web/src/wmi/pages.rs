//! Pages of rows, and errors of WMI as problems.

use std::time::{Duration, Instant};

use cim::{Instance, Name, Namespace};
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;
use wmi::{Outcome, Rows};

use super::Access;
use super::form::{instance_form, row_size};
use crate::problem::Problem;

/// Query that was read in part.
pub(super) struct OpenQuery {
    namespace: Namespace,
    rows: Rows,
    /// Row that was read, but not returned.
    pending: Option<Instance>,
    /// Selected properties; `None` for all.
    properties: Option<Vec<String>>,
}

/// Requested page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageRequest<'r> {
    /// Maximum number of rows.
    pub(crate) limit: usize,
    /// Name of the query from an earlier page.
    pub(crate) cursor: Option<&'r str>,
}

/// Results of a query, of which a page is read.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) rows: Rows,
    /// Selected properties; `None` for all.
    pub(crate) properties: Option<Vec<String>>,
}

impl Results {
    /// Returns all properties of rows.
    pub(crate) fn complete(rows: Rows) -> Self {
        Self { rows, properties: None }
    }
}

impl<'r> PageRequest<'r> {
    /// Returns a request for a page, whose number of rows must be in the range that the service accepts.
    pub(crate) fn new(limit: u64, cursor: Option<&'r str>) -> Result<Self, Problem> {
        let limit = usize::try_from(limit).ok().filter(|limit| (1..=MAX_ROWS).contains(limit));
        let limit =
            limit.ok_or_else(|| Problem::invalid(format!("limit is a number from 1 to {MAX_ROWS}")))?;
        Ok(Self { limit, cursor })
    }
}

/// Number of rows of a page if the request names none.
pub(crate) const USUAL_ROWS: u64 = 100;

impl Access<'_> {
    /// Runs a future of the engine. Handlers run on threads that may block.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = Result<T, wmi::Error>>) -> Result<T, Problem> {
        let timed = Handle::current().block_on(async { tokio::time::timeout(MAX_TIME, work).await });
        timed.map_err(|_| timed_out())?.map_err(Problem::from)
    }

    /// Returns the next page of an earlier query, or the first page of the query that `begin` starts.
    pub(crate) fn page(
        &self,
        namespace: &Namespace,
        request: PageRequest<'_>,
        begin: impl FnOnce() -> Result<Results, Problem>,
    ) -> Result<Json, Problem> {
        let query = match request.cursor {
            None => {
                let Results { rows, properties } = begin()?;
                OpenQuery { namespace: namespace.clone(), rows, pending: None, properties }
            }
            Some(name) => {
                let found = self.wmi.cursors.lock().take(name, &self.user);
                found.filter(|query| query.namespace == *namespace).ok_or_else(|| {
                    let detail = "the cursor has expired or was used before; send the query again";
                    Problem::new(410, "cursor-expired", detail)
                })?
            }
        };
        self.read_page(query, request.limit)
    }

    /// Runs a query of any kind, and returns its first page or the next page of an earlier one.
    pub(crate) fn query_page(
        &self,
        namespace: &Namespace,
        text: &str,
        request: PageRequest<'_>,
    ) -> Result<Json, Problem> {
        if request.cursor.is_some() {
            return self.page(namespace, request, || Err(timed_out()));
        }
        match self.engine.run(&self.context, namespace, text)? {
            Outcome::Rows(rows, names) => {
                let properties = names.map(|names| names.iter().map(Name::to_string).collect());
                self.page(namespace, request, || Ok(Results { rows, properties }))
            }
            Outcome::Classes(classes) => {
                let origin = self.engine.origin(namespace);
                let shown = classes.iter().take(MAX_ROWS);
                let rows: Vec<Json> = shown
                    .map(|class| {
                        let values = json!({ "__CLASS": class.name().to_string() });
                        json!({ "class": class.name().to_string(), "path": class.name().to_string(), "values": values })
                    })
                    .collect();
                Ok(json!({
                    "namespace": origin.namespace.to_string(), "properties": ["__CLASS"], "rows": rows, "next": null,
                    "omitted": [], "is_cut": classes.len() > MAX_ROWS,
                }))
            }
        }
    }

    /// Reads rows until the page is full or its time is over.
    fn read_page(&self, mut query: OpenQuery, limit: usize) -> Result<Json, Problem> {
        let deadline = Instant::now() + MAX_TIME;
        let origin = self.engine.origin(&query.namespace);
        let (mut rows, mut size, mut is_complete) = (Vec::new(), 0, false);
        loop {
            match next_row(&mut query, deadline)? {
                Next::End => {
                    is_complete = true;
                    break;
                }
                Next::Late => break,
                Next::Row(instance) => {
                    if rows.len() >= limit || size >= MAX_BYTES {
                        query.pending = Some(instance);
                        break;
                    }
                    let form = instance_form(&instance, query.properties.as_deref(), &origin);
                    size += row_size(&form);
                    rows.push(form);
                }
            }
        }
        let omitted: Vec<Json> = query
            .rows
            .take_omissions()
            .iter()
            .map(|omission| json!({ "class": omission.class().to_string(), "reason": omission.reason() }))
            .collect();
        let namespace = query.namespace.to_string();
        let properties = query.properties.clone();
        let next = (!is_complete).then(|| self.wmi.cursors.lock().store(&self.user, query));
        Ok(json!({
            "namespace": namespace, "properties": properties, "rows": rows, "next": next, "omitted": omitted,
            "is_cut": false,
        }))
    }
}

enum Next {
    Row(Instance),
    End,
    /// The time of the page is over.
    Late,
}

fn next_row(query: &mut OpenQuery, deadline: Instant) -> Result<Next, Problem> {
    if let Some(instance) = query.pending.take() {
        return Ok(Next::Row(instance));
    }
    let next = Handle::current()
        .block_on(async { tokio::time::timeout_at(deadline.into(), query.rows.next()).await });
    match next {
        Err(_) => Ok(Next::Late),
        Ok(None) => Ok(Next::End),
        Ok(Some(row)) => Ok(Next::Row(row?)),
    }
}

fn timed_out() -> Problem {
    Problem::new(504, "wmi-timeout", "the provider did not answer in time; try again later")
}

/// Maximum number of rows of a page.
const MAX_ROWS: usize = 1_000;
/// Size of rows in bytes after which a page ends.
const MAX_BYTES: usize = 1 << 20;
/// Time for a page or an operation.
const MAX_TIME: Duration = Duration::from_secs(15);

impl From<cim::Error> for Problem {
    fn from(error: cim::Error) -> Self {
        wmi::Error::Model(error).into()
    }
}

impl From<wmi::Error> for Problem {
    fn from(error: wmi::Error) -> Self {
        let (status, detail) = (error.status(), error.to_string());
        let problem = match &error {
            wmi::Error::Model(cim::Error::Query(query)) => Self::new(400, "invalid-query", detail)
                .with("position", json!({ "start": query.span.start, "end": query.span.end }))
                .with("reason", json!(query.reason.to_string()))
                .with("advice", json!(query.reason.advice())),
            wmi::Error::Model(cim::Error::NoClass { .. })
            | wmi::Error::NoNamespace(_)
            | wmi::Error::NotFound(_)
            | wmi::Error::NoProvider(_)
            | wmi::Error::NoMethod { .. } => Self::new(404, "wmi-not-found", detail),
            wmi::Error::AccessDenied { .. } => Self::new(403, "wmi-access-denied", detail),
            wmi::Error::TooBusy(_) | wmi::Error::TooManySubscriptions(_) => Self::new(503, "busy", detail),
            wmi::Error::TimedOut(_) => Self::new(504, "wmi-timeout", detail),
            wmi::Error::Provider { .. } => Self::new(422, "wmi-provider", detail),
            _ => Self::invalid(detail),
        };
        problem.with("wmi_status", json!({ "code": status.code(), "name": status.name() }))
    }
}
