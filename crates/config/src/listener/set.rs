use super::{Listener, ListenerError, ListenerKey};
use crate::Service;

/// The listeners of a service, in the order in which they were made.
///
/// INVARIANT: no two have the same key, and there are at most [`Listeners::MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// The most listeners there can be.
    pub const MAX: usize = 256;

    /// The listener of a key.
    #[must_use]
    pub fn find(&self, key: ListenerKey) -> Option<&Listener> {
        self.iter().find(|listener| listener.key() == key)
    }

    /// Adds a listener.
    ///
    /// # Errors
    /// [`ListenerError::Exists`] if its key is taken, [`ListenerError::TooMany`] if there is no room.
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

    /// Puts a listener in the place of the one with its key.
    ///
    /// # Errors
    /// [`ListenerError::NotFound`], or [`ListenerError::NotOurs`] if it was not made here.
    pub fn replace(&mut self, listener: Listener) -> Result<(), ListenerError> {
        let key = listener.key();
        let place = self.0.iter_mut().find(|own| own.key() == key).ok_or(ListenerError::NotFound(key))?;
        if *place != listener {
            place.must_be_ours()?;
            *place = listener;
        }
        Ok(())
    }

    /// Takes a listener away.
    ///
    /// # Errors
    /// [`ListenerError::NotFound`], or [`ListenerError::NotOurs`] if it was not made here.
    pub fn delete(&mut self, key: ListenerKey) -> Result<(), ListenerError> {
        self.find(key).ok_or(ListenerError::NotFound(key))?.must_be_ours()?;
        self.0.retain(|listener| listener.key() != key);
        Ok(())
    }

    /// Those that hold: these, except that the listener of policy stands in the place of one with its key, and after
    /// them those of compatibility.
    #[must_use]
    pub fn in_force(&self, service: &Service) -> Vec<Listener> {
        let policy = Listener::of_policy(service);
        let is_free = |own: &&Listener| policy.as_ref().is_none_or(|other| other.key() != own.key());
        let own = self.iter().filter(is_free).cloned();
        policy.clone().into_iter().chain(own).chain(Listener::of_compatibility(service)).collect()
    }

    /// The listener that a key means in requests: that of policy, one of these, or that of compatibility.
    #[must_use]
    pub fn meant(&self, key: ListenerKey, service: &Service) -> Option<Listener> {
        self.in_force(service).into_iter().find(|listener| listener.key() == key)
    }

    /// All of them, in the order in which they were made.
    pub fn iter(&self) -> std::slice::Iter<'_, Listener> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
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
