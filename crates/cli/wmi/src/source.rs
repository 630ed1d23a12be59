//! Whoever is asked: this machine, or another.

use std::io;
use std::sync::Arc;

use cim::wql::{self, QueryError};
use cim::{Class, Namespace, ObjectPath, Schema};

use super::arguments::Target;
use super::here::Here;
use super::listing::Listed;
use super::row::Found;
use super::there::There;
use super::watch::Occurred;
use cli_command::Failure;

pub(super) enum Source {
    Here(Box<Here>),
    There(Box<There>),
}

impl Source {
    pub(super) fn open(target: &Target) -> Result<Self, Failure> {
        if target.switches.is_empty() {
            return Ok(Self::Here(Box::new(Here::open(target)?)));
        }
        Ok(Self::There(Box::new(There::new(target)?)))
    }

    /// All that a query finds at once, for what is drawn.
    pub(super) fn query(&self, text: &str) -> Result<Found, Failure> {
        let mut found = Found::default();
        self.list(text, std::future::pending(), &mut |listed| {
            match listed {
                Listed::Begun(asked) => found.asked = asked,
                Listed::Row(row) => found.rows.push(row),
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Tells what a query finds as it comes, until it is enough; a query that is wrong is told with the place.
    pub(super) fn list(
        &self,
        text: &str,
        enough: impl Future<Output = ()>,
        tell: &mut dyn FnMut(Listed) -> io::Result<()>,
    ) -> Result<(), Failure> {
        // Another machine would say less well what is wrong.
        wql::parse(text).map_err(|error| explained(text, &error))?;
        match self {
            Self::Here(here) => here.list(text, enough, tell),
            Self::There(there) => there.list(text, enough, tell),
        }
    }

    /// Tells the events of a query as they come, until it is enough.
    pub(super) fn watch(
        &self,
        query: &str,
        enough: impl Future<Output = ()>,
        tell: &mut dyn FnMut(Occurred) -> io::Result<()>,
    ) -> Result<(), Failure> {
        wql::parse(query).map_err(|error| explained(query, &error))?;
        match self {
            Self::Here(here) => here.watch(query, enough, tell),
            Self::There(there) => there.watch(query, enough, tell),
        }
    }

    /// One instance.
    pub(super) fn get(&self, path: &str) -> Result<Found, Failure> {
        let path = path_of(path)?;
        match self {
            Self::Here(here) => here.get(&path),
            Self::There(there) => there.get(&path),
        }
    }

    /// What comes out of a method.
    pub(super) fn call(
        &self,
        path: &str,
        method: &str,
        arguments: &[(String, String)],
    ) -> Result<Found, Failure> {
        let path = path_of(path)?;
        match self {
            Self::Here(here) => here.call(&path, method, arguments),
            Self::There(there) => there.call(&path, method, arguments),
        }
    }

    /// This machine, for what only it can tell.
    pub(super) fn here(&self) -> Result<&Here, Failure> {
        match self {
            Self::Here(here) => Ok(here),
            Self::There(_) => Err(Failure::usage(
                "wmi: permanent subscriptions are told of this machine only",
                "leave -r away, or sign in to the other machine: winrs -r:HOST telarch wmi subscriptions",
            )),
        }
    }

    /// A class with all there is to know about it.
    pub(super) fn class(&self, name: &str) -> Result<Arc<Class>, Failure> {
        match self {
            Self::Here(here) => here.class(name),
            Self::There(there) => there.class(name),
        }
    }

    /// The classes that names are completed from.
    pub(super) fn names(&self) -> &Schema {
        match self {
            Self::Here(here) => here.known(),
            Self::There(there) => there.names(),
        }
    }

    pub(super) fn namespace(&self) -> &Namespace {
        match self {
            Self::Here(here) => here.namespace(),
            Self::There(there) => there.namespace(),
        }
    }

    /// What the prompt of the shell says.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Here(here) => here.namespace().to_string(),
            Self::There(there) => there.name(),
        }
    }
}

fn path_of(text: &str) -> Result<ObjectPath, Failure> {
    ObjectPath::parse(text).map_err(|error| match &error {
        cim::Error::Path { at, .. } => pointed(text, *at, at + 1, &error.to_string()),
        _ => Failure::Failed(error.to_string()),
    })
}

/// What is wrong with a query; where there is a place, a line below points to it.
pub(super) fn explained(query: &str, error: &cim::Error) -> Failure {
    match error {
        cim::Error::Query(QueryError { reason, span }) => {
            pointed(query, span.start, span.end, &reason.to_string())
        }
        error => Failure::Failed(error.to_string()),
    }
}

/// What is wrong, the line it is in, and signs below the place.
fn pointed(text: &str, start: usize, end: usize, problem: &str) -> Failure {
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let blank: String = before
        .get(line_start..)
        .unwrap_or_default()
        .chars()
        .map(|character| if character == '\t' { '\t' } else { ' ' })
        .collect();
    let marked =
        text.get(start..end).map_or(1, |marked| marked.lines().next().unwrap_or_default().chars().count());
    let mut lines = problem.lines();
    let mut message = lines.next().unwrap_or_default().to_owned();
    message += &format!("\n  {line}\n  {blank}{}", "^".repeat(marked.max(1)));
    for line in lines {
        message += &format!("\n{line}");
    }
    Failure::Failed(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(query: &str) -> String {
        explained(query, &wql::parse(query).expect_err("a wrong query")).to_string()
    }

    #[test]
    fn what_is_wrong_with_a_query_is_pointed_to() {
        let told_one = told("SELECT Name FORM Win32_Service");
        let lines: Vec<&str> = told_one.lines().collect();
        assert_eq!(lines.get(1), Some(&"  SELECT Name FORM Win32_Service"), "{told_one}");
        assert_eq!(lines.get(2), Some(&"              ^^^^"), "{told_one}");
        let told_two = told("SELECT Näme\nFROM X WHERE ä = 1");
        assert!(told_two.lines().count() >= 3, "{told_two}");
        let end = told("SELECT Name FROM");
        assert!(end.ends_with("                  ^"), "{end}");
    }
}
