//! Rules of nftables that accept or block the traffic of this machine itself.
//!
//! They are the rules in base chains of type `filter` at the hooks `input` and `output`, and in the chains to which
//! these jump. Rules of firewalld, ufw and iptables with the nftables backend are among them.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::{Object, listing, of_kind};
use crate::{Error, Machine};

/// Direction of traffic, seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From other machines to this one.
    Inbound,
    /// From this machine to others.
    Outbound,
}

impl Direction {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::Inbound, Self::Outbound];

    fn hook(self) -> &'static str {
        match self {
            Self::Inbound => "input",
            Self::Outbound => "output",
        }
    }
}

/// Final decision about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The chain accepts the packet.
    Accept,
    /// The packet is dropped or rejected.
    Block,
}

/// A rule with a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterRule {
    /// The rule.
    pub rule: Object,
    /// Direction of the traffic that it decides about.
    pub direction: Direction,
    /// Decision for packets that match.
    pub verdict: Verdict,
}

/// Filter of a machine's own traffic.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    chains: Vec<Object>,
    rules: Vec<Object>,
}

/// Family, table and name of a chain.
type ChainKey = (String, String, String);

impl Filter {
    /// Reads the rules of this machine; there are none in a directory tree.
    ///
    /// # Errors
    /// If nft fails, or this user may not list the rules.
    pub fn of(machine: &Machine) -> Result<Self, Error> {
        if !machine.is_this() {
            return Ok(Self::default());
        }
        Ok(Self::from_listing(&listing()?))
    }

    fn from_listing(objects: &[Json]) -> Self {
        Self { chains: of_kind(objects, "chain"), rules: of_kind(objects, "rule") }
    }

    /// Returns whether a base chain filters traffic in any direction.
    #[must_use]
    pub fn is_active(&self) -> bool {
        Direction::BOTH.iter().any(|direction| self.base_chains(*direction).next().is_some())
    }

    /// Returns the verdict for packets that match no specific rule: they are blocked if one base chain blocks them.
    #[must_use]
    pub fn default_verdict(&self, direction: Direction) -> Verdict {
        let blocks = self.base_chains(direction).any(|chain| {
            let rules = key(chain, "name").into_iter().flat_map(|key| self.rules_of(key));
            let unconditional = rules.filter(|rule| is_unconditional(rule)).find_map(verdict);
            let policy = if chain.text("policy").as_deref() == Some("drop") {
                Verdict::Block
            } else {
                Verdict::Accept
            };
            unconditional.unwrap_or(policy) == Verdict::Block
        });
        if blocks { Verdict::Block } else { Verdict::Accept }
    }

    /// Returns the rules with a verdict, in the order of the chains. A rule that both directions reach is returned
    /// for each.
    #[must_use]
    pub fn rules(&self) -> Vec<FilterRule> {
        Direction::BOTH.into_iter().flat_map(|direction| self.rules_for(direction)).collect()
    }

    fn rules_for(&self, direction: Direction) -> Vec<FilterRule> {
        let mut seen: HashSet<ChainKey> = HashSet::new();
        let mut waiting: Vec<ChainKey> =
            self.base_chains(direction).filter_map(|chain| key(chain, "name")).collect();
        waiting.reverse();
        let mut found = Vec::new();
        while let Some(chain) = waiting.pop() {
            if !seen.insert(chain.clone()) {
                continue;
            }
            let (family, table) = (chain.0.clone(), chain.1.clone());
            for rule in self.rules_of(chain) {
                let next = targets(rule).into_iter().map(|name| (family.clone(), table.clone(), name));
                waiting.extend(next);
                found.extend(verdict(rule).map(|verdict| FilterRule {
                    rule: rule.clone(),
                    direction,
                    verdict,
                }));
            }
        }
        found
    }

    fn base_chains(&self, direction: Direction) -> impl Iterator<Item = &Object> {
        self.chains.iter().filter(move |chain| {
            chain.text("type").as_deref() == Some("filter")
                && chain.text("hook").as_deref() == Some(direction.hook())
                && matches!(chain.text("family").as_deref(), Some("ip" | "ip6" | "inet"))
        })
    }

