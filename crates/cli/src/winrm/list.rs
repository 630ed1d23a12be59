//! Enumeration item by item, for programs with their own output.

use std::io;

use wsman::Omission;
use xml::Element;

use super::service_command::options_of;
use super::source_note::missing_source_note;
use super::{Command, CommandRunner, Operation};
use crate::failure::{Failure, Kind};
use crate::locator::Locator;
use crate::missing_source::class_of_query;
use crate::program::Stop;
use crate::session::target;

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
        let Command { operation: Operation::Enumerate { locator, enumeration }, options, .. } = command
        else {
            return Err(Failure::here(Kind::Usage, "the command is not an enumeration").into());
        };
        let service = &self.0;
        let resource = locator.short();
        let (target, options) = (target(&locator, &options, None)?, options_of(enumeration)?);
        tokio::pin!(cancelled);
        let mut items = tokio::select! {
            items = service.session.enumerate(&target, options) => {
                items.map_err(|error| service.failure(error).about(&resource))?
            }
            () = &mut cancelled => return Err(Stop::Interrupted),
        };
        let outcome = loop {
            let next = tokio::select! {
                next = items.next() => next,
                () = &mut cancelled => break Err(Stop::Interrupted),
            };
            match next {
                Some(Ok(item)) => {
                    if let Err(error) = receive(item.element()) {
                        break Err(error.into());
                    }
                }
                // The service has already ended the enumeration.
                Some(Err(error)) => return Err(service.failure(error).about(&resource).into()),
                None => return Ok(items.omissions().to_vec()),
            }
        };
        // An error while releasing the enumeration does not affect the result.
        let _ = items.release().await;
        outcome.map(|()| Vec::new())
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
