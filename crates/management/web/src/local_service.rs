//! Requests to the WS-Management service of this machine over its Unix socket.
//!
//! The service authenticates this process by its user. It therefore returns the shells of this user only, as to every
//! other client.

use std::path::Path;
use std::time::Duration;

use client::{EnumerateOptions, Error, Item, Locator, Session};
use tokio::runtime::Handle;
use wsman::shell::ShellState;
use xml::Element;

use crate::problem::Problem;
use crate::wsman_change::{ValueChange, WsManChange, WsManChangeError};
use crate::wsman_resource::{self, MAPPINGS, resource};

/// Mapping of client certificates to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateMapping {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) uri: String,
    pub(crate) user: String,
    pub(crate) is_enabled: bool,
}

/// Returns the open shells of the user of this process; `None` if the service does not run.
pub(crate) fn shells(socket: &Path) -> Result<Option<Vec<ShellState>>, Problem> {
    let parse = |item: &Item| item.object().map(ShellState::parse);
    running(wait(async { enumerate(&session(socket)?, &resource(SHELLS)?, parse).await })?)
}

/// Ends an open shell of the user of this process. Returns its state before, or `None` if there is no such shell.
pub(crate) fn end_shell(socket: &Path, id: &str) -> Result<Option<ShellState>, Problem> {
    let ended = wait(async { wsman_resource::end_shell(&session(socket)?, id).await })?;
    Ok(running(ended)?.flatten())
}

/// Returns the values that a change sets; makes the change if it is no preview.
pub(crate) fn change(
    socket: &Path,
    change: &WsManChange,
    is_preview: bool,
) -> Result<Vec<ValueChange>, Problem> {
    let made = wait(async { Ok(change.make(&session(socket)?, is_preview).await) })?;
    match made.map_err(WsManChangeError::from).flatten() {
        Ok(values) => Ok(values),
        Err(WsManChangeError::Client(Error::NoLocalService { .. })) => {
            let detail = "the WS-Management service does not run; start it with systemctl start telarchd";
            Err(Problem::new(409, "wsman-stopped", detail))
        }
        Err(WsManChangeError::Client(error @ Error::Fault(_))) => {
            Err(Problem::new(422, "wsman-refused", error.to_string()))
        }
        Err(WsManChangeError::Client(error)) => Err(failed(&error)),
        Err(error) => Err(Problem::invalid(error.to_string())),
    }
}

/// Returns the mappings of client certificates; `None` if the service does not run.
pub(crate) fn certificate_mappings(socket: &Path) -> Result<Option<Vec<CertificateMapping>>, Problem> {
    let parse = |item: &Item| {
        let mapping = item.object()?;
        Some(CertificateMapping {
            subject: text(mapping, "Subject"),
            issuer: text(mapping, "Issuer"),
            uri: text(mapping, "URI"),
            user: text(mapping, "UserName"),
            is_enabled: text(mapping, "Enabled") == "true",
        })
    };
    running(wait(async { enumerate(&session(socket)?, &resource(MAPPINGS)?, parse).await })?)
}

fn text(element: Element<'_>, name: &str) -> String {
    let child = element.children().find(|child| child.name() == name);
    child.map(|child| child.text().trim().to_owned()).unwrap_or_default()
}

fn session(socket: &Path) -> Result<Session, Error> {
    let builder = Session::local([socket]).connect_timeout(CONNECT_TIME).total_timeout(Some(MAX_TIME));
    builder.answer_limit(MAX_ANSWER).build()
}

async fn enumerate<T>(
    session: &Session,
    locator: &Locator,
    parse: impl Fn(&Item) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let mut items = session.enumerate(locator, EnumerateOptions::default()).await?;
    let mut list = Vec::new();
    while let Some(item) = items.next().await {
        if list.len() >= MAX_ITEMS {
            items.release().await?;
            break;
        }
        list.extend(parse(&item?));
    }
    Ok(list)
}

/// Runs a request. Handlers run on threads that may block.
fn wait<T>(request: impl Future<Output = Result<T, Error>>) -> Result<Result<T, Error>, Problem> {
    let timed = Handle::current().block_on(async { tokio::time::timeout(MAX_TIME, request).await });
    timed.map_err(|_| {
        let detail = "the WS-Management service did not answer in 20 seconds; see its log";
        Problem::new(504, "wsman-service", detail)
    })
}

/// Returns the result of a request; `None` if the service does not run.
fn running<T>(result: Result<T, Error>) -> Result<Option<T>, Problem> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NoLocalService { .. }) => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &Error) -> Problem {
    Problem::new(502, "wsman-service", format!("the WS-Management service refused the request: {error}"))
}

const SHELLS: &str = wsman::namespace::SHELL;
/// Maximum number of shells or mappings of a list.
const MAX_ITEMS: usize = 1_000;
/// Maximum size of one response in bytes beyond the negotiated size.
const MAX_ANSWER: usize = 1_024 * 1_024;
const CONNECT_TIME: Duration = Duration::from_secs(5);
const MAX_TIME: Duration = Duration::from_secs(20);
