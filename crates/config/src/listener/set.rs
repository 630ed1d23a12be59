use super::{Listener, ListenerError, ListenerKey};
use crate::Service;

/// Listeners of a service, in the order of their creation.
///
/// INVARIANT: no two have the same key, and there are at most [`Listeners::MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// Maximum number of listeners.
    pub const MAX: usize = 256;

    /// Returns the listener with a key.
    #[must_use]
    pub fn find(&self, key: ListenerKey) -> Option<&Listener> {
        self.iter().find(|listener| listener.key() == key)
    }

    /// Adds a listener.
    ///
    /// # Errors
    /// [`ListenerError::Exists`] if the key is in use, [`ListenerError::TooMany`] if the maximum is reached.
    pub fn create(&mut self, listener: Listener) -> Result<(), ListenerError> {
        if self.find(listener.key()).is_some() {
            return Err(ListenerError::Exists(listener.key()));
        }
        if self.0.len() >= Self::MAX {
            return Err(ListenerError::TooMany);
        }
        self.0.push(listener);
        Ok(())
    }

    /// Replaces the listener with the same key.
    ///
    /// # Errors
    /// [`ListenerError::NotFound`], or [`ListenerError::NotLocal`] if policy or a compatibility setting created it.
    pub fn replace(&mut self, listener: Listener) -> Result<(), ListenerError> {
        let key = listener.key();
        let place = self.0.iter_mut().find(|own| own.key() == key).ok_or(ListenerError::NotFound(key))?;
        if *place != listener {
            place.require_local()?;
            *place = listener;
        }
        Ok(())
    }

    /// Deletes a listener.
    ///
    /// # Errors
    /// [`ListenerError::NotFound`], or [`ListenerError::NotLocal`] if policy or a compatibility setting created it.
    pub fn delete(&mut self, key: ListenerKey) -> Result<(), ListenerError> {
        self.find(key).ok_or(ListenerError::NotFound(key))?.require_local()?;
        self.0.retain(|listener| listener.key() != key);
        Ok(())
    }

    /// Returns the listeners that are in force: the policy's, these except one that the policy's replaces, and those
    /// of the compatibility settings.
    #[must_use]
    pub fn in_force(&self, service: &Service) -> Vec<Listener> {
        let policy = Listener::of_policy(service);
        let replaced = policy.as_ref().map(Listener::key);
        let own = self.iter().filter(|own| Some(own.key()) != replaced).cloned();
        policy.into_iter().chain(own).chain(Listener::of_compatibility(service)).collect()
    }

    /// Returns the listener in force with a key.
    #[must_use]
    pub fn find_in_force(&self, key: ListenerKey, service: &Service) -> Option<Listener> {
        self.in_force(service).into_iter().find(|listener| listener.key() == key)
    }

    /// Returns all listeners, in the order of their creation.
    pub fn iter(&self) -> std::slice::Iter<'_, Listener> {
        self.0.iter()
    }

    /// Returns the number of listeners.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no listeners.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Listeners {
    type Item = &'a Listener;
    type IntoIter = std::slice::Iter<'a, Listener>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
