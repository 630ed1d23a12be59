//! Futures of the client are `Send`.
//!
//! The assertions are compile-time checks.

use client::{
    Command, CommandOptions, EnumerateOptions, Enumerator, Locator, Session, SessionBuilder, Shell,
    ShellOptions, Signaller, Stdin,
};
use telarch_client as client;
use wsman::enumeration::Pull;
use wsman::shell::{CommandLine, SignalCode};
use xml::Fragment;

fn sent<T: Send>(_: T) {}
fn shared<T: Send + Sync>() {}

#[allow(clippy::too_many_arguments, clippy::let_underscore_future)] // Nobody calls it.
fn futures_are_send(
    session: &Session,
    locator: &Locator,
    fragment: &Fragment,
    pull: &Pull,
    shells: [Shell; 2],
    commands: [Command; 2],
    mut stdin: Stdin,
    enumerators: [Enumerator; 2],
) {
    sent(session.identify());
    sent(session.identify_anonymous());
    sent(session.get(locator));
    sent(session.put(locator, fragment));
    sent(session.create(locator, fragment));
    sent(session.delete(locator));
    sent(session.invoke(locator, "Start", Some(fragment)));
    sent(session.enumerate(locator, EnumerateOptions::default()));
    sent(session.pull(locator, pull));
    sent(session.release(locator, "uuid:1"));
    sent(session.shell(ShellOptions::default()));

    let [shell, closed] = shells;
    sent(shell.start(&CommandLine::default(), CommandOptions::default()));
    sent(shell.run("dir"));
    sent(closed.close());

    let [mut command, finished] = commands;
    sent(command.next_output());
    sent(command.signal(SignalCode::CtrlC));
    sent(command.signaller().signal(SignalCode::CtrlC));
    sent(finished.finish());
    sent(stdin.write(b""));
    sent(stdin.close());

    let [mut enumerator, released] = enumerators;
    sent(enumerator.next());
    sent(released.release());
}

#[test]
fn public_types_are_send_and_sync() {
    let _ = futures_are_send;
    shared::<Session>();
    shared::<SessionBuilder>();
    shared::<Shell>();
    shared::<Signaller>();
    shared::<Stdin>();
    shared::<client::Error>();
    sent::<Option<Command>>(None);
    sent::<Option<Enumerator>>(None);
}

#[test]
fn a_signal_does_not_borrow_its_command() {
    fn lives_on_its_own<F: Future + Send + 'static>(_: F) {}
    let _ = |command: &Command| lives_on_its_own(command.signal(SignalCode::Terminate));
}
