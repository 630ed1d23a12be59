//! Idle connections of each account, ordered by how long they have been idle.

use super::slab::position;

/// Idle connections of one account: a doubly linked list through [`IdleLinks`].
#[derive(Debug, Default)]
pub(super) struct IdleList {
    oldest: Option<u32>,
    newest: Option<u32>,
}

/// Neighbours of each idle connection in the list of its account, by the index of the connection.
///
/// A connection is in at most one list. Every operation takes constant time and allocates only for an index that is
/// larger than all before.
#[derive(Debug, Default)]
pub(super) struct IdleLinks(Vec<Link>);

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// Time since when the connection is idle; none if it is in no list.
    since: Option<u64>,
    older: Option<u32>,
    newer: Option<u32>,
}

impl IdleLinks {
    /// Adds a connection that has become idle, later than all others of the list.
    pub(super) fn push(&mut self, list: &mut IdleList, index: u32, since: u64) {
        let position = position(index);
        if self.0.len() <= position {
            self.0.resize(position.saturating_add(1), Link::default());
        }
        if let Some(link) = self.0.get_mut(position) {
            *link = Link { since: Some(since), older: list.newest, newer: None };
        }
        match list.newest.and_then(|newest| self.link(newest)) {
            Some(newest) => newest.newer = Some(index),
            None => list.oldest = Some(index),
        }
        list.newest = Some(index);
    }

    /// Removes a connection from the list that it is in.
    pub(super) fn remove(&mut self, list: &mut IdleList, index: u32) {
        let Some(link) = self.link(index).filter(|link| link.since.is_some()).map(std::mem::take) else {
            return;
        };
        match link.older.and_then(|older| self.link(older)) {
            Some(older) => older.newer = link.newer,
            None => list.oldest = link.newer,
        }
        match link.newer.and_then(|newer| self.link(newer)) {
            Some(newer) => newer.older = link.older,
            None => list.newest = link.older,
        }
    }

    /// Returns the connection that has been idle for the longest time, after the time since when.
    pub(super) fn oldest(&self, list: &IdleList) -> Option<(u64, u32)> {
        let index = list.oldest?;
        Some((self.0.get(position(index))?.since?, index))
    }

    fn link(&mut self, index: u32) -> Option<&mut Link> {
        self.0.get_mut(position(index))
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the connections of a list in order, by removing them.
    fn drain(links: &mut IdleLinks, list: &mut IdleList) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| {
            let oldest = links.oldest(list)?;
            links.remove(list, oldest.1);
            Some(oldest)
        })
        .collect()
    }

    #[test]
    fn connections_leave_two_lists_in_any_order() {
        for removed in 0..6 {
            let (mut links, mut ada, mut ben) = Default::default();
            for index in 0..6 {
                let list = if index % 2 == 0 { &mut ada } else { &mut ben };
                IdleLinks::push(&mut links, list, index, u64::from(index) + 100);
            }
            links.remove(if removed % 2 == 0 { &mut ada } else { &mut ben }, removed);
            let expected = |parity: u32| -> Vec<(u64, u32)> {
                let rest = (0..6).filter(|index| index % 2 == parity && *index != removed);
                rest.map(|index| (u64::from(index) + 100, index)).collect()
            };
            assert_eq!(drain(&mut links, &mut ada), expected(0), "without {removed}");
            assert_eq!(drain(&mut links, &mut ben), expected(1), "without {removed}");
        }
    }

    #[test]
    fn a_connection_that_was_used_becomes_the_newest() {
        let (mut links, mut list) = Default::default();
        for index in 0..3 {
            IdleLinks::push(&mut links, &mut list, index, u64::from(index));
        }
        links.remove(&mut list, 0);
        links.remove(&mut list, 0);
        links.push(&mut list, 0, 9);
        assert_eq!(drain(&mut links, &mut list), [(1, 1), (2, 2), (9, 0)]);
        links.push(&mut list, 2, 10);
        assert_eq!(drain(&mut links, &mut list), [(10, 2)]);
    }
}
