//! Properties by number.

/// A property of a class by its place in the order of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(u16);

impl Column {
    pub(crate) fn new(index: usize) -> Option<Self> {
        u16::try_from(index).ok().map(Self)
    }

    /// The place, from zero.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// Some properties of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnSet {
    words: Vec<u64>,
}

impl ColumnSet {
    /// No properties.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first so many.
    #[must_use]
    pub fn first(count: usize) -> Self {
        (0..count).filter_map(Column::new).collect()
    }

    /// Adds one.
    pub fn insert(&mut self, column: Column) {
        let (word, bit) = place(column);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        other.iter().for_each(|column| self.insert(column));
    }

    /// Whether one is among them.
    #[must_use]
    pub fn contains(&self, column: Column) -> bool {
        let (word, bit) = place(column);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = Column> {
        let indices = (0..self.words.len() * 64).filter_map(Column::new);
        indices.filter(|column| self.contains(*column))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }
}

fn place(column: Column) -> (usize, u64) {
    (column.index() / 64, 1 << (column.index() % 64))
}

impl FromIterator<Column> for ColumnSet {
    fn from_iter<I: IntoIterator<Item = Column>>(columns: I) -> Self {
        let mut set = Self::new();
        columns.into_iter().for_each(|column| set.insert(column));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let columns: Vec<_> = [0, 1, 63, 64, 200].into_iter().filter_map(Column::new).collect();
        let set: ColumnSet = columns.iter().rev().copied().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), columns);
        assert!(!set.contains(Column(2)) && !set.contains(Column(65)) && !set.contains(Column(u16::MAX)));
        assert_eq!(ColumnSet::first(3).len(), 3);
        assert!(ColumnSet::new().is_empty());
    }
}
