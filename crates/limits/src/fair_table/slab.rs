//! Values with small numbers as keys.

/// Values by index; the index of a removed value is used again.
#[derive(Debug)]
pub(super) struct Slab<T> {
    values: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// Adds a value and returns its index.
    ///
    /// A table has far fewer connections than indexes, because each connection needs a file descriptor.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.values.get_mut(position(index))
        {
            *place = Some(value);
            return index;
        }
        let index = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(Some(value));
        index
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.values.get(position(index))?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.values.get_mut(position(index))?.as_mut()
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let value = self.values.get_mut(position(index))?.take()?;
        self.free.push(index);
        if self.len() == 0 {
            *self = Self::default();
        }
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { values: Vec::new(), free: Vec::new() }
    }
}

/// Returns an index as a position in a vector.
pub(super) fn position(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
