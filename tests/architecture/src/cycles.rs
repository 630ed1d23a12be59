//! Cycles of the modules of a crate.
//!
//! The modules of a crate form levels: those that the root declares, and so on for each module that declares others.
//! The nodes of a level are the modules that one file declares, each with everything below it.
//! A dependency between two files belongs to the level of the innermost module that contains both.
//! A cycle is a set of nodes of one level that reach each other.
//!
//! The file that declares the modules is no node of their level: together they are one node of the level above, and
//! items that the modules share may be in that file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::modules::{Dependency, ModulePath};

/// Nodes of one level that reach each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Module that declares the nodes.
    pub level: ModulePath,
    /// Names of the nodes in alphabetical order.
    pub nodes: Vec<String>,
    /// A shortest way from the first node back to it, one dependency for each step.
    pub chain: Vec<Dependency>,
}

/// Returns the cycles among the modules of a crate.
#[must_use]
pub fn cycles(dependencies: &[Dependency]) -> Vec<Cycle> {
    let mut levels: BTreeMap<ModulePath, Level<'_>> = BTreeMap::new();
    for dependency in dependencies {
        let common = dependency.from.iter().zip(&dependency.to).take_while(|(from, to)| from == to).count();
        let level: ModulePath = dependency.from.iter().take(common).cloned().collect();
        if let (Some(from), Some(to)) = (dependency.from.get(common), dependency.to.get(common)) {
            let uses = &mut levels.entry(level).or_default().uses;
            uses.entry(from.clone()).or_default().entry(to.clone()).or_insert(dependency);
        }
    }
    levels.into_iter().flat_map(|(path, level)| level.cycles(&path)).collect()
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.level.is_empty() { "crate".to_owned() } else { self.level.join("::") };
        write!(f, "{level}: {}", self.nodes.join(", "))?;
        for Dependency { from, to, file, line, item } in &self.chain {
            let [from, to] = [from, to].map(|path| [&["crate".to_owned()], &path[..]].concat().join("::"));
            write!(f, "\n    {from} -> {to}: {}:{line}: {item}", file.display())?;
        }
        Ok(())
    }
}

/// Dependencies between the nodes of a level: the first one of each pair.
#[derive(Debug, Default)]
struct Level<'d> {
    uses: BTreeMap<String, BTreeMap<String, &'d Dependency>>,
}

impl Level<'_> {
    fn cycles(&self, path: &ModulePath) -> Vec<Cycle> {
        let reached: BTreeMap<&String, BTreeSet<&String>> =
            self.uses.keys().map(|node| (node, self.reached_from(node))).collect();
        let mut found: Vec<Cycle> = Vec::new();
        for (node, others) in &reached {
            let is_known = found.iter().any(|cycle| cycle.nodes.contains(node));
            if !is_known && others.contains(node) {
                let mutual =
                    others.iter().filter(|other| reached.get(*other).is_some_and(|back| back.contains(node)));
                let nodes: Vec<String> = mutual.map(|other| (*other).clone()).collect();
                found.push(Cycle { level: path.clone(), chain: self.way_back(node), nodes });
            }
        }
        found
    }

    fn reached_from<'s>(&'s self, node: &'s String) -> BTreeSet<&'s String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![node];
        while let Some(next) = open.pop() {
            let used = self.uses.get(next).into_iter().flat_map(BTreeMap::keys);
            open.extend(used.filter(|node| reached.insert(*node)));
        }
        reached
    }

    /// Returns the shortest way from a node of a cycle back to it.
    fn way_back(&self, start: &String) -> Vec<Dependency> {
        let mut ways: VecDeque<(&String, Vec<Dependency>)> = VecDeque::from([(start, Vec::new())]);
        let mut seen = BTreeSet::new();
        while let Some((node, way)) = ways.pop_front() {
            for (to, dependency) in self.uses.get(node).into_iter().flatten() {
                let way = [&way[..], &[(*dependency).clone()]].concat();
                if to == start {
                    return way;
                }
                if seen.insert(to) {
                    ways.push_back((to, way));
                }
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(pairs: &[(&str, &str)]) -> Vec<Dependency> {
        let path = |text: &str| text.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let dependency = |(from, to): &(&str, &str)| Dependency {
            from: path(from),
            to: path(to),
            file: "src/x.rs".into(),
            line: 7,
            item: "crate::X".to_owned(),
        };
        pairs.iter().map(dependency).collect()
    }

    #[test]
    fn a_cycle_is_reported_as_a_chain_with_file_and_line() {
        let found = cycles(&uses(&[("a", "b::c"), ("b::d", "a"), ("b::c", "b::d"), ("e", "a")]));
        let [cycle] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            cycle.to_string(),
            "crate: a, b\n    crate::a -> crate::b::c: src/x.rs:7: crate::X\n    \
             crate::b::d -> crate::a: src/x.rs:7: crate::X"
        );
    }

    #[test]
    fn children_form_a_level_of_their_own() {
        let found = cycles(&uses(&[("a::b", "a::c"), ("a::c::d", "a::b"), ("a::b", "e")]));
        let [Cycle { level, nodes, .. }] = &found[..] else { panic!("{found:?}") };
        assert_eq!((level.as_slice(), nodes.join(" ")), (&["a".to_owned()][..], "b c".to_owned()));
    }

    #[test]
    fn a_file_and_the_modules_that_it_declares_are_one_node() {
        assert_eq!(cycles(&uses(&[("a", "a::b"), ("a::b", "a"), ("", "a"), ("a", "")])), []);
    }
}