    fn rules_of(&self, chain: ChainKey) -> impl Iterator<Item = &Object> {
        self.rules.iter().filter(move |rule| key(rule, "chain").as_ref() == Some(&chain))
    }
}

/// Returns the chain that an object names in the field `name`.
fn key(object: &Object, name: &str) -> Option<ChainKey> {
    Some((object.text("family")?, object.text("table")?, object.text(name)?))
}

/// Returns the statements of a rule, each with its name.
fn statements(rule: &Object) -> impl Iterator<Item = (&str, &Json)> {
    let all = rule.0.get("expr").and_then(Json::as_array).into_iter().flatten();
    all.filter_map(|statement| statement.as_object()?.iter().next())
        .map(|(name, value)| (name.as_str(), value))
}

fn verdict(rule: &Object) -> Option<Verdict> {
    statements(rule).find_map(|(name, value)| match name {
        "accept" => Some(Verdict::Accept),
        "drop" | "reject" => Some(Verdict::Block),
        // A target of iptables that nftables has no statement for.
        "xt" if value.get("name").and_then(Json::as_str) == Some("REJECT") => Some(Verdict::Block),
        _ => None,
    })
}

/// Returns whether every packet matches a rule.
fn is_unconditional(rule: &Object) -> bool {
    statements(rule).all(|(name, _)| matches!(name, "accept" | "drop" | "reject" | "counter" | "log"))
}

/// Returns the names of the chains to which a rule jumps, also by a map of verdicts.
fn targets(rule: &Object) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting: Vec<&Json> = rule.0.get("expr").into_iter().collect();
    while let Some(value) = waiting.pop() {
        match value {
            Json::Array(values) => waiting.extend(values),
            Json::Object(fields) => {
                for (name, value) in fields {
                    let target = value.get("target").and_then(Json::as_str);
                    match target.filter(|_| matches!(name.as_str(), "jump" | "goto")) {
                        Some(target) => found.push(target.to_owned()),
                        None => waiting.push(value),
                    }
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain(name: &str, hook: Option<&str>, policy: &str) -> Json {
        match hook {
            Some(hook) => json!({ "chain": { "family": "inet", "table": "t", "name": name, "type": "filter",
                "hook": hook, "prio": 0, "policy": policy } }),
            None => json!({ "chain": { "family": "inet", "table": "t", "name": name } }),
        }
    }

    fn rule(chain: &str, expression: &Json) -> Json {
        json!({ "rule": { "family": "inet", "table": "t", "chain": chain, "handle": 4, "expr": expression } })
    }

    #[test]
    fn rules_are_found_in_chains_that_the_hooks_reach() {
        let filter = Filter::from_listing(&[
            chain("in", Some("input"), "drop"),
            chain("out", Some("output"), "accept"),
            chain("more", None, ""),
            chain("unused", None, ""),
            rule(
                "in",
                &json!([{ "vmap": { "data": { "set": [["new", { "jump": { "target": "more" } }]] } } }]),
            ),
            rule("more", &json!([{ "match": {} }, { "accept": null }])),
            rule("more", &json!([{ "goto": { "target": "in" } }])),
            rule("unused", &json!([{ "accept": null }])),
            rule("out", &json!([{ "counter": { "packets": 1 } }])),
        ]);
        assert!(filter.is_active());
        let found = filter.rules();
        let [only] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((only.direction, only.verdict), (Direction::Inbound, Verdict::Accept));
        assert_eq!(filter.default_verdict(Direction::Inbound), Verdict::Block);
        assert_eq!(filter.default_verdict(Direction::Outbound), Verdict::Accept);
    }

    #[test]
    fn an_unconditional_rule_precedes_the_policy() {
        let filter = Filter::from_listing(&[
            chain("in", Some("input"), "accept"),
            rule("in", &json!([{ "match": {} }, { "accept": null }])),
            rule("in", &json!([{ "reject": { "type": "icmpx" } }])),
            chain("out", Some("output"), "drop"),
            rule("out", &json!([{ "counter": null }, { "accept": null }])),
        ]);
        assert_eq!(filter.default_verdict(Direction::Inbound), Verdict::Block);
        assert_eq!(filter.default_verdict(Direction::Outbound), Verdict::Accept);
        assert!(!Filter::default().is_active());
    }
}
