//! Which resource, and which instance of it.

use wsman::{FragmentTransfer, OptionSet, ResourceUri, SelectorSet};

/// What an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locator {
    /// The resource.
    pub resource: ResourceUri,
    /// The instance.
    pub selectors: SelectorSet,
    /// Switches of the operation.
    pub options: OptionSet,
    /// A part of the instance only.
    pub fragment: Option<FragmentTransfer>,
}

impl Locator {
    /// A whole resource.
    #[must_use]
    pub fn new(resource: ResourceUri) -> Self {
        Self { resource, selectors: SelectorSet::new(), options: OptionSet::new(), fragment: None }
    }

    /// One instance of it.
    #[must_use]
    pub fn with_selectors(mut self, selectors: SelectorSet) -> Self {
        self.selectors = selectors;
        self
    }

    /// With switches.
    #[must_use]
    pub fn with_options(mut self, options: OptionSet) -> Self {
        self.options = options;
        self
    }

    /// Only a part of the instance.
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
