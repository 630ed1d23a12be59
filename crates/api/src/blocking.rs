//! Synchronous API for programs without a tokio runtime.
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
//! Not usable inside a tokio runtime, because it would block the runtime; use the asynchronous API there.

use std::sync::Arc;

use client::{CommandOptions, CommandResult, Output, ShellOptions};
use tokio::runtime::Runtime;
use wsman::shell::SignalCode;

use crate::error::Error;
use crate::flags::EnumerationFlags;
use crate::{Filter, Occurrence, PartialResults, Resource, ResourceLocator};

/// Synchronous session. Clones share connections and one worker thread.
#[derive(Clone, Debug)]
pub struct Session {
    session: crate::Session,
    runtime: Arc<Runtime>,
}

/// Items of an enumeration.
#[derive(Debug)]
pub struct Enumerator {
    items: Option<crate::Enumerator>,
    runtime: Arc<Runtime>,
}

/// Events of a subscription.
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
    /// Creates a synchronous session with a runtime of its own.
    ///
    /// # Errors
    /// [`Error::Argument`] if no thread can be created.
    pub fn new(session: crate::Session) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime =
            runtime.map_err(|error| Error::argument(format!("cannot start a thread: {error}"), None))?;
        Ok(Self { session, runtime: Arc::new(runtime) })
    }

    /// Returns the asynchronous session.
    #[must_use]
    pub fn inner(&self) -> &crate::Session {
        &self.session
    }

    /// Synchronous version of [`crate::Session::identify`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn identify(&self) -> Result<Resource, Error> {
        self.runtime.block_on(self.session.identify())
    }

    /// Synchronous version of [`crate::Session::get`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn get<L>(&self, locator: L) -> Result<Resource, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.get(locator))
    }

    /// Synchronous version of [`crate::Session::put`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn put<L>(&self, locator: L, xml: &str) -> Result<Option<Resource>, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.put(locator, xml))
    }

    /// Synchronous version of [`crate::Session::create`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn create<L>(&self, locator: L, xml: &str) -> Result<Resource, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.create(locator, xml))
    }

    /// Synchronous version of [`crate::Session::delete`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn delete<L>(&self, locator: L) -> Result<(), Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.delete(locator))
    }

    /// Synchronous version of [`crate::Session::invoke`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn invoke<L>(&self, action: &str, locator: L, xml: &str) -> Result<Option<Resource>, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        self.runtime.block_on(self.session.invoke(action, locator, xml))
    }

    /// Synchronous version of [`crate::Session::enumerate`].
    ///
    /// # Errors
    /// As for the asynchronous function.
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

    /// Synchronous version of [`crate::Session::subscribe`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn subscribe<L>(&self, locator: L, filter: Filter) -> Result<Subscription, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let events = self.runtime.block_on(self.session.subscribe(locator, filter))?;
        Ok(Subscription { events: Some(events), runtime: Arc::clone(&self.runtime) })
    }

    /// Synchronous version of [`crate::Session::run`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn run(
        &self,
        command: &str,
        arguments: &[String],
        options: ShellOptions,
    ) -> Result<CommandResult, Error> {
        self.runtime.block_on(self.session.run(command, arguments, options))
    }

    /// Synchronous version of [`crate::Session::shell`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn shell(&self, options: ShellOptions) -> Result<Shell, Error> {
        let shell = self.runtime.block_on(self.session.shell(options))?;
        Ok(Shell { shell: Some(shell), runtime: Arc::clone(&self.runtime) })
    }
}

impl Enumerator {
    /// Synchronous version of [`crate::Enumerator::partial_results`].
    #[must_use]
    pub fn partial_results(&self) -> Option<PartialResults> {
        self.items.as_ref()?.partial_results()
    }
}

impl Iterator for Enumerator {
    type Item = Result<Resource, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.items.as_mut()?.next())
    }
}

/// Releases the rest of the enumeration.
impl Drop for Enumerator {
    fn drop(&mut self) {
        if let Some(items) = self.items.take() {
            // An error can no longer be returned.
            let _released = self.runtime.block_on(items.release());
        }
    }
}

impl Subscription {
    /// Synchronous version of [`crate::Subscription::partial_results`].
    #[must_use]
    pub fn partial_results(&self) -> Option<PartialResults> {
        self.events.as_ref()?.partial_results()
    }
}

/// Each call waits for the next event, without a time limit.
impl Iterator for Subscription {
    type Item = Result<Occurrence, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.events.as_mut()?.next())
    }
}

/// Cancels the subscription.
impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(events) = self.events.take() {
            // An error can no longer be returned.
            let _ended = self.runtime.block_on(events.end());
        }
    }
}

impl Shell {
    /// Synchronous version of [`crate::Shell::run`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn run(&self, command: &str, arguments: &[String]) -> Result<CommandResult, Error> {
        let shell = self.shell.as_ref().ok_or_else(closed)?;
        self.runtime.block_on(shell.run(command, arguments))
    }

    /// Synchronous version of [`crate::Shell::start`].
    ///
    /// # Errors
    /// As for the asynchronous function.
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

    /// Synchronous version of [`crate::Shell::close`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn close(mut self) -> Result<(), Error> {
        self.shell.take().map_or(Ok(()), |shell| self.runtime.block_on(shell.close()))
    }
}

/// Closes the shell, so that none is left on the service.
impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(shell) = self.shell.take() {
            let _closed = self.runtime.block_on(shell.close());
        }
    }
}

impl Command {
    /// Synchronous version of [`crate::Command::next_output`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn next_output(&mut self) -> Result<Output, Error> {
        let command = self.command.as_mut().ok_or_else(closed)?;
        self.runtime.block_on(command.next_output())
    }

    /// Synchronous version of [`crate::Controls::write`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn write(&self, octets: &[u8]) -> Result<(), Error> {
        let command = self.command.as_ref().ok_or_else(closed)?;
        self.runtime.block_on(command.controls().write(octets))
    }

    /// Synchronous version of [`crate::Controls::close_input`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn close_input(&self) -> Result<(), Error> {
        let command = self.command.as_ref().ok_or_else(closed)?;
        self.runtime.block_on(command.controls().close_input())
    }

    /// Synchronous version of [`crate::Controls::signal`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn signal(&self, code: SignalCode) -> Result<(), Error> {
        let command = self.command.as_ref().ok_or_else(closed)?;
        self.runtime.block_on(command.controls().signal(code))
    }

    /// Synchronous version of [`crate::Command::finish`].
    ///
    /// # Errors
    /// As for the asynchronous function.
    pub fn finish(mut self) -> Result<(), Error> {
        self.command.take().map_or(Ok(()), |command| self.runtime.block_on(command.finish()))
    }
}

/// Terminates the command.
impl Drop for Command {
    fn drop(&mut self) {
        if let Some(command) = self.command.take() {
            let _ended = self.runtime.block_on(command.finish());
        }
    }
}

fn closed() -> Error {
    Error::argument("the shell or command is closed", None)
}
