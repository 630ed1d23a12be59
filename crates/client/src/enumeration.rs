//! Enumerations (WS-Enumeration): page after page until the end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use wsman::enumeration::{Enumerate, EnumerationMode, Filter, Page, PolymorphismMode, Pull, write_release};
use wsman::{Action, EndpointReference, Response};
use xml::{Bounds, Document, Element, Writer};

use crate::error::Error;
use crate::patience::Patience;
use crate::session::Repeat;
use crate::{Locator, Session};

/// What to enumerate, and in which portions.
#[derive(Clone, Debug)]
pub struct EnumerateOptions {
    /// What each item is.
    pub mode: EnumerationMode,
    /// How instances of subclasses are listed; services without classes take no notice.
    pub polymorphism: PolymorphismMode,
    /// Which items.
    pub filter: Option<Filter>,
    /// How many items one answer may bring; 32,000 by default, so that only its size counts.
    pub max_elements: u32,
}

impl Default for EnumerateOptions {
    fn default() -> Self {
        Self {
            mode: EnumerationMode::Object,
            polymorphism: PolymorphismMode::default(),
            filter: None,
            max_elements: 32_000,
        }
    }
}

/// One item of an enumeration: an XML document of its own.
#[derive(Debug)]
pub struct Item(Document);

impl Item {
    /// The item: an instance, an `a:EndpointReference`, or a `w:Item` with both.
    #[must_use]
    pub fn element(&self) -> Element<'_> {
        self.0.root()
    }

    /// Its markup, with all the namespaces it needs.
    #[must_use]
    pub fn xml(&self) -> &str {
        self.0.source()
    }

    /// The instance, unless only references were asked for.
    #[must_use]
    pub fn object(&self) -> Option<Element<'_>> {
        self.parts().find(|part| !is_reference(*part))
    }

    /// The reference, if it was asked for and can be read.
    #[must_use]
    pub fn reference(&self) -> Option<EndpointReference> {
        self.parts().find(|part| is_reference(*part)).and_then(|part| EndpointReference::parse(part).ok())
    }

    fn parts(&self) -> impl Iterator<Item = Element<'_>> {
        let root = self.0.root();
        let is_pair = root.is(wsman::namespace::WSMAN, "Item");
        let alone = (!is_pair).then_some(root);
        let both = is_pair.then(|| root.children()).into_iter().flatten();
        alone.into_iter().chain(both)
    }
}

fn is_reference(element: Element<'_>) -> bool {
    element.is(wsman::namespace::ADDRESSING, "EndpointReference")
}

/// An enumeration under way. Dropping it before the end releases it in the background, if it can.
pub struct Enumerator {
    session: Session,
    locator: Locator,
    max_elements: u32,
    patience: Patience,
    ready: VecDeque<Item>,
    /// How to go on, or what to release; `None` at the end.
    context: Option<String>,
    /// The request under way. It stays here when nobody waits any more: items are given only once.
    pulling: Option<Pulling>,
    has_failed: bool,
}

type Pulling = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

impl Session {
    /// Begins an enumeration; the first items come with the answer, where the service has them at hand.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn enumerate(&self, locator: &Locator, options: EnumerateOptions) -> Result<Enumerator, Error> {
        let patience = self.patience();
        let enumerate = Enumerate {
            optimize: true,
            max_elements: Some(options.max_elements),
            mode: options.mode,
            polymorphism: options.polymorphism,
            filter: options.filter,
        };
        let mut attempts = 1;
        let answer = loop {
            let asked = Instant::now();
            match self.begin_enumeration(locator, &enumerate, &patience).await {
                // A provider that has to be started first is often in time when asked again.
                Err(error)
                    if (error.is_operation_timeout() || error.is_slow_provider())
                        && attempts < MOST_ATTEMPTS =>
                {
                    attempts += 1;
                    patience.before_asking_again(asked).await?;
                }
                answer => break answer?,
            }
        };
        let mut enumerator = Enumerator {
            session: self.clone(),
            locator: locator.clone(),
            max_elements: options.max_elements,
            patience,
            ready: VecDeque::new(),
            context: None,
            pulling: None,
            has_failed: false,
        };
        enumerator.take(&answer, "EnumerateResponse")?;
        Ok(enumerator)
    }

    /// Asks for the next items of an enumeration, for those who keep its context themselves.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn pull(&self, locator: &Locator, pull: &Pull) -> Result<Response, Error> {
        self.pull_within(locator, pull, &self.patience()).await
    }

    /// Tells the service to forget an enumeration.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn release(&self, locator: &Locator, context: &str) -> Result<(), Error> {
        let head = self.head(Action::Release, locator);
        let write = |body: &mut Writer| write_release(body, context);
        self.exchange(&head, Repeat::Harmless, &self.patience(), write).await.map(drop)
    }

    async fn begin_enumeration(
        &self,
        locator: &Locator,
        enumerate: &Enumerate,
        patience: &Patience,
    ) -> Result<Response, Error> {
        let head = self.head(Action::Enumerate, locator);
        self.exchange(&head, Repeat::Harmless, patience, |body| enumerate.write(body)).await
    }

    async fn pull_within(
        &self,
        locator: &Locator,
        pull: &Pull,
        patience: &Patience,
    ) -> Result<Response, Error> {
        let head = self.head(Action::Pull, locator);
        // The items of an answer that was lost do not come again.
        self.exchange(&head, Repeat::Harmful, patience, |body| pull.write(body)).await
    }
}

