//! The items of an enumeration one by one, for programs beside `winrm` that print them in their own way.

use std::io;

use xml::Element;

use super::run::options_of;
use super::{Command, Conversation, Operation};
use crate::failure::{Failure, Kind};
use crate::program::Stop;
use crate::session::target;

impl Conversation {
    /// Gives each item of an enumeration until `enough`, or `give` fails. No more of them are held than came with one
    /// answer, and the service is told if no more are wanted.
    ///
    /// # Errors
    /// [`Stop`]; [`Stop::Interrupted`] when it was enough before the end.
    pub async fn list(
        &self,
        command: Command,
        enough: impl Future<Output = ()>,
        give: &mut dyn FnMut(Element<'_>) -> io::Result<()>,
    ) -> Result<(), Stop> {
        let Command { operation: Operation::Enumerate { locator, enumeration }, options, .. } = command
        else {
            return Err(Failure::here(Kind::Usage, "only what can be enumerated can be listed").into());
        };
        let service = &self.0;
        let failed = |error| Stop::from(service.failure(error).about(&locator.short()));
        let (target, options) = (target(&locator, &options, None)?, options_of(enumeration)?);
        tokio::pin!(enough);
        let mut items = tokio::select! {
            items = service.session.enumerate(&target, options) => items.map_err(failed)?,
            () = &mut enough => return Err(Stop::Interrupted),
        };
        let outcome = loop {
            let next = tokio::select! {
                next = items.next() => next,
                () = &mut enough => break Err(Stop::Interrupted),
            };
            match next {
                Some(Ok(item)) => {
                    if let Err(error) = give(item.element()) {
                        break Err(error.into());
                    }
                }
                // What the service has ended needs no other end.
                Some(Err(error)) => return Err(failed(error)),
                None => return Ok(()),
            }
        };
        // That it could not be told is no failure of what was wanted.
        let _ = items.release().await;
        outcome
    }
}
