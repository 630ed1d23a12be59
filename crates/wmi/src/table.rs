//! Table of classes and their providers.

use std::collections::HashMap;
use std::sync::Arc;

use cim::{Class, Name, Schema};

use crate::{Error, Provider};

/// Classes of a namespace and their providers.
pub(crate) struct Table {
    pub(crate) schema: Schema,
    pub(crate) providers: HashMap<Name, Arc<dyn Provider>>,
}

/// A class and its provider.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) class: Arc<Class>,
    pub(crate) provider: Arc<dyn Provider>,
}

impl Table {
    /// Returns the class with its provider, if it has one.
    pub(crate) fn served(&self, class: &Arc<Class>) -> Option<Served> {
        let provider = self.providers.get(class.name())?.clone();
        Some(Served { class: class.clone(), provider })
    }

    /// Returns the class and its subclasses, as far as they have providers.
    pub(crate) fn below(&self, class: &Arc<Class>) -> Vec<Served> {
        let subclasses = self.schema.subclasses(class.name().as_str());
        std::iter::once(class).chain(&subclasses).filter_map(|class| self.served(class)).collect()
    }

    /// Returns the class and its subclasses with providers; an error if no class has one.
    pub(crate) fn require(&self, name: &str) -> Result<Vec<Served>, Error> {
        let class = self.schema.require(name)?;
        let served = self.below(&class);
        if served.is_empty() { Err(Error::NoProvider(class.name().clone())) } else { Ok(served) }
    }

    /// Returns all associations that have providers.
    pub(crate) fn associations(&self) -> Vec<Served> {
        let classes = self.providers.keys().filter_map(|name| self.schema.class(name.as_str()));
        let mut served: Vec<_> =
            classes.filter(|class| class.is_association()).filter_map(|class| self.served(&class)).collect();
        served.sort_by(|left, right| left.class.name().cmp(right.class.name()));
        served
    }
}
