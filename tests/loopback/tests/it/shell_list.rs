//! Tests of lists of shells and commands.

use std::time::Duration;

use client::{EnumerateOptions, Locator, Session, ShellOptions};
use telarch_loopback::{Loopback, User};
use wsman::enumeration::{EnumerationMode, Filter};
use wsman::shell::ShellState;
use wsman::{SelectorSet, Subcode, code, namespace};

use crate::shell::{first_line, open, rest, start};
use crate::{refusal, uri};

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";

/// Returns the shells of the user.
pub(crate) async fn shells(session: &Session) -> Vec<ShellState> {
    let mut listing = session.enumerate(&Locator::new(uri(SHELL)), Default::default()).await.unwrap();
    let mut found = Vec::new();
    while let Some(item) = listing.next().await {
        found.push(ShellState::parse(item.unwrap().element()));
    }
    found
}

fn filter(shell: &str) -> EnumerateOptions {
    let selectors = SelectorSet::new().with("ShellId", shell);
    let filter = Filter {
        dialect: namespace::DIALECT_SELECTOR.to_owned(),
        text: String::new(),
        selectors,
        ..Filter::default()
    };
    EnumerateOptions { filter: Some(filter), ..EnumerateOptions::default() }
}

/// Returns command line and state of every command of a shell, sorted.
async fn commands(session: &Session, shell: &str) -> Vec<(String, String)> {
    let mut listing = session.enumerate(&Locator::new(uri(SHELL)), filter(shell)).await.unwrap();
    let mut found = Vec::new();
    while let Some(item) = listing.next().await {
        let item = item.unwrap();
        let text = |name: &str| item.element().child(namespace::SHELL, name).unwrap().text().into_owned();
        assert!(!text("CommandId").is_empty());
        found.push((text("CommandLine"), text("CommandState")));
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_user_lists_its_own_shells_with_their_options() {
    let service = Loopback::start().await;
    let (ada, ben) = (service.session(User::Ada), service.session(User::Ben));
    let options = ShellOptions {
        name: Some("mine".to_owned()),
        directory: Some(service.home().to_string_lossy().into_owned()),
        idle_timeout: Some(Duration::from_secs(90)),
        ..ShellOptions::default()
    };
    let first = ada.shell(options).await.unwrap();
    let second = open(&ada).await;
    let of_ben = open(&ben).await;

    let mut listed = shells(&ada).await;
    listed.sort_by_key(|shell| shell.name.is_none());
    let ids: Vec<_> = listed.iter().map(|shell| shell.shell_id.as_str()).collect();
    assert_eq!(ids, [first.id(), second.id()]);
    let reported = &listed[0];
    assert_eq!(
        (reported.name.as_deref(), reported.owner.as_str(), reported.client_ip.as_str()),
        (Some("mine"), "ada", "127.0.0.1")
    );
    assert_eq!(reported.resource_uri, namespace::SHELL_CMD);
    assert_eq!(reported.working_directory.as_deref(), service.home().to_str());
    assert_eq!(
        (reported.input_streams.as_str(), reported.output_streams.as_str()),
        ("stdin", "stdout stderr")
    );
    assert_eq!(wsman::duration::parse(&reported.idle_timeout), Ok(Duration::from_secs(90)));

    let there = Locator::new(uri(SHELL)).with_selectors(SelectorSet::new().with("ShellId", second.id()));
    let got = ada.get(&there).await.unwrap();
    assert_eq!(ShellState::parse(got.content().unwrap()).shell_id, second.id());
    assert_eq!(shells(&ben).await.len(), 1);

    // A listed shell can be deleted by its reference.
    let options = EnumerateOptions { mode: EnumerationMode::Reference, ..EnumerateOptions::default() };
    let mut listing = ben.enumerate(&Locator::new(uri(SHELL)), options).await.unwrap();
    let reference = listing.next().await.unwrap().unwrap().reference().unwrap();
    ben.delete(&Locator::new(reference.resource).with_selectors(reference.selectors)).await.unwrap();
    assert!(shells(&ben).await.is_empty());
    of_ben.close().await.unwrap();
    first.close().await.unwrap();
    second.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn the_commands_of_a_shell_are_listed_until_they_are_released() {
    let service = Loopback::start().await;
    let (ada, ben) = (service.session(User::Ada), service.session(User::Ben));
    let shell = open(&ada).await;
    assert_eq!(commands(&ada, shell.id()).await, []);
    let mut done = start(&shell, "exit 1").await;
    let mut running = start(&shell, "echo here; exec sleep 1000").await;
    first_line(&mut running).await;
    rest(&mut done).await;
    let listed = [("echo here; exec sleep 1000", "Running"), ("exit 1", "Done")];
    let listed = listed.map(|(line, state)| (line.to_owned(), state.to_owned()));
    assert_eq!(commands(&ada, shell.id()).await, listed);
    let reported = shells(&ada).await;
    assert_eq!(reported[0].command_line.as_deref(), Some("echo here; exec sleep 1000"));
    assert_eq!(reported[0].child_processes, Some(1));

    let unknown = (Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS);
    assert_eq!(refusal(ben.enumerate(&Locator::new(uri(SHELL)), filter(shell.id())).await), unknown);
    let references = EnumerateOptions { mode: EnumerationMode::Reference, ..filter(shell.id()) };
    let refused = refusal(ada.enumerate(&Locator::new(uri(SHELL)), references).await);
    assert_eq!(refused, (Subcode::UnsupportedFeature, code::SHELL_EPR_UNSUPPORTED));

    done.finish().await.unwrap();
    assert_eq!(commands(&ada, shell.id()).await, listed[..1]);
    running.signal(wsman::shell::SignalCode::Terminate).await.unwrap();
    rest(&mut running).await;
    running.finish().await.unwrap();
    assert_eq!(commands(&ada, shell.id()).await, []);
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn shells_are_listed_and_created_with_different_resources() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let unsupported = (Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED);
    let cmd = Locator::new(uri(namespace::SHELL_CMD));
    assert_eq!(refusal(session.enumerate(&cmd, Default::default()).await), unsupported);
    assert_eq!(refusal(session.get(&cmd).await), unsupported);
    let body = crate::message::fragment(|writer| wsman::shell::OpenShell::default().write(writer));
    assert_eq!(refusal(session.create(&Locator::new(uri(SHELL)), &body).await), unsupported);
    assert_eq!(refusal(session.put(&cmd, &body).await), unsupported);
    let powershell = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell";
    let unknown = (Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI);
    assert_eq!(refusal(session.create(&Locator::new(uri(powershell)), &body).await), unknown);
    service.close().await;
}
