//! What services send back: one element, in every form one could want.

use wording::Format;
use wsman::EndpointReference;
use xml::{Bounds, Document, Element, Fragment, Name, Writer};

use crate::error::Error;

/// A representation, an output or an item: one XML document of its own.
///
/// ```
/// use telarch::Resource;
///
/// let config = Resource::parse("<Config><Auth><Basic>true</Basic></Auth></Config>")?;
/// assert_eq!(config.value("Auth/Basic").as_deref(), Some("true"));
/// assert_eq!(config.to_text(), "Config\n    Auth\n        Basic = true\n\n");
/// # Ok::<(), telarch::Error>(())
/// ```
#[derive(Debug)]
pub struct Resource(Document);

impl Resource {
    /// Reads XML: one element, without a DTD.
    ///
    /// # Errors
    /// [`Error::Argument`].
    pub fn parse(markup: &str) -> Result<Self, Error> {
        let document = Document::parse(markup, &bounds());
        document.map(Self).map_err(|error| Error::argument(format!("this is no XML: {error}"), None))
    }

    /// One element with a child for each pair, all in one namespace, as Create and methods take it; `None` is `xsi:nil`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that no element can have.
    pub fn compose<'p>(
        name: &str,
        namespace: &str,
        pairs: impl IntoIterator<Item = (&'p str, Option<&'p str>)>,
    ) -> Result<Self, Error> {
        let named = |name: &str| match Name::parse(name) {
            Ok(name) => Ok(name.with_prefix("p")),
            Err(error) => Err(Error::argument(error.to_string(), None)),
        };
        let mut writer = Writer::new();
        writer.start(&named(name)?).namespace("p", namespace).namespace("xsi", wording::markup::XSI);
        for (name, value) in pairs {
            match value {
                Some(text) => writer.element(&named(name)?, text),
                None => writer.start(&named(name)?).attribute("xsi:nil", "true").end_empty(),
            };
        }
        Self::parse(&writer.finish())
    }

    /// An element of another document, so that it outlives that.
    ///
    /// # Errors
    /// None for what has been read once; the signature is that of [`Self::parse`].
    pub fn of(element: Element<'_>) -> Result<Self, Error> {
        let mut writer = Writer::with_capacity(element.source().len() + 512);
        writer.copy(element);
        Self::parse(&writer.finish())
    }

    /// The markup, with all the namespaces it needs.
    #[must_use]
    pub fn xml(&self) -> &str {
        self.0.source()
    }

    /// The element.
    #[must_use]
    pub fn element(&self) -> Element<'_> {
        self.0.root()
    }

    /// Its local name: `Win32_Service`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.element().name()
    }

    /// The text at a path of local names below the element, such as `Auth/Basic`: that of the first of its name on each
    /// level. None where there is no such element, or where it is `xsi:nil`.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<String> {
        let found = path.split('/').try_fold(self.element(), |element, name| {
            element.children().find(|child| child.name() == name)
        })?;
        (!wording::markup::is_nil(found)).then(|| found.text().into_owned())
    }

    /// The tree of `Name = value` lines that `winrm` prints.
    #[must_use]
    pub fn to_text(&self) -> String {
        Format::Text.print(self.element())
    }

    /// One JSON object with one member, the element; see `winrm -format:json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        Format::Ndjson.print(self.element()).trim_end().to_owned()
    }

    /// The address in it, where it is an endpoint reference, the answer to Create, or an item with both.
    #[must_use]
    pub fn reference(&self) -> Option<EndpointReference> {
        let root = self.element();
        EndpointReference::parse(root)
            .ok()
            .or_else(|| root.children().find_map(|child| EndpointReference::parse(child).ok()))
    }

    /// As it is put into a message.
    pub(crate) fn fragment(&self) -> Fragment {
        let mut writer = Writer::new();
        writer.copy(self.element());
        writer.into_fragment()
    }
}

fn bounds() -> Bounds {
    // What came from the network was bounded there.
    Bounds { octets: usize::MAX, ..Bounds::default() }
}
