//! Resource URI with selectors, options and fragment.

use wsman::{FragmentTransfer, OptionSet, ResourceUri, SelectorSet};

/// Target of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locator {
    /// Resource URI.
    pub resource: ResourceUri,
    /// Selectors of the instance; empty for the resource itself.
    pub selectors: SelectorSet,
    /// Options of the operation (`w:OptionSet`).
    pub options: OptionSet,
    /// Part of the instance (`w:FragmentTransfer`, DSP0226 7.7); `None` for all of it.
    pub fragment: Option<FragmentTransfer>,
}

impl Locator {
    /// Creates a locator without selectors, options or fragment.
    #[must_use]
    pub fn new(resource: ResourceUri) -> Self {
        Self { resource, selectors: SelectorSet::new(), options: OptionSet::new(), fragment: None }
    }

    /// Sets the selectors.
    #[must_use]
    pub fn with_selectors(mut self, selectors: SelectorSet) -> Self {
        self.selectors = selectors;
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: OptionSet) -> Self {
        self.options = options;
        self
    }

    /// Restricts the operation to a fragment of the instance.
    #[must_use]
    pub fn with_fragment(mut self, fragment: FragmentTransfer) -> Self {
        self.fragment = Some(fragment);
        self
    }
}

impl From<ResourceUri> for Locator {
    fn from(resource: ResourceUri) -> Self {
        Self::new(resource)
    }
}
