//! Enumeration item by item, for programs with their own output.

use std::io;

use client::{Enumerator, Item};
use wsman::Omission;
use xml::Element;

use super::service_command::options_of;
use super::source_note::missing_source_note;
use super::{Command, CommandRunner, Operation};
use crate::failure::{Failure, Kind};
use crate::locator::Locator;
use crate::missing_source::class_of_query;
use crate::program::Stop;
use crate::session::{RemoteService, target};

impl CommandRunner {
    /// Enumerates instances and passes each item to `receive`. Returns the sources that are missing in the result.
    ///
    /// It ends early when `cancelled` completes or `receive`
    /// fails; the enumeration is then released. Only the items of one response are held in memory.
    ///
    /// # Errors
    /// [`Stop`] if the command is not an enumeration, or if the enumeration or `receive` fails;
    /// [`Stop::Interrupted`] if it was cancelled.
    pub async fn list(
        &self,
        command: Command,
        cancelled: impl Future<Output = ()>,
        receive: &mut dyn FnMut(Element<'_>) -> io::Result<()>,
    ) -> Result<Vec<Omission>, Stop> {
        tokio::pin!(cancelled);
        let mut items = tokio::select! {
            items = self.enumerate(command) => items?,
            () = &mut cancelled => return Err(Stop::Interrupted),
        };
        let outcome = loop {
            let next = tokio::select! {
                next = items.next() => next,
                () = &mut cancelled => break Err(Stop::Interrupted),
            };
            match next {
                Some(item) => {
                    // After an error, the service has already ended the enumeration.
                    if let Err(error) = receive(item?.element()) {
                        break Err(error.into());
                    }
                }
                None => return Ok(items.omissions().to_vec()),
            }
        };
        // An error while releasing the enumeration does not affect the result.
        let _ = items.release().await;
        outcome.map(|()| Vec::new())
    }

    /// Starts an enumeration of instances.
    ///
    /// # Errors
    /// [`Stop`] if the command is not an enumeration, or if the request fails.
    pub async fn enumerate(&self, command: Command) -> Result<Items<'_>, Stop> {
        let Command { operation: Operation::Enumerate { locator, enumeration }, options, .. } = command
        else {
            return Err(Failure::here(Kind::Usage, "the command is not an enumeration").into());
        };
        let resource = locator.short();
        let (target, options) = (target(&locator, &options, None)?, options_of(enumeration)?);
        match self.0.session.enumerate(&target, options).await {
            Ok(items) => Ok(Items { service: &self.0, resource, items }),
            Err(error) => Err(self.0.failure(error).about(&resource).into()),
        }
    }

    /// Returns a note about a query without results if the machine of the service lacks the data source of its class,
    /// and on its next line what to do.
    ///
    /// Only services that identify themselves as Telarch are asked. Errors mean that there is no note.
    pub async fn source_note(&self, namespace: &str, query: &str) -> Option<String> {
        let class = class_of_query(query)?;
        let locator = Locator::parse(&format!("wmi/{namespace}/{class}")).ok()?;
        missing_source_note(&self.0, &locator, class).await
    }
}

/// Items of an enumeration. Dropping them before the end releases the enumeration in the background.
pub struct Items<'s> {
    service: &'s RemoteService,
    /// Resource, for error messages.
    resource: String,
    items: Enumerator,
}

impl Items<'_> {
    /// Waits for the next item; `None` at the end. The future is cancellation-safe.
    ///
    /// # Errors
    /// [`Failure`] if a request or a response fails; the enumeration has then ended.
    pub async fn next(&mut self) -> Option<Result<Item, Failure>> {
        let next = self.items.next().await?;
        Some(next.map_err(|error| self.service.failure(error).about(&self.resource)))
    }

    /// Sources that are missing in the items, known at the end.
    #[must_use]
    pub fn omissions(&self) -> &[Omission] {
        self.items.omissions()
    }

    /// Ends the enumeration on the service.
    async fn release(self) -> Result<(), client::Error> {
        self.items.release().await
    }
}
