//! Representation of resources, method outputs and enumeration items.

use wording::Format;
use wsman::EndpointReference;
use xml::{Bounds, Document, Element, Fragment, Name, Writer};

use crate::error::Error;

/// Representation, method output or enumeration item: one XML document.
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
    /// Parses XML: one element without a DTD.
    ///
    /// # Errors
    /// [`Error::Argument`] for invalid XML.
    pub fn parse(markup: &str) -> Result<Self, Error> {
        let document = Document::parse(markup, &bounds());
        document.map(Self).map_err(|error| Error::argument(format!("invalid XML: {error}"), None))
    }

    /// Creates an element with one child for each pair, all in one namespace, for Create and methods; `None` is `xsi:nil`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that is not a valid element name.
    pub fn compose<'p>(
        name: &str,
        namespace: &str,
        pairs: impl IntoIterator<Item = (&'p str, Option<&'p str>)>,
    ) -> Result<Self, Error> {
        let mut writer = Writer::new();
        writer.start(&qualified(name)?).namespace("p", namespace).namespace("xsi", wording::markup::XSI);
        for (name, value) in pairs {
            match value {
                Some(text) => writer.element(&qualified(name)?, text),
                None => writer.start(&qualified(name)?).attribute("xsi:nil", "true").end_empty(),
            };
        }
        Self::parse(&writer.finish())
    }

    /// Copies an element into a document of its own.
    ///
    /// # Errors
    /// Never for an element that was parsed; the signature is that of [`Self::parse`].
    pub fn of(element: Element<'_>) -> Result<Self, Error> {
        let mut writer = Writer::with_capacity(element.source().len() + 512);
        writer.copy(element);
        Self::parse(&writer.finish())
    }

    /// Markup with all required namespace declarations.
    #[must_use]
    pub fn xml(&self) -> &str {
        self.0.source()
    }

    /// Root element.
    #[must_use]
    pub fn element(&self) -> Element<'_> {
        self.0.root()
    }

    /// Local name of the root element: `Win32_Service`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.element().name()
    }

    /// Returns the text at a path of local names below the root, such as `Auth/Basic`; the first element of each name is
    /// used. Returns `None` if there is no such element or if it is `xsi:nil`.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<String> {
        let found = path.split('/').try_fold(self.element(), |element, name| {
            element.children().find(|child| child.name() == name)
        })?;
        (!wording::markup::is_nil(found)).then(|| found.text().into_owned())
    }

    /// Returns the tree of `Name = value` lines that `winrm` prints.
    #[must_use]
    pub fn to_text(&self) -> String {
        Format::Text.print(self.element())
    }

    /// Returns a JSON object with one member, the root element, as for `winrm -format:json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        Format::Ndjson.print(self.element()).trim_end().to_owned()
    }

    /// Returns the endpoint reference, if the document is one, a response to Create, or an item with both.
    #[must_use]
    pub fn reference(&self) -> Option<EndpointReference> {
        let root = self.element();
        EndpointReference::parse(root)
            .ok()
            .or_else(|| root.children().find_map(|child| EndpointReference::parse(child).ok()))
    }

    /// Converts the document for a request.
    pub(crate) fn fragment(&self) -> Fragment {
        let mut writer = Writer::new();
        writer.copy(self.element());
        writer.into_fragment()
    }
}

fn qualified(name: &str) -> Result<String, Error> {
    match Name::parse(name) {
        Ok(name) => Ok(name.with_prefix("p")),
        Err(error) => Err(Error::argument(error.to_string(), None)),
    }
}

fn bounds() -> Bounds {
    // Documents from the network were already bounded.
    Bounds { octets: usize::MAX, ..Bounds::default() }
}
