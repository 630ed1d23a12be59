//! Enumerations (WS-Enumeration, DSP0226 8).

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use wsman::enumeration::{Enumerate, EnumerationMode, Filter, Page, PolymorphismMode, Pull, write_release};
use wsman::{Action, EndpointReference, Omission, Response};
use xml::{Bounds, Document, Element, Writer};

use crate::error::Error;
use crate::session::Retry;
use crate::timeouts::Timeouts;
use crate::{Locator, Session};

/// Parameters of an enumeration.
#[derive(Clone, Debug)]
pub struct EnumerateOptions {
    /// Form of the items: objects, references or both.
    pub mode: EnumerationMode,
    /// Treatment of instances of subclasses; ignored by services without classes.
    pub polymorphism: PolymorphismMode,
    /// Filter of the items.
    pub filter: Option<Filter>,
    /// Maximum number of items per response; the default of 32,000 leaves only the size limit in effect.
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

/// Item of an enumeration, as an XML document of its own.
#[derive(Debug)]
pub struct Item(Document);

impl Item {
    /// Root element: an instance, an `a:EndpointReference`, or a `w:Item` with both.
    #[must_use]
    pub fn element(&self) -> Element<'_> {
        self.0.root()
    }

    /// Markup with all required namespace declarations.
    #[must_use]
    pub fn xml(&self) -> &str {
        self.0.source()
    }

    /// Instance, unless only references were requested.
    #[must_use]
    pub fn object(&self) -> Option<Element<'_>> {
        self.parts().find(|part| !is_reference(*part))
    }

    /// Reference, if it was requested and is valid.
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

/// Active enumeration. Dropping it before the end sends Release in the background if a tokio runtime is running.
pub struct Enumerator {
    session: Session,
    locator: Locator,
    max_elements: u32,
    timeouts: Timeouts,
    ready: VecDeque<Item>,
    omissions: Vec<Omission>,
    /// Bookmark of the last page whose items were all returned, and that of the current page.
    bookmarks: [Option<String>; 2],
    /// Enumeration context; `None` at the end.
    context: Option<String>,
    /// Pending Pull request. It survives a cancelled `next`, because the service sends each item only once.
    pulling: Option<PendingPull>,
    has_failed: bool,
}

/// Items of one response.
#[derive(Debug, Default)]
pub(crate) struct ItemPage {
    pub(crate) items: Vec<Item>,
    /// Position behind the items.
    pub(crate) bookmark: Option<String>,
}

type PendingPull = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

impl Session {
    /// Starts an enumeration; the response may already contain the first items.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn enumerate(&self, locator: &Locator, options: EnumerateOptions) -> Result<Enumerator, Error> {
        let timeouts = self.timeouts();
        let enumerate = Enumerate {
            optimize: true,
            max_elements: Some(options.max_elements),
            mode: options.mode,
            polymorphism: options.polymorphism,
            filter: options.filter,
        };
        let mut attempts = 1;
        let answer = loop {
            let started = Instant::now();
            match self.begin_enumeration(locator, &enumerate, &timeouts).await {
                // A provider that must be started first often responds in time when asked again.
                Err(error)
                    if (error.is_operation_timeout() || error.is_slow_provider())
                        && attempts < MOST_ATTEMPTS =>
                {
                    attempts += 1;
                    timeouts.wait_before_retry(started).await?;
                }
                answer => break answer?,
            }
        };
        let mut enumerator = Enumerator {
            session: self.clone(),
            locator: locator.clone(),
            max_elements: options.max_elements,
            timeouts,
            ready: VecDeque::new(),
            omissions: Vec::new(),
            bookmarks: [None, None],
            context: None,
            pulling: None,
            has_failed: false,
        };
        enumerator.take(&answer, "EnumerateResponse")?;
        Ok(enumerator)
    }

    /// Requests the next items for a caller that keeps the enumeration context itself.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn pull(&self, locator: &Locator, pull: &Pull) -> Result<Response, Error> {
        self.pull_within(locator, pull, &self.timeouts()).await
    }

    /// Releases an enumeration context (Release).
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn release(&self, locator: &Locator, context: &str) -> Result<(), Error> {
        let head = self.head(Action::Release, locator);
        self.exchange(&head, Retry::Safe, &self.timeouts(), |body| write_release(body, context))
            .await
            .map(drop)
    }

    async fn begin_enumeration(
        &self,
        locator: &Locator,
        enumerate: &Enumerate,
        timeouts: &Timeouts,
    ) -> Result<Response, Error> {
        let head = self.head(Action::Enumerate, locator);
        self.exchange(&head, Retry::Safe, timeouts, |body| enumerate.write(body)).await
    }

    async fn pull_within(
        &self,
        locator: &Locator,
        pull: &Pull,
        timeouts: &Timeouts,
    ) -> Result<Response, Error> {
        let head = self.head(Action::Pull, locator);
        // The items of a lost response are not sent again.
        self.exchange(&head, Retry::Unsafe, timeouts, |body| pull.write(body)).await
    }
}

