//! Messages with options that the operations of the client do not offer.

use client::{Error, Locator, Session};
use wsman::enumeration::{Enumerate, Page, Pull};
use wsman::shell::{CommandLine, OpenShell, Receive, Received, parse_command_response};
use wsman::{Action, Response, SelectorSet, ShellVerb, namespace};
use xml::{Fragment, Writer};

use crate::uri;

/// One page of an enumeration.
#[derive(Debug)]
pub(crate) struct Portion {
    pub(crate) context: Option<String>,
    pub(crate) items: usize,
    pub(crate) end: bool,
}

impl Portion {
    fn of(answer: &Response) -> Self {
        let page = Page::parse(answer.content().unwrap());
        Self { context: page.context, items: page.items.len(), end: page.end }
    }
}

pub(crate) fn fragment(write: impl FnOnce(&mut Writer)) -> Fragment {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.into_fragment()
}

pub(crate) async fn enumerate(
    session: &Session,
    locator: &Locator,
    enumerate: &Enumerate,
) -> Result<Portion, Error> {
    let body = fragment(|writer| enumerate.write(writer));
    let answer = session.invoke(locator, &Action::Enumerate.uri(), Some(&body)).await?;
    Ok(Portion::of(&answer))
}

pub(crate) async fn pull(
    session: &Session,
    locator: &Locator,
    context: &str,
    max_elements: u32,
) -> Result<Portion, Error> {
    let pull = Pull { context: context.to_owned(), max_elements: Some(max_elements), max_time: None };
    session.pull(locator, &pull).await.map(|answer| Portion::of(&answer))
}

/// Opens a shell that is not closed, and returns its locator.
pub(crate) async fn open_shell(session: &Session, open: &OpenShell) -> Result<Locator, Error> {
    let locator = Locator::new(uri(namespace::SHELL_CMD));
    let created = session.create(&locator, &fragment(|writer| open.write(writer))).await?;
    Ok(locator.with_selectors(created.reference.selectors))
}

/// Returns the locator of a shell with this identifier.
pub(crate) fn shell(id: &str) -> Locator {
    let selectors = SelectorSet::new().with("ShellId", id);
    Locator::new(uri(namespace::SHELL_CMD)).with_selectors(selectors)
}

pub(crate) async fn start(session: &Session, shell: &Locator, line: &str) -> Result<String, Error> {
    let line = CommandLine { command: line.to_owned(), ..CommandLine::default() };
    let answer = ask(session, shell, ShellVerb::Command, |body| line.write(body)).await?;
    Ok(parse_command_response(answer.content().unwrap()).unwrap())
}

pub(crate) async fn receive(session: &Session, shell: &Locator, command: &str) -> Result<Received, Error> {
    let streams = vec!["stdout".to_owned(), "stderr".to_owned()];
    let receive = Receive { command_id: Some(command.to_owned()), streams };
    let answer = ask(session, shell, ShellVerb::Receive, |body| receive.write(body)).await?;
    Ok(Received::parse(answer.content().unwrap()).unwrap())
}

pub(crate) async fn ask(
    session: &Session,
    shell: &Locator,
    verb: ShellVerb,
    body: impl FnOnce(&mut Writer),
) -> Result<Response, Error> {
    session.invoke(shell, &Action::Shell(verb).uri(), Some(&fragment(body))).await
}
