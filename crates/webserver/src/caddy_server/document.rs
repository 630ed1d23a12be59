//! A document without a running Caddy.

use serde_json::Value;

use super::configuration::{parse, to_text};
use super::draft::Draft;
use super::{features, pools, sites};
use crate::change::Change;
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope};
use crate::model::{Pool, Site};

/// A document of Caddy that is not the running one, such as a saved `autosave.json`: its sites, pools and features, and
/// changes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct CaddyDocument(Value);

impl CaddyDocument {
    /// Parses a document; `None` if it is malformed.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        parse(text).ok().map(Self)
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        to_text(&self.0)
    }

    /// Returns a member or an item by its JSON pointer.
    #[must_use]
    pub fn part(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// Returns all sites.
    #[must_use]
    pub fn sites(&self) -> Vec<Site> {
        sites::sites(&self.0)
    }

    /// Returns all pools.
    #[must_use]
    pub fn pools(&self) -> Vec<Pool> {
        pools::pools(&self.0)
    }

    /// Reads a feature.
    ///
    /// # Errors
    /// If the scope does not exist.
    pub fn feature(&self, scope: &Scope, feature: Feature) -> Result<FeatureState, WebServerError> {
        features::state(&self.0, scope, feature)
    }

    /// Applies a change.
    ///
    /// # Errors
    /// If the change is not possible.
    pub fn apply(&self, change: &Change) -> Result<Self, WebServerError> {
        let mut draft = Draft::new(self.0.clone());
        draft.apply(change)?;
        let (_, root) = draft.finish();
        root.map(Self).map_err(|problem| super::configuration::syntax(&problem))
    }
}