impl Enumerator {
    /// Creates an enumerator for the events of a subscription, without a total timeout.
    pub(crate) fn of_subscription(session: &Session, locator: &Locator, context: String) -> Self {
        Self {
            session: session.clone(),
            locator: locator.clone(),
            max_elements: EnumerateOptions::default().max_elements,
            timeouts: Timeouts { total: None, ..session.timeouts() },
            ready: VecDeque::new(),
            omissions: Vec::new(),
            bookmarks: [None, None],
            context: Some(context),
            pulling: None,
            has_failed: false,
        }
    }

    /// Returns the bookmark behind the items that were returned so far, up to the end of a page.
    pub(crate) fn bookmark(&self) -> Option<&str> {
        let [previous, current] = &self.bookmarks;
        let current = current.as_deref().filter(|_| self.ready.is_empty());
        current.or(previous.as_deref())
    }

    /// Allows further calls of `next` after an error.
    pub(crate) fn resume(&mut self) {
        self.has_failed = false;
    }

    /// Limits the number of items in a response.
    pub(crate) fn set_max_elements(&mut self, maximum: u32) {
        self.max_elements = maximum;
    }

    /// Requests the items of one response, and its bookmark. There are no items if the service had none within the
    /// operation timeout. Returns `None` at the end.
    ///
    /// The future is cancellation-safe.
    pub(crate) async fn next_page(&mut self) -> Option<Result<ItemPage, Error>> {
        if self.has_failed {
            return None;
        }
        let context = self.context.clone()?;
        let pulling = self.pulling.get_or_insert_with(|| {
            let pull = Pull { context, max_elements: Some(self.max_elements), max_time: None };
            let (session, locator, timeouts) = (self.session.clone(), self.locator.clone(), self.timeouts);
            Box::pin(async move { session.pull_within(&locator, &pull, &timeouts).await })
        });
        let answer = pulling.await;
        self.pulling = None;
        let taken = match answer {
            // The context remains valid (WS-Enumeration 3.2).
            Err(error) if error.is_operation_timeout() => return Some(Ok(ItemPage::default())),
            Err(error) => Err(error),
            Ok(answer) => self.take(&answer, "PullResponse").map(|()| answer.bookmark()),
        };
        Some(match taken {
            Ok(bookmark) => Ok(ItemPage { items: self.ready.drain(..).collect(), bookmark }),
            Err(error) => {
                self.has_failed = true;
                Err(error)
            }
        })
    }

    /// Drops the context without a Release, because the subscription is cancelled instead.
    pub(crate) fn detach_context(&mut self) {
        self.context = None;
        self.pulling = None;
    }

