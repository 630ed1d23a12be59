//! Operations on one service.

use std::sync::Arc;
use std::time::Duration;

use client::{Authentication, EnumerateOptions, SessionBuilder};
use wsman::Response;

use crate::enumerator::{Enumerator, Filter};
use crate::error::Error;
use crate::error_context::ErrorContext;
use crate::flags::EnumerationFlags;
use crate::{Resource, ResourceLocator};

/// Session with one service (`IWSManSession`), created by [`Wsman::create_session`](crate::Wsman::create_session).
/// Clones are cheap and share their connections.
///
/// Operations may run concurrently. Dropping the future of an operation cancels it.
///
/// ```no_run
/// # async fn example(session: telarch::Session) -> Result<(), telarch::Error> {
/// let config = session.get("winrm/config").await?;
/// println!("{}", config.value("Service/Auth/Basic").unwrap_or_default());
///
/// let mut listeners = session.enumerate("winrm/config/listener", None, Default::default()).await?;
/// while let Some(listener) = listeners.next().await {
///     print!("{}", listener?.to_text());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) client: client::Session,
    /// Builder, to create the client's session again with another time limit.
    builder: SessionBuilder,
    authentication: Authentication,
    batch_items: Option<u32>,
    timeout: Duration,
    context: Arc<ErrorContext>,
}

impl Session {
    pub(crate) fn new(
        builder: SessionBuilder,
        authentication: Authentication,
        host: &str,
        user: Option<String>,
    ) -> Result<Self, Error> {
        let context = Arc::new(ErrorContext { host: host.to_owned(), user });
        let client = builder.clone().build().map_err(|error| context.explain(error))?;
        let timeout = client.operation_timeout();
        Ok(Self { client, builder, authentication, batch_items: None, timeout, context })
    }

    /// Host as it was addressed; `localhost` for the local service.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.context.host
    }

    /// User name, if one was specified.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        self.context.user.as_deref()
    }

    /// Authentication scheme: the selected one, or with automatic selection the one that the service accepted last.
    /// `None` without credentials, and for the local service.
    #[must_use]
    pub fn scheme(&self) -> Option<client::Scheme> {
        self.client.scheme()
    }

    /// Maximum number of enumeration items per response (`BatchItems`); `None` is limited only by size.
    #[must_use]
    pub fn batch_items(&self) -> Option<u32> {
        self.batch_items
    }

    /// Sets the maximum number of items for enumerations that start afterwards.
    ///
    /// # Errors
    /// [`Error::Argument`] for 0.
    pub fn set_batch_items(&mut self, items: Option<u32>) -> Result<(), Error> {
        if items == Some(0) {
            return Err(Error::argument("batch items must not be 0", Some("use 1 or more")));
        }
        self.batch_items = items;
        Ok(())
    }

    /// Time limit for the service to respond to one request (`Timeout`).
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sets the time limit and closes pooled connections. Active enumerations and commands keep the old limit.
    ///
    /// # Errors
    /// [`Error::Argument`] for 0.
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<(), Error> {
        let builder = self.builder.clone().operation_timeout(timeout);
        let client = builder.clone().build().map_err(|error| self.context.explain(error))?;
        (self.client, self.builder, self.timeout) = (client, builder, timeout);
        Ok(())
    }

    /// Identifies the service (`Identify`); without authentication if the session uses none.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn identify(&self) -> Result<Resource, Error> {
        let identified = match self.authentication {
            Authentication::None => self.client.identify_anonymous().await,
            _ => self.client.identify().await,
        };
        self.content(identified.map(|identified| identified.answer))
    }

    /// Reads an instance (`Get`).
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn get<L>(&self, locator: L) -> Result<Resource, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?.for_client();
        self.content(self.client.get(&locator).await)
    }

    /// Replaces an instance or the fragment in the locator (`Put`), and returns the new representation if the service
    /// sends it. `xml` is one element.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn put<L>(&self, locator: L, xml: &str) -> Result<Option<Resource>, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?.for_client();
        let representation = Resource::parse(xml)?.fragment();
        self.content_if_any(self.client.put(&locator, &representation).await)
    }

    /// Creates an instance (`Create`) and returns `ResourceCreated`, from which [`Resource::reference`] extracts the
    /// reference and which [`ResourceLocator`] accepts as XML.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn create<L>(&self, locator: L, xml: &str) -> Result<Resource, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?.for_client();
        let representation = Resource::parse(xml)?.fragment();
        let created = self.client.create(&locator, &representation).await;
        self.content(created.map(|created| created.answer))
    }

    /// Deletes an instance (`Delete`).
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn delete<L>(&self, locator: L) -> Result<(), Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?.for_client();
        self.client.delete(&locator).await.map(drop).map_err(|error| self.explain(error))
    }

    /// Calls a method (`Invoke`) and returns its output, if any. `action` is a method name or an action URI; `xml` is the
    /// input, one element named `NAME_INPUT`.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn invoke<L>(&self, action: &str, locator: L, xml: &str) -> Result<Option<Resource>, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?;
        let input = Resource::parse(xml)?.fragment();
        let action = locator.action_uri(action);
        self.content_if_any(self.client.invoke(&locator.for_client(), &action, Some(&input)).await)
    }

    /// Enumerates instances (`Enumerate`).
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails; [`Error::Argument`] for a filter together with selectors.
    pub async fn enumerate<L>(
        &self,
        locator: L,
        filter: Option<Filter>,
        flags: EnumerationFlags,
    ) -> Result<Enumerator, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?;
        if filter.is_some() && !locator.selectors().is_empty() {
            return Err(Error::argument(
                "a filter and selectors cannot be combined",
                Some("omit the selectors; the filter selects the instances"),
            ));
        }
        let (mode, polymorphism) = crate::enumerator::modes(flags)?;
        let filter = filter.map(|filter| filter.for_client(flags, locator.resource_uri())).transpose()?;
        let mut options = EnumerateOptions { mode, polymorphism, filter, ..EnumerateOptions::default() };
        if let Some(items) = self.batch_items {
            options.max_elements = items;
        }
        let started = self.client.enumerate(&locator.for_client(), options).await;
        let items = started.map_err(|error| self.explain(error))?;
        Ok(Enumerator::new(items, Arc::clone(&self.context)))
    }

    /// Sends a complete envelope unchanged, and returns status and body of the response. For messages that this API does
    /// not support.
    ///
    /// # Errors
    /// [`Error`] if no response arrives or the service rejects the credentials.
    pub async fn post(&self, envelope: &str) -> Result<(u16, Vec<u8>), Error> {
        let answer = self.client.post(envelope).await.map_err(|error| self.explain(error))?;
        Ok((answer.status, answer.body))
    }

    pub(crate) fn explain(&self, error: client::Error) -> Error {
        self.context.explain(error)
    }

    pub(crate) fn context(&self) -> Arc<ErrorContext> {
        Arc::clone(&self.context)
    }

    /// Returns the content of the response; the client has checked that there is one.
    fn content(&self, answer: Result<Response, client::Error>) -> Result<Resource, Error> {
        let answer = answer.map_err(|error| self.explain(error))?;
        Resource::of(answer.content().unwrap_or_else(|| answer.envelope()))
    }

    fn content_if_any(&self, answer: Result<Response, client::Error>) -> Result<Option<Resource>, Error> {
        let answer = answer.map_err(|error| self.explain(error))?;
        answer.content().map(Resource::of).transpose()
    }
}