impl Enumerator {
    /// The events of a subscription, which may come at any time.
    pub(crate) fn of_subscription(session: &Session, locator: &Locator, context: String) -> Self {
        Self {
            session: session.clone(),
            locator: locator.clone(),
            max_elements: EnumerateOptions::default().max_elements,
            patience: Patience { total: None, ..session.patience() },
            ready: VecDeque::new(),
            context: Some(context),
            pulling: None,
            has_failed: false,
        }
    }

    /// Lets it be asked again after an error.
    pub(crate) fn go_on(&mut self) {
        self.has_failed = false;
    }

    /// Leaves it to somebody else to tell the service that no more is wanted.
    pub(crate) fn forget(&mut self) {
        self.context = None;
        self.pulling = None;
    }

    /// The next item, or `None` after the last one.
    ///
    /// Nothing is lost if the future is dropped before it is ready, as `tokio::select!` does.
    ///
    /// # Errors
    /// [`Error`]; the enumeration is over then.
    pub async fn next(&mut self) -> Option<Result<Item, Error>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if self.has_failed {
                return None;
            }
            let context = self.context.clone()?;
            let pulling = self.pulling.get_or_insert_with(|| {
                let pull = Pull { context, max_elements: Some(self.max_elements), max_time: None };
                Box::pin(pull_until_items(self.session.clone(), self.locator.clone(), pull, self.patience))
            });
            let asked = Instant::now();
            let answer = pulling.await;
            self.pulling = None;
            if let Err(error) = answer.and_then(|answer| self.take(&answer, "PullResponse")) {
                self.has_failed = true;
                return Some(Err(error));
            }
            if self.ready.is_empty()
                && self.context.is_some()
                && let Err(error) = self.patience.before_asking_again(asked).await
            {
                self.has_failed = true;
                return Some(Err(error));
            }
        }
    }

    /// Tells the service that no further items are wanted.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn release(mut self) -> Result<(), Error> {
        match self.ending() {
            Some(ending) => ending.tell().await,
            None => Ok(()),
        }
    }

    fn ending(&mut self) -> Option<Ending> {
        let context = self.context.take()?;
        let (session, locator) = (self.session.clone(), self.locator.clone());
        Some(Ending { session, locator, context, pulling: self.pulling.take() })
    }

    fn take(&mut self, answer: &Response, name: &'static str) -> Result<(), Error> {
        let Some(content) = answer.content_named(name) else {
            return Err(self.session.lacking("a page of the enumeration", answer));
        };
        let page = Page::parse(content);
        if !page.end && page.context.is_none() {
            return Err(self.session.lacking_in("both EnumerationContext and EndOfSequence", content));
        }
        for item in page.items {
            self.ready.push_back(self.detach(item)?);
        }
        self.context = page.context.filter(|_| !page.end);
        Ok(())
    }

    /// Makes a document of an item, so that it outlives its page.
    fn detach(&self, item: Element<'_>) -> Result<Item, Error> {
        let mut writer = Writer::with_capacity(item.source().len() + 512);
        writer.copy(item);
        let bounds = Bounds { octets: usize::MAX, ..Bounds::default() };
        let document = Document::parse(writer.finish(), &bounds);
        document.map(Item).map_err(|error| self.session.unreadable(item, error))
    }
}

impl Drop for Enumerator {
    fn drop(&mut self) {
        let (Some(ending), Ok(runtime)) = (self.ending(), Handle::try_current()) else { return };
        runtime.spawn(async move {
            if let Err(error) = ending.tell().await {
                tracing::debug!(%error, "Could not release an enumeration");
            }
        });
    }
}

/// An enumeration of which no more is wanted.
struct Ending {
    session: Session,
    locator: Locator,
    context: String,
    pulling: Option<Pulling>,
}

impl Ending {
    /// Tells the service.
    ///
    /// A request that is under way may have changed the context, and only its answer says to what (WS-Enumeration 3.2).
    async fn tell(self) -> Result<(), Error> {
        let Self { session, locator, context, pulling } = self;
        let released = session.release(&locator, &context).await;
        let (Err(Error::Fault(_)), Some(pulling)) = (&released, pulling) else { return released };
        let Ok(Ok(answer)) = timeout(LAST_PAGE, pulling).await else { return released };
        match answer.content_named("PullResponse").map(Page::parse) {
            Some(page) if page.end => Ok(()),
            Some(Page { context: Some(changed), .. }) => session.release(&locator, &changed).await,
            _ => released,
        }
    }
}

impl std::fmt::Debug for Enumerator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enumerator").field("context", &self.context).finish_non_exhaustive()
    }
}

async fn pull_until_items(
    session: Session,
    locator: Locator,
    pull: Pull,
    patience: Patience,
) -> Result<Response, Error> {
    let mut attempts = 1;
    loop {
        let asked = Instant::now();
        match session.pull_within(&locator, &pull, &patience).await {
            // The context stays valid (WS-Enumeration 3.2).
            Err(error) if error.is_operation_timeout() => patience.before_asking_again(asked).await?,
            Err(error) if error.is_slow_provider() && attempts < MOST_ATTEMPTS => {
                attempts += 1;
                patience.before_asking_again(asked).await?;
            }
            answer => return answer,
        }
    }
}

/// The page that nobody wants was made when the service says that its context is not valid any more: it only has to arrive.
const LAST_PAGE: Duration = Duration::from_secs(10);

/// As often as Windows' own client asks.
const MOST_ATTEMPTS: u32 = 3;
