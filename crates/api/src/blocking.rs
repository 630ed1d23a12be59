//! The same for programs without a runtime: every call waits for its answer.
//!
//! ```no_run
//! use telarch::{ConnectionOptions, SessionFlags, Wsman, blocking};
//!
//! let options = ConnectionOptions::new().credentials("ann", "a secret");
//! let session = Wsman::new().create_session("https://node7:5986", SessionFlags::USE_NEGOTIATE, options)?;
//! let session = blocking::Session::new(session)?;
//! for listener in session.enumerate("winrm/config/listener", None, Default::default())? {
//!     print!("{}", listener?.to_text());
//! }
//! # Ok::<(), telarch::Error>(())
//! ```
//!
//! Not to be called from inside a runtime, which would have to wait with the caller: use the asynchronous API there.

use std::sync::Arc;

use client::{CommandOptions, Finished, Output, ShellOptions};
use tokio::runtime::Runtime;
use wsman::shell::SignalCode;

use crate::error::Error;
use crate::flags::EnumerationFlags;
use crate::{Filter, Occurrence, Resource, ResourceLocator};

/// A session whose calls wait. Clones share connections and the one thread that serves them.
#[derive(Clone, Debug)]
pub struct Session {
    session: crate::Session,
    runtime: Arc<Runtime>,
}

/// The items of an enumeration.
#[derive(Debug)]
pub struct Enumerator {
    items: Option<crate::Enumerator>,
    runtime: Arc<Runtime>,
}

/// The events of a subscription.
#[derive(Debug)]
pub struct Subscription {
    events: Option<crate::Subscription>,
    runtime: Arc<Runtime>,
}

/// A shell.
#[derive(Debug)]
pub struct Shell {
    shell: Option<crate::Shell>,
    runtime: Arc<Runtime>,
}

/// A command in a shell.
#[derive(Debug)]
pub struct Command {
    command: Option<crate::Command>,
    runtime: Arc<Runtime>,
}

impl Session {
    /// The session, with a runtime of its own.
    ///
    /// # Errors
    /// [`Error::Argument`] if the system has no thread to give.
    pub fn new(session: crate::Session) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| Error::argument(format!("no runtime: {error}"), None))?;
        Ok(Self { session, runtime: Arc::new(runtime) })
    }

    /// The session it stands for.
    #[must_use]
    pub fn inner(&self) -> &crate::Session {
        &self.session
    }

    /// As [`crate::Session::identify`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn identify(&self) -> Result<Resource, Error> {
        self.runtime.block_on(self.session.identify())
    }

    /// As [`crate::Session::get`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn get<L>(&self, locator: L) -> Result<Resource, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.get(locator))
    }

    /// As [`crate::Session::put`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn put<L>(&self, locator: L, xml: &str) -> Result<Option<Resource>, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.put(locator, xml))
    }

    /// As [`crate::Session::create`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn create<L>(&self, locator: L, xml: &str) -> Result<Resource, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.create(locator, xml))
    }

    /// As [`crate::Session::delete`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn delete<L>(&self, locator: L) -> Result<(), Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.delete(locator))
    }

    /// As [`crate::Session::invoke`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn invoke<L>(&self, action: &str, locator: L, xml: &str) -> Result<Option<Resource>, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.invoke(action, locator, xml))
    }

    /// As [`crate::Session::enumerate`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn enumerate<L>(
        &self,
        locator: L,
        filter: Option<Filter>,
        flags: EnumerationFlags,
    ) -> Result<Enumerator, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let items = self.runtime.block_on(self.session.enumerate(locator, filter, flags))?;
        Ok(Enumerator { items: Some(items), runtime: Arc::clone(&self.runtime) })
    }

    /// As [`crate::Session::subscribe`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn subscribe<L>(&self, locator: L, filter: Filter) -> Result<Subscription, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let events = self.runtime.block_on(self.session.subscribe(locator, filter))?;
        Ok(Subscription { events: Some(events), runtime: Arc::clone(&self.runtime) })
    }

    /// As [`crate::Session::run`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn run(&self, command: &str, arguments: &[String], options: ShellOptions) -> Result<Finished, Error> {
        self.runtime.block_on(self.session.run(command, arguments, options))
    }

    /// As [`crate::Session::shell`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn shell(&self, options: ShellOptions) -> Result<Shell, Error> {
        let shell = self.runtime.block_on(self.session.shell(options))?;
        Ok(Shell { shell: Some(shell), runtime: Arc::clone(&self.runtime) })
    }
}

impl Iterator for Enumerator {
    type Item = Result<Resource, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.items.as_mut()?.next())
    }
}

/// What is left of the enumeration is released before the caller goes on.
impl Drop for Enumerator {
    fn drop(&mut self) {
        if let Some(items) = self.items.take() {
            // Nobody is left to hear of it.
            let _released = self.runtime.block_on(items.release());
        }
    }
}

/// Each call waits for the next event, for as long as it takes.
impl Iterator for Subscription {
    type Item = Result<Occurrence, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.events.as_mut()?.next())
    }
}

/// It is ended before the caller goes on.
impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(events) = self.events.take() {
            // Nobody is left to hear of it.
            let _ended = self.runtime.block_on(events.end());
        }
    }
}

impl Shell {
    /// As [`crate::Shell::run`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn run(&self, command: &str, arguments: &[String]) -> Result<Finished, Error> {
        let shell = self.shell.as_ref().ok_or_else(closed)?;
        self.runtime.block_on(shell.run(command, arguments))
    }

    /// As [`crate::Shell::start`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn start(
        &self,
        command: &str,
        arguments: &[String],
        options: CommandOptions,
    ) -> Result<Command, Error> {
        let shell = self.shell.as_ref().ok_or_else(closed)?;
        let command = self.runtime.block_on(shell.start(command, arguments, options))?;
        Ok(Command { command: Some(command), runtime: Arc::clone(&self.runtime) })
    }

    /// As [`crate::Shell::close`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn close(mut self) -> Result<(), Error> {
        self.shell.take().map_or(Ok(()), |shell| self.runtime.block_on(shell.close()))
    }
}

/// It is closed before the caller goes on, so that no shell is left on the service.
impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(shell) = self.shell.take() {
            let _closed = self.runtime.block_on(shell.close());
        }
    }
}

impl Command {
    /// As [`crate::Command::next_output`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn next_output(&mut self) -> Result<Output, Error> {
        let command = self.command.as_mut().ok_or_else(closed)?;
        self.runtime.block_on(command.next_output())
    }

    /// As [`crate::Controls::write`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn write(&self, octets: &[u8]) -> Result<(), Error> {
        let command = self.command.as_ref().ok_or_else(closed)?;
        self.runtime.block_on(command.controls().write(octets))
    }

    /// As [`crate::Controls::close_input`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn close_input(&self) -> Result<(), Error> {
        let command = self.command.as_ref().ok_or_else(closed)?;
        self.runtime.block_on(command.controls().close_input())
    }

    /// As [`crate::Controls::signal`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn signal(&self, code: SignalCode) -> Result<(), Error> {
        let command = self.command.as_ref().ok_or_else(closed)?;
        self.runtime.block_on(command.controls().signal(code))
    }

    /// As [`crate::Command::finish`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn finish(mut self) -> Result<(), Error> {
        self.command.take().map_or(Ok(()), |command| self.runtime.block_on(command.finish()))
    }
}

/// It is ended before the caller goes on.
impl Drop for Command {
    fn drop(&mut self) {
        if let Some(command) = self.command.take() {
            let _ended = self.runtime.block_on(command.finish());
        }
    }
}

fn closed() -> Error {
    Error::argument("it is closed", None)
}
