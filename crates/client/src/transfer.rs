//! WS-Transfer operations Get, Put, Create and Delete (DSP0226 7), and custom methods.

use wsman::{Action, EndpointReference, Response};
use xml::{Fragment, Name, Writer};

use crate::error::Error;
use crate::session::Retry;
use crate::{Locator, Session};

/// Response to Create.
#[derive(Debug)]
pub struct CreatedResource {
    /// Reference of the new instance.
    pub reference: EndpointReference,
    /// The complete response.
    pub answer: Response,
}

impl Session {
    /// Reads an instance; the content of the response is its representation.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn get(&self, locator: &Locator) -> Result<Response, Error> {
        let answer = self.transfer(Action::Get, locator, Retry::Safe, |_| {}).await?;
        self.with_content(answer)
    }

    /// Replaces an instance; the content of the response is the representation after the change.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn put(&self, locator: &Locator, representation: &Fragment) -> Result<Response, Error> {
        // Putting the same values twice has the same result.
        self.transfer(Action::Put, locator, Retry::Safe, |body| append(body, representation)).await
    }

    /// Creates an instance.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn create(
        &self,
        locator: &Locator,
        representation: &Fragment,
    ) -> Result<CreatedResource, Error> {
        let answer = self
            .transfer(Action::Create, locator, Retry::Unsafe, |body| append(body, representation))
            .await?;
        let Some(created) = answer.content_named("ResourceCreated") else {
            return Err(self.missing("a ResourceCreated element", &answer));
        };
        let reference =
            EndpointReference::parse(created).map_err(|fault| self.unreadable(created, &fault))?;
        Ok(CreatedResource { reference, answer })
    }

    /// Deletes an instance.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn delete(&self, locator: &Locator) -> Result<Response, Error> {
        // A repeated request would fail because the instance no longer exists.
        self.transfer(Action::Delete, locator, Retry::Unsafe, |_| {}).await
    }

    /// Calls a method; the content of the response is its output.
    ///
    /// `method` is a method name or a complete action URI. Without `input`, an empty `METHOD_INPUT` element in the
    /// namespace of the resource is sent.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Setting`] for an invalid method name.
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
        let action = Action::Custom(uri);
        self.transfer(action, locator, Retry::Unsafe, |writer| match input {
            Some(input) => append(writer, input),
            None => {
                writer.start(&format!("{}_INPUT", name.with_prefix("p")));
                writer.namespace("p", locator.resource.as_str()).end_empty();
            }
        })
        .await
    }

    /// Sends a request with any action, for resources with messages of their own.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn transfer(
        &self,
        action: Action,
        locator: &Locator,
        retry: Retry,
        body: impl FnOnce(&mut Writer),
    ) -> Result<Response, Error> {
        let timeouts = self.timeouts();
        self.exchange(&self.head(action, locator), retry, &timeouts, body).await
    }

    fn with_content(&self, answer: Response) -> Result<Response, Error> {
        if answer.content().is_none() { Err(self.missing("a representation", &answer)) } else { Ok(answer) }
    }
}

fn append(writer: &mut Writer, representation: &Fragment) {
    writer.fragment(representation);
}
