//! Resource of an operation.

use wording::locator::Locator;
use wsman::{EndpointReference, FragmentTransfer, OptionSet, ResourceUri, SelectorSet, WsmanOption};
use xml::{Bounds, Document};

use crate::error::Error;

/// Resource URI with selectors, options and fragment (`IWSManResourceLocator`).
///
/// A text can be used instead: `winrm/config/listener?Address=*+Transport=HTTP`, a complete URI, or the XML of an
/// endpoint reference.
///
/// ```
/// use telarch::ResourceLocator;
///
/// let spooler = ResourceLocator::parse("wmicimv2/Win32_Service?Name=spooler")?.fragment("Caption");
/// assert!(spooler.resource_uri().ends_with("/root/cimv2/Win32_Service"));
/// # Ok::<(), telarch::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceLocator {
    resource: ResourceUri,
    selectors: SelectorSet,
    options: Vec<WsmanOption>,
    fragment: Option<FragmentTransfer>,
}

/// Whether a service must reject the request if it does not know an option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MustComply {
    /// The option may be ignored.
    #[default]
    No,
    /// The request must be rejected.
    Yes,
}

impl ResourceLocator {
    /// Parses `URI[?Name=Value[+Name2=Value2]]` with an alias such as `winrm` or `wmicimv2` in the first segment, or the
    /// XML of an endpoint reference.
    ///
    /// # Errors
    /// [`Error::Argument`] for an unknown alias, an invalid selector or an invalid reference.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.trim_start().starts_with('<') {
            return Self::of_reference(text);
        }
        let locator = Locator::parse(text)?;
        let resource = ResourceUri::parse(locator.resource_uri()).map_err(refused)?;
        let selectors =
            locator.selectors().iter().fold(SelectorSet::new(), |set, (name, value)| set.with(name, value));
        Ok(Self { resource, selectors, options: Vec::new(), fragment: None })
    }

    /// Parses an endpoint reference, such as the response to Create or an item of an enumeration of references.
    fn of_reference(markup: &str) -> Result<Self, Error> {
        let document = Document::parse(markup, &Bounds::default()).map_err(|error| {
            Error::argument(format!("invalid XML in the endpoint reference: {error}"), None)
        })?;
        EndpointReference::parse(document.root()).map(Self::from).map_err(refused)
    }

    /// Resource URI without selectors.
    #[must_use]
    pub fn resource_uri(&self) -> &str {
        self.resource.as_str()
    }

    /// Adds a selector; the value may contain any character.
    #[must_use]
    pub fn selector(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.selectors = self.selectors.with(name, value);
        self
    }

    /// Removes all selectors.
    #[must_use]
    pub fn clear_selectors(mut self) -> Self {
        self.selectors = SelectorSet::new();
        self
    }

    /// Selectors.
    #[must_use]
    pub fn selectors(&self) -> &SelectorSet {
        &self.selectors
    }

    /// Adds an option; `None` is `xsi:nil`.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: Option<&str>, comply: MustComply) -> Self {
        let (name, value) = (name.into(), value.map(str::to_owned));
        self.options.push(WsmanOption { name, value, must_comply: comply == MustComply::Yes });
        self
    }

    /// Sets `MustComply` for every option, so that a service which does not know one rejects the request
    /// (`MustUnderstandOptions`).
    #[must_use]
    pub fn must_understand_options(mut self) -> Self {
        self.options.iter_mut().for_each(|option| option.must_comply = true);
        self
    }

    /// Removes all options.
    #[must_use]
    pub fn clear_options(mut self) -> Self {
        self.options.clear();
        self
    }

    /// Restricts the operation to a fragment, an XPath expression such as `Caption` or `Names[2]`; array items count from 1.
    #[must_use]
    pub fn fragment(mut self, expression: impl Into<String>) -> Self {
        let dialect = self.fragment.and_then(|fragment| fragment.dialect);
        self.fragment = Some(FragmentTransfer { dialect, expression: expression.into() });
        self
    }

    /// Sets the dialect of [`Self::fragment`]; the default is XPath 1.0.
    #[must_use]
    pub fn fragment_dialect(mut self, dialect: impl Into<String>) -> Self {
        let expression = self.fragment.map(|fragment| fragment.expression).unwrap_or_default();
        self.fragment = Some(FragmentTransfer { dialect: Some(dialect.into()), expression });
        self
    }

    /// Converts the locator to the client's type.
    pub(crate) fn for_client(&self) -> client::Locator {
        let mut options = OptionSet::new();
        self.options.iter().cloned().for_each(|option| options.push(option));
        let locator = client::Locator::new(self.resource.clone())
            .with_selectors(self.selectors.clone())
            .with_options(options);
        match &self.fragment {
            Some(fragment) if !fragment.expression.is_empty() => locator.with_fragment(fragment.clone()),
            _ => locator,
        }
    }

    /// Returns the action URI of a method, which may already be a complete URI.
    pub(crate) fn action_uri(&self, method: &str) -> String {
        if method.contains("://") { method.to_owned() } else { format!("{}/{method}", self.resource_uri()) }
    }
}

impl From<EndpointReference> for ResourceLocator {
    fn from(reference: EndpointReference) -> Self {
        let EndpointReference { resource, selectors, .. } = reference;
        Self { resource, selectors, options: Vec::new(), fragment: None }
    }
}

impl From<&Self> for ResourceLocator {
    fn from(locator: &Self) -> Self {
        locator.clone()
    }
}

impl TryFrom<&str> for ResourceLocator {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl TryFrom<&String> for ResourceLocator {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self, Error> {
        Self::parse(text)
    }
}

fn refused(fault: wsman::Fault) -> Error {
    Error::argument(fault.reason(), None)
}
