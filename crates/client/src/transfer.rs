//! Get, Put, Create, Delete (WS-Transfer), and methods of a resource.

use wsman::{Action, EndpointReference, Response};
use xml::{Fragment, Name, Writer};

use crate::error::Error;
use crate::session::Repeat;
use crate::{Locator, Session};

/// What a service says of an instance it has made.
#[derive(Debug)]
pub struct Created {
    /// Where the new instance is.
    pub reference: EndpointReference,
    /// The whole answer.
    pub answer: Response,
}

impl Session {
    /// Reads an instance; the answer's content is its representation.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get(&self, locator: &Locator) -> Result<Response, Error> {
        let answer = self.transfer(Action::Get, locator, Repeat::Harmless, |_| {}).await?;
        self.with_content(answer)
    }

    /// Replaces an instance; the answer's content is its representation afterwards.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn put(&self, locator: &Locator, representation: &Fragment) -> Result<Response, Error> {
        let write = |writer: &mut Writer| append(writer, representation);
        // The same values twice are the same values.
        self.transfer(Action::Put, locator, Repeat::Harmless, write).await
    }

    /// Makes an instance.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create(&self, locator: &Locator, representation: &Fragment) -> Result<Created, Error> {
        let write = |writer: &mut Writer| append(writer, representation);
        let answer = self.transfer(Action::Create, locator, Repeat::Harmful, write).await?;
        let Some(created) = answer.content_named("ResourceCreated") else {
            return Err(self.lacking("a ResourceCreated element", &answer));
        };
        let reference =
            EndpointReference::parse(created).map_err(|fault| self.unreadable(created, &fault))?;
        Ok(Created { reference, answer })
    }

    /// Removes an instance.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete(&self, locator: &Locator) -> Result<Response, Error> {
        // The second time the instance is gone, which would look like a failure.
        self.transfer(Action::Delete, locator, Repeat::Harmful, |_| {}).await
    }

    /// Calls a method; the answer's content is its output.
    ///
    /// `method` is a name, or the whole URI of an action. Without `input` an empty `METHOD_INPUT` element
    /// of the resource's namespace is sent.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Setting`] for a name that is none.
    pub async fn invoke(
        &self,
        locator: &Locator,
        method: &str,
        input: Option<&Fragment>,
    ) -> Result<Response, Error> {
        let (base, name) = match method.rsplit_once('/') {
            Some((_, name)) => (None, name),
            None => (Some(locator.resource.as_str()), method),
        };
        let name = Name::parse(name)
            .map_err(|error| Error::Setting { setting: "method", reason: error.to_string() })?;
        let uri = base.map_or_else(|| method.to_owned(), |base| format!("{base}/{method}"));
        let write = |writer: &mut Writer| match input {
            Some(input) => append(writer, input),
            None => {
                writer.start(&format!("{}_INPUT", name.with_prefix("p")));
                writer.namespace("p", locator.resource.as_str()).end_empty();
            }
        };
        self.transfer(Action::Custom(uri), locator, Repeat::Harmful, write).await
    }

    async fn transfer(
        &self,
        action: Action,
        locator: &Locator,
        repeat: Repeat,
        body: impl FnOnce(&mut Writer),
    ) -> Result<Response, Error> {
        let patience = self.patience();
        self.exchange(&self.head(action, locator), repeat, &patience, body).await
    }

    fn with_content(&self, answer: Response) -> Result<Response, Error> {
        if answer.content().is_none() { Err(self.lacking("a representation", &answer)) } else { Ok(answer) }
    }
}

fn append(writer: &mut Writer, representation: &Fragment) {
    writer.fragment(representation);
}