    /// Returns the next item, or `None` after the last one.
    ///
    /// The future is cancellation-safe.
    ///
    /// # Errors
    /// [`Error`]; the enumeration has ended then.
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
                Box::pin(pull_until_items(self.session.clone(), self.locator.clone(), pull, self.timeouts))
            });
            let started = Instant::now();
            let answer = pulling.await;
            self.pulling = None;
            if let Err(error) = answer.and_then(|answer| self.take(&answer, "PullResponse")) {
                self.has_failed = true;
                return Some(Err(error));
            }
            if self.ready.is_empty()
                && self.context.is_some()
                && let Err(error) = self.timeouts.wait_before_retry(started).await
            {
                self.has_failed = true;
                return Some(Err(error));
            }
        }
    }

    /// Returns the sources that are missing in the items received so far, because they are not available on the service.
    /// Complete after the last item; only Telarch's service reports them.
    #[must_use]
    pub fn omissions(&self) -> &[Omission] {
        &self.omissions
    }

    /// Releases the enumeration context before the last item was received.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn release(mut self) -> Result<(), Error> {
        match self.take_release() {
            Some(ending) => ending.send().await,
            None => Ok(()),
        }
    }

    fn take_release(&mut self) -> Option<PendingRelease> {
        let context = self.context.take()?;
        let (session, locator) = (self.session.clone(), self.locator.clone());
        Some(PendingRelease { session, locator, context, pulling: self.pulling.take() })
    }

    fn take(&mut self, answer: &Response, name: &'static str) -> Result<(), Error> {
        let Some(content) = answer.content_named(name) else {
            return Err(self.session.missing("a page of the enumeration", answer));
        };
        let room = MOST_OMISSIONS.saturating_sub(self.omissions.len());
        self.omissions.extend(answer.omissions().into_iter().take(room));
        let [previous, current] = &mut self.bookmarks;
        if let Some(bookmark) = current.take() {
            *previous = Some(bookmark);
        }
        *current = answer.bookmark();
        let page = Page::parse(content);
        if !page.end && page.context.is_none() {
            return Err(self.session.missing_in("EnumerationContext or EndOfSequence", content));
        }
        for item in page.items {
            self.ready.push_back(self.detach(item)?);
        }
        self.context = page.context.filter(|_| !page.end);
        Ok(())
    }

    /// Copies an item into a document of its own, so that it outlives the response.
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
        let (Some(ending), Ok(runtime)) = (self.take_release(), Handle::try_current()) else { return };
        runtime.spawn(async move {
            if let Err(error) = ending.send().await {
                tracing::debug!(%error, "Cannot release an enumeration");
            }
        });
    }
}

/// Release of an enumeration that is no longer needed.
struct PendingRelease {
    session: Session,
    locator: Locator,
    context: String,
    pulling: Option<PendingPull>,
}

impl PendingRelease {
    /// Sends the Release.
    ///
    /// A pending Pull may have changed the context; only its response contains the new one (WS-Enumeration 3.2).
    async fn send(self) -> Result<(), Error> {
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
    timeouts: Timeouts,
) -> Result<Response, Error> {
    let mut attempts = 1;
    loop {
        let started = Instant::now();
        match session.pull_within(&locator, &pull, &timeouts).await {
            // The context remains valid (WS-Enumeration 3.2).
            Err(error) if error.is_operation_timeout() => timeouts.wait_before_retry(started).await?,
            Err(error) if error.is_slow_provider() && attempts < MOST_ATTEMPTS => {
                attempts += 1;
                timeouts.wait_before_retry(started).await?;
            }
            answer => return answer,
        }
    }
}

/// Time limit for the response to a pending Pull, which the service has already created when it rejects the context.
const LAST_PAGE: Duration = Duration::from_secs(10);

/// Maximum number of omissions that an enumeration keeps.
const MOST_OMISSIONS: usize = 256;

/// Maximum number of attempts, as for the Windows client.
const MOST_ATTEMPTS: u32 = 3;
