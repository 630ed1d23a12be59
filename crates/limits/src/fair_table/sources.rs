//! Unauthenticated connections, by the prefixes of their source.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A tree of prefixes with three levels, the widest at the root. Each node counts the connections below it.
#[derive(Debug)]
pub(super) struct Sources<S> {
    total: usize,
    /// Nodes of each level, the widest prefixes first.
    nodes: [HashMap<S, Node>; 3],
    /// Children of each node, ordered by the number of their connections.
    ranking: [BTreeMap<Rank, S>; 3],
    /// Connections of each narrowest prefix, ordered by age.
    connections: BTreeMap<(NodeNumber, u64), u32>,
}

/// Number of the connection that made a node, which tells it apart from the others of its level.
type NodeNumber = u64;

/// Order of the children of one node. Of two with as many connections, the one that exists for longer is last.
type Rank = (NodeNumber, usize, Reverse<NodeNumber>);

/// Parent of the widest prefixes.
const ROOT: NodeNumber = 0;

#[derive(Clone, Copy, Debug)]
struct Node {
    number: NodeNumber,
    parent: NodeNumber,
    count: usize,
}

impl Node {
    fn rank(&self) -> Rank {
        (self.parent, self.count, Reverse(self.number))
    }
}

impl<S: Copy + Eq + Hash> Sources<S> {
    /// Adds a connection. Numbers are above 0 and ascend.
    pub(super) fn insert(&mut self, path: [S; 3], number: u64, index: u32) {
        self.total += 1;
        let mut parent = ROOT;
        for ((nodes, ranking), prefix) in self.nodes.iter_mut().zip(&mut self.ranking).zip(path) {
            let node = nodes.entry(prefix).or_insert(Node { number, parent, count: 0 });
            ranking.remove(&node.rank());
            node.count += 1;
            ranking.insert(node.rank(), prefix);
            parent = node.number;
        }
        self.connections.insert((parent, number), index);
    }

    pub(super) fn remove(&mut self, path: [S; 3], number: u64) {
        self.total = self.total.saturating_sub(1);
        let mut narrowest = ROOT;
        for ((nodes, ranking), prefix) in self.nodes.iter_mut().zip(&mut self.ranking).zip(path) {
            let Some(node) = nodes.get_mut(&prefix) else { continue };
            narrowest = node.number;
            ranking.remove(&node.rank());
            node.count = node.count.saturating_sub(1);
            if node.count == 0 {
                nodes.remove(&prefix);
            } else {
                ranking.insert(node.rank(), prefix);
            }
        }
        self.connections.remove(&(narrowest, number));
        if self.connections.is_empty() {
            // A flood must not keep its memory.
            *self = Self::default();
        }
    }

    /// Returns the number of all connections.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Returns the number of connections of one of the widest prefixes.
    pub(super) fn held(&self, site: &S) -> usize {
        let [sites, ..] = &self.nodes;
        sites.get(site).map_or(0, |node| node.count)
    }

    /// Returns the oldest connection of the source with the most connections.
    pub(super) fn oldest_of_heaviest(&self) -> Option<u32> {
        let [sites, ..] = &self.ranking;
        let (_, site) = heaviest(sites, ROOT)?;
        self.oldest_below(&site)
    }

    /// Returns the oldest connection of the source with the most connections below one of the widest prefixes.
    pub(super) fn oldest_below(&self, site: &S) -> Option<u32> {
        let [sites, ..] = &self.nodes;
        let [_, customers, networks] = &self.ranking;
        let (customer, _) = heaviest(customers, sites.get(site)?.number)?;
        let (network, _) = heaviest(networks, customer)?;
        self.connections.range((network, 0)..).next().map(|(_, index)| *index)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let is_empty =
            self.nodes.iter().all(HashMap::is_empty) && self.ranking.iter().all(BTreeMap::is_empty);
        is_empty && self.total == 0 && self.connections.is_empty()
    }
}

/// Returns the child of a node with the most connections.
fn heaviest<S: Copy>(ranking: &BTreeMap<Rank, S>, parent: NodeNumber) -> Option<(NodeNumber, S)> {
    let children = (parent, 0, Reverse(NodeNumber::MAX))..=(parent, usize::MAX, Reverse(0));
    ranking.range(children).next_back().map(|((_, _, Reverse(number)), prefix)| (*number, *prefix))
}

impl<S> Default for Sources<S> {
    fn default() -> Self {
        Self {
            total: 0,
            nodes: Default::default(),
            ranking: Default::default(),
            connections: BTreeMap::new(),
        }
    }
}
