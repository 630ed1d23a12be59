//! WMI of this machine or of another.

use std::io::{self, Write as _};
use std::sync::Arc;

use cim::wql::{self, QueryError};
use cim::{Class, Namespace, ObjectPath, Schema};
use cli::missing_source::{DataSource, class_of_query};

use super::arguments::Target;
use super::listing::QueryItem;
use super::local::LocalWmi;
use super::remote::RemoteWmi;
use super::row::QueryResult;
use super::watch::EventItem;
use cli_command::Failure;

pub(super) enum Source {
    Local(Box<LocalWmi>),
    Remote(Box<RemoteWmi>),
}

impl Source {
    pub(super) fn open(target: &Target) -> Result<Self, Failure> {
        if target.switches.is_empty() {
            return Ok(Self::Local(Box::new(LocalWmi::open(target)?)));
        }
        Ok(Self::Remote(Box::new(RemoteWmi::new(target)?)))
    }

    /// Runs a query and returns all results at once.
    pub(super) fn query(&self, text: &str) -> Result<QueryResult, Failure> {
        let mut found = QueryResult::default();
        self.list(text, std::future::pending(), &mut |item| {
            match item {
                QueryItem::Properties(properties) => found.properties = properties,
                QueryItem::Row(row) => found.rows.push(row),
                QueryItem::Omitted(message) => writeln!(cli_command::output::errors(), "telarch: {message}")?,
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Passes the results of a query to `emit` as they arrive, until `enough` completes. Errors in the query are marked.
    pub(super) fn list(
        &self,
        text: &str,
        enough: impl Future<Output = ()>,
        emit: &mut dyn FnMut(QueryItem) -> io::Result<()>,
    ) -> Result<(), Failure> {
        // The query is parsed here first, because this parser reports the position of an error.
        wql::parse(text).map_err(|error| query_error(text, &error))?;
        match self {
            Self::Local(local) => local.list(text, enough, emit),
            Self::Remote(remote) => remote.list(text, enough, emit),
        }
    }

    /// Returns a note about a query without results whose data source is missing on the machine.
    pub(super) fn missing_source_note(&self, query: &str) -> Option<String> {
        match self {
            Self::Local(_) => {
                let source = class_of_query(query).and_then(DataSource::missing_for)?;
                Some(format!("{}\n  {}", source.problem_here(), source.fix))
            }
            Self::Remote(remote) => remote.missing_source_note(query),
        }
    }

    /// Passes the events of a query to `emit` as they arrive, until `enough` completes.
    pub(super) fn watch(
        &self,
        query: &str,
        enough: impl Future<Output = ()>,
        emit: &mut dyn FnMut(EventItem) -> io::Result<()>,
    ) -> Result<(), Failure> {
        wql::parse(query).map_err(|error| query_error(query, &error))?;
        match self {
            Self::Local(local) => local.watch(query, enough, emit),
            Self::Remote(remote) => remote.watch(query, enough, emit),
        }
    }

    /// Reads one instance.
    pub(super) fn get(&self, path: &str) -> Result<QueryResult, Failure> {
        let path = path_of(path)?;
        match self {
            Self::Local(local) => local.get(&path),
            Self::Remote(remote) => remote.get(&path),
        }
    }

    /// Calls a method and returns its output parameters.
    pub(super) fn call(
        &self,
        path: &str,
        method: &str,
        arguments: &[(String, String)],
    ) -> Result<QueryResult, Failure> {
        let path = path_of(path)?;
        match self {
            Self::Local(local) => local.call(&path, method, arguments),
            Self::Remote(remote) => remote.call(&path, method, arguments),
        }
    }

    /// This machine, for actions that another machine does not support.
    pub(super) fn local(&self) -> Result<&LocalWmi, Failure> {
        match self {
            Self::Local(local) => Ok(local),
            Self::Remote(_) => Err(Failure::usage(
                "wmi: subscriptions supports this machine only",
                "omit -r, or run it on the other machine: winrs -r:HOST telarch wmi subscriptions",
            )),
        }
    }

    /// Reads a class with qualifiers and inherited elements.
    pub(super) fn class(&self, name: &str) -> Result<Arc<Class>, Failure> {
        match self {
            Self::Local(local) => local.class(name),
            Self::Remote(remote) => remote.class(name),
        }
    }

    /// The classes for the completion of names.
    pub(super) fn names(&self) -> &Schema {
        match self {
            Self::Local(local) => local.names(),
            Self::Remote(remote) => remote.names(),
        }
    }

    pub(super) fn namespace(&self) -> &Namespace {
        match self {
            Self::Local(local) => local.namespace(),
            Self::Remote(remote) => remote.namespace(),
        }
    }

    /// Name of the machine and namespace for the greeting of the shell.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Local(local) => local.namespace().to_string(),
            Self::Remote(remote) => remote.name(),
        }
    }
}

fn path_of(text: &str) -> Result<ObjectPath, Failure> {
    ObjectPath::parse(text).map_err(|error| match &error {
        cim::Error::Path { at, .. } => marked_failure(text, *at, at + 1, &error.to_string()),
        _ => Failure::Failed(error.to_string()),
    })
}

/// Returns the failure for an invalid query, with a mark below the position of the error.
pub(super) fn query_error(query: &str, error: &cim::Error) -> Failure {
    match error {
        cim::Error::Query(QueryError { reason, span }) => {
            let advice = reason.advice().map_or_else(String::new, |advice| format!("\n  {advice}"));
            marked_failure(query, span.start, span.end, &format!("{reason}{advice}"))
        }
        error => Failure::Failed(error.to_string()),
    }
}

/// Returns a failure with the line of an error and marks below it.
fn marked_failure(text: &str, start: usize, end: usize, problem: &str) -> Failure {
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let blank: String = before
        .get(line_start..)
        .unwrap_or_default()
        .chars()
        .map(|character| if character == '\t' { '\t' } else { ' ' })
        .collect();
    let width =
        text.get(start..end).map_or(1, |text| text.lines().next().unwrap_or_default().chars().count());
    let mut lines = problem.lines();
    let mut message = lines.next().unwrap_or_default().to_owned();
    message += &format!("\n  {line}\n  {blank}{}", "^".repeat(width.max(1)));
    for line in lines {
        message += &format!("\n{line}");
    }
    Failure::Failed(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(query: &str) -> String {
        query_error(query, &wql::parse(query).expect_err("an invalid query")).to_string()
    }

    #[test]
    fn the_position_of_an_error_is_marked() {
        let first = message("SELECT Name FORM Win32_Service");
        let lines: Vec<&str> = first.lines().collect();
        assert_eq!(lines.get(1), Some(&"  SELECT Name FORM Win32_Service"), "{first}");
        assert_eq!(lines.get(2), Some(&"              ^^^^"), "{first}");
        let second = message("SELECT Näme\nFROM X WHERE ä = 1");
        assert!(second.lines().count() >= 3, "{second}");
        let end = message("SELECT Name FROM");
        assert!(end.ends_with("                  ^"), "{end}");
    }

    #[test]
    fn advice_follows_the_marked_position() {
        let reported = message("SELECT * FROM X ORDER BY Name");
        let lines: Vec<&str> = reported.lines().collect();
        let expected = [
            "WQL has no ORDER BY",
            "  SELECT * FROM X ORDER BY Name",
            "                  ^^^^^",
            "  sort the rows in the client, for example with Sort-Object",
        ];
        assert_eq!(lines, expected);
    }
}
