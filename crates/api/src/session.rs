//! Operations on one service.

use std::sync::Arc;
use std::time::Duration;

use client::{Authentication, EnumerateOptions, SessionBuilder};
use wsman::Response;

use crate::enumerator::{Enumerator, Filter};
use crate::error::Error;
use crate::flags::EnumerationFlags;
use crate::{Resource, ResourceLocator};

/// A session with one service (`IWSManSession`), made by [`Wsman::create_session`](crate::Wsman::create_session).
/// Cloning it is cheap, and all clones share their connections.
///
/// Operations may run at the same time. Dropping the future of one gives it up.
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
    /// To make the client's session again with another limit.
    builder: SessionBuilder,
    authentication: Authentication,
    batch_items: Option<u32>,
    timeout: Duration,
    about: Arc<About>,
}

/// What errors need to know of a session.
#[derive(Debug)]
pub(crate) struct About {
    host: String,
    user: Option<String>,
}

impl About {
    pub(crate) fn explain(&self, error: client::Error) -> Error {
        Error::of(error, &self.host)
    }
}

impl Session {
    pub(crate) fn new(
        builder: SessionBuilder,
        authentication: Authentication,
        host: &str,
        user: Option<String>,
    ) -> Result<Self, Error> {
        let about = Arc::new(About { host: host.to_owned(), user });
        let client = builder.clone().build().map_err(|error| about.explain(error))?;
        let timeout = client.operation_timeout();
        Ok(Self { client, builder, authentication, batch_items: None, timeout, about })
    }

    /// The host as it was addressed; `localhost` for the service of this machine.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.about.host
    }

    /// Who asks, if a name was given.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        self.about.user.as_deref()
    }

    /// How many items of an enumeration one answer may bring (`BatchItems`); none means as many as fit.
    #[must_use]
    pub fn batch_items(&self) -> Option<u32> {
        self.batch_items
    }

    /// Sets it, for enumerations that begin from now on.
    ///
    /// # Errors
    /// [`Error::Argument`] for 0.
    pub fn set_batch_items(&mut self, items: Option<u32>) -> Result<(), Error> {
        if items == Some(0) {
            return Err(Error::argument("batch items: 0 would bring nothing", Some("use 1 or more")));
        }
        self.batch_items = items;
        Ok(())
    }

    /// Within what time the service is to answer one request (`Timeout`).
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sets it for this session, which lets go of its connections. Enumerations and commands under way keep the old
    /// one.
    ///
    /// # Errors
    /// [`Error::Argument`] for no time at all.
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<(), Error> {
        let builder = self.builder.clone().operation_timeout(timeout);
        let client = builder.clone().build().map_err(|error| self.about.explain(error))?;
        (self.client, self.builder, self.timeout) = (client, builder, timeout);
        Ok(())
    }

    /// Asks the service who it is (`Identify`); without signing in if the session does not.
    ///
    /// # Errors
    /// [`Error`].
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
    /// [`Error`].
    pub async fn get<L>(&self, locator: L) -> Result<Resource, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?.for_client();
        self.content(self.client.get(&locator).await)
    }

    /// Replaces an instance, or the fragment that the locator names (`Put`), and returns what it is then, if the
    /// service says so. `xml` is one element.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn put<L>(&self, locator: L, xml: &str) -> Result<Option<Resource>, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?.for_client();
        let representation = Resource::parse(xml)?.fragment();
        self.content_if_any(self.client.put(&locator, &representation).await)
    }

    /// Makes an instance (`Create`) and returns where it is: `ResourceCreated`, which [`Resource::reference`] reads and
    /// [`ResourceLocator`] takes as XML.
    ///
    /// # Errors
    /// [`Error`].
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

    /// Removes an instance (`Delete`).
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete<L>(&self, locator: L) -> Result<(), Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?.for_client();
        self.client.delete(&locator).await.map(drop).map_err(|error| self.explain(error))
    }

    /// Calls a method (`Invoke`) and returns its output, if it has one. `action` is a name or a whole URI; `xml` is
    /// the input, one element called `NAME_INPUT`.
    ///
    /// # Errors
    /// [`Error`].
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

    /// Lists instances (`Enumerate`).
    ///
    /// # Errors
    /// [`Error`]; [`Error::Argument`] for a filter beside selectors.
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
                "a filter and selectors exclude each other",
                Some("leave the selectors away: the filter says which instances"),
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
        Ok(Enumerator::new(items, Arc::clone(&self.about)))
    }

    /// Sends a whole envelope as it is, and returns the status and the body of the response, whatever they are. For
    /// messages this API has no words for.
    ///
    /// # Errors
    /// [`Error`] if no answer came, or the service does not accept who asks.
    pub async fn post(&self, envelope: &str) -> Result<(u16, Vec<u8>), Error> {
        let answer = self.client.post(envelope).await.map_err(|error| self.explain(error))?;
        Ok((answer.status, answer.body))
    }

    pub(crate) fn explain(&self, error: client::Error) -> Error {
        self.about.explain(error)
    }

    pub(crate) fn about(&self) -> Arc<About> {
        Arc::clone(&self.about)
    }

    /// What the answer holds; the client has seen to it that there is something.
    fn content(&self, answer: Result<Response, client::Error>) -> Result<Resource, Error> {
        let answer = answer.map_err(|error| self.explain(error))?;
        Resource::of(answer.content().unwrap_or_else(|| answer.envelope()))
    }

    fn content_if_any(&self, answer: Result<Response, client::Error>) -> Result<Option<Resource>, Error> {
        let answer = answer.map_err(|error| self.explain(error))?;
        answer.content().map(Resource::of).transpose()
    }
}
