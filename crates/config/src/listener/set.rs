use super::{Listener, ListenerError, ListenerKey};

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
