//! Column numbers of properties.

/// Position of a property in the wire order of its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(u16);

impl Column {
    pub(crate) fn new(index: usize) -> Option<Self> {
        u16::try_from(index).ok().map(Self)
    }

    /// Position, from zero.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// Set of properties of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnSet {
    words: Vec<u64>,
}

impl ColumnSet {
    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a set of the first `count` columns.
    #[must_use]
    pub fn first(count: usize) -> Self {
        (0..count).filter_map(Column::new).collect()
    }

    /// Adds a column.
    pub fn insert(&mut self, column: Column) {
        let (word, bit) = position(column);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// Adds all columns of another set.
    pub fn extend(&mut self, other: &Self) {
        other.iter().for_each(|column| self.insert(column));
    }

    /// Returns whether the set contains a column.
    #[must_use]
    pub fn contains(&self, column: Column) -> bool {
        let (word, bit) = position(column);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Columns in order.
    pub fn iter(&self) -> impl Iterator<Item = Column> {
        let indices = (0..self.words.len() * 64).filter_map(Column::new);
        indices.filter(|column| self.contains(*column))
    }

    /// Number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }
}

fn position(column: Column) -> (usize, u64) {
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
    fn a_set_contains_the_inserted_columns() {
        let columns: Vec<_> = [0, 1, 63, 64, 200].into_iter().filter_map(Column::new).collect();
        let set: ColumnSet = columns.iter().rev().copied().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), columns);
        assert!(!set.contains(Column(2)) && !set.contains(Column(65)) && !set.contains(Column(u16::MAX)));
        assert_eq!(ColumnSet::first(3).len(), 3);
        assert!(ColumnSet::new().is_empty());
    }
}
