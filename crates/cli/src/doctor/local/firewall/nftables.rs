//! Evaluation of nftables rules for a new connection (`nft -j list ruleset`, libnftables-json(5)).
//!
//! A port is reported as blocked only if that is certain: rules that depend on the source of the connection, or that
//! are not supported here, may accept it.

use serde_json::Value;

/// The nftables rule set of a machine.
pub(super) struct Rules {
    chains: Vec<Chain>,
    rules: Vec<Rule>,
}

/// Effect of the rules on a new connection from another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PortAccess {
    Open,
    /// This chain drops the connection, regardless of its source.
    Blocked {
        family: String,
        table: String,
        chain: String,
    },
    /// The effect depends on more than the port.
    Uncertain,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    family: String,
    table: String,
    name: String,
    /// Priority of a base chain of the input hook; `None` for other chains.
    priority: Option<i64>,
    is_policy_drop: bool,
}

struct Rule {
    family: String,
    table: String,
    chain: String,
    statements: Vec<Value>,
}

/// Verdict of a chain for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChainVerdict {
    Accepted,
    Dropped,
    /// Evaluation continues after the jump to the chain.
    Returned,
    Uncertain,
}

/// Whether a rule matches the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    No,
    Maybe,
    Yes,
}

impl Rules {
    /// Parses the output of nft; returns `None` if the format is unknown.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(json).ok()?;
        let mut rules = Self { chains: Vec::new(), rules: Vec::new() };
        for entry in document.get("nftables")?.as_array()? {
            if let Some(chain) = entry.get("chain") {
                rules.chains.extend(Chain::read(chain));
            } else if let Some(rule) = entry.get("rule") {
                rules.rules.extend(Rule::read(rule));
            }
        }
        Some(rules)
    }

    /// Evaluates the rules for a new TCP connection over IPv4 from another machine.
    pub(super) fn access_to(&self, port: u16) -> PortAccess {
        let mut base: Vec<&Chain> = self.chains.iter().filter(|chain| chain.priority.is_some()).collect();
        base.sort_by_key(|chain| chain.priority);
        let mut is_certain = true;
        for chain in base {
            let fate = match self.walk(chain, port, 0) {
                ChainVerdict::Returned if chain.is_policy_drop => ChainVerdict::Dropped,
                fate => fate,
            };
            match fate {
                // A later base chain may still drop the connection.
                ChainVerdict::Accepted | ChainVerdict::Returned => {}
                ChainVerdict::Uncertain => is_certain = false,
                ChainVerdict::Dropped => {
                    let Chain { family, table, name, .. } = chain.clone();
                    return PortAccess::Blocked { family, table, chain: name };
                }
            }
        }
        if is_certain { PortAccess::Open } else { PortAccess::Uncertain }
    }

    fn walk(&self, chain: &Chain, port: u16, depth: usize) -> ChainVerdict {
        if depth > DEEPEST {
            return ChainVerdict::Uncertain;
        }
        let mut uncertain = false;
        for rule in self.rules.iter().filter(|rule| rule.is_in(chain)) {
            let matched = rule.statements.iter().map(|statement| matches_connection(statement, port)).min();
            let matched = matched.unwrap_or(Match::Yes);
            if matched == Match::No {
                continue;
            }
            let Some(fate) =
                rule.statements.iter().find_map(|statement| self.verdict(statement, chain, port, depth))
            else {
                continue;
            };
            match (matched, fate) {
                (_, ChainVerdict::Returned) if rule.is_jump() => {}
                (Match::Yes, ChainVerdict::Uncertain)
                | (Match::Maybe, ChainVerdict::Accepted | ChainVerdict::Uncertain) => {
                    uncertain = true;
                }
                (Match::Yes, verdict) if uncertain && verdict != ChainVerdict::Accepted => {
                    return ChainVerdict::Uncertain;
                }
                (Match::Yes, verdict) => return verdict,
                // The rule drops some connections and not others.
                (_, _) => uncertain = true,
            }
        }
        if uncertain { ChainVerdict::Uncertain } else { ChainVerdict::Returned }
    }

    /// Returns the verdict of a statement, or `None` if it has none.
    fn verdict(&self, statement: &Value, from: &Chain, port: u16, depth: usize) -> Option<ChainVerdict> {
        let (name, value) = statement.as_object()?.iter().next()?;
        match name.as_str() {
            "accept" => Some(ChainVerdict::Accepted),
            "drop" | "reject" => Some(ChainVerdict::Dropped),
            "return" => Some(ChainVerdict::Returned),
            "jump" | "goto" => {
                let target = value.get("target")?.as_str()?;
                let chain = self.chains.iter().find(|chain| {
                    chain.family == from.family && chain.table == from.table && chain.name == target
                })?;
                Some(self.walk(chain, port, depth + 1))
            }
            "vmap" | "queue" | "xt" => Some(ChainVerdict::Uncertain),
            _ => None,
        }
    }
}

impl Chain {
    /// Reads a chain of a family that includes IPv4; returns `None` for other chains.
    fn read(value: &Value) -> Option<Self> {
        let family = text(value, "family").filter(|family| includes_ipv4(family))?;
        let is_input = text(value, "hook").is_some_and(|hook| hook == "input");
        let priority = if is_input { value.get("prio").and_then(Value::as_i64) } else { None };
        let is_policy_drop = text(value, "policy").is_some_and(|policy| policy == "drop");
        let (table, name) = (text(value, "table")?, text(value, "name")?);
        Some(Self { family, table, name, priority, is_policy_drop })
    }
}

impl Rule {
    fn read(value: &Value) -> Option<Self> {
        let family = text(value, "family").filter(|family| includes_ipv4(family))?;
        let statements = value.get("expr")?.as_array()?.clone();
        Some(Self { family, table: text(value, "table")?, chain: text(value, "chain")?, statements })
    }

    fn is_in(&self, chain: &Chain) -> bool {
        self.family == chain.family && self.table == chain.table && self.chain == chain.name
    }

    fn is_jump(&self) -> bool {
        self.statements.iter().any(|statement| statement.get("jump").is_some())
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn includes_ipv4(family: &str) -> bool {
    matches!(family, "inet" | "ip")
}

/// Returns whether a statement matches a new TCP connection to a port. A statement without condition matches.
fn matches_connection(statement: &Value, port: u16) -> Match {
    if statement.get("xt").is_some() {
        return Match::Maybe;
    }
    let Some(condition) = statement.get("match") else { return Match::Yes };
    let (Some(left), Some(right)) = (condition.get("left"), condition.get("right")) else {
        return Match::Maybe;
    };
    let is_negated = condition.get("op").and_then(Value::as_str) == Some("!=");
    let matched = match side(left) {
        ("payload", "tcp" | "th", "dport") => number_in(right, u64::from(port)),
        ("payload", "tcp", _) => Match::Maybe,
        ("payload", "udp" | "icmp" | "icmpv6" | "ip6" | "arp", _) => Match::No,
        ("payload", "ip", "protocol") | ("meta", "l4proto", _) => word_in(right, &["tcp", "6"]),
        ("meta", "nfproto", _) => word_in(right, &["ipv4", "2"]),
        ("meta", "iifname" | "iif", _) => match word_in(right, &["lo"]) {
            Match::Yes => Match::No,
            _ => Match::Maybe,
        },
        ("ct", "state", _) => word_in(right, &["new"]),
        _ => Match::Maybe,
    };
    match (is_negated, matched) {
        (false, matched) => matched,
        (true, Match::Yes) => Match::No,
        (true, Match::No) => Match::Yes,
        (true, Match::Maybe) => Match::Maybe,
    }
}

/// Returns the left side of a condition, such as `payload tcp dport`, `meta iifname` or `ct state`.
fn side(left: &Value) -> (&str, &str, &str) {
    if let Some(payload) = left.get("payload") {
        return ("payload", member(payload, "protocol"), member(payload, "field"));
    }
    if let Some(meta) = left.get("meta") {
        return ("meta", member(meta, "key"), "");
    }
    if let Some(ct) = left.get("ct") {
        return ("ct", member(ct, "key"), "");
    }
    ("", "", "")
}

fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Returns whether the right side of a condition, a number, range or set, contains a number.
fn number_in(right: &Value, number: u64) -> Match {
    if let Some(only) = right.as_u64() {
        return if only == number { Match::Yes } else { Match::No };
    }
    if let Some([first, last]) = right.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        return match (first.as_u64(), last.as_u64()) {
            (Some(first), Some(last)) if (first..=last).contains(&number) => Match::Yes,
            (Some(_), Some(_)) => Match::No,
            _ => Match::Maybe,
        };
    }
    match right.get("set").and_then(Value::as_array).or_else(|| right.as_array()) {
        Some(members) => members.iter().map(|member| number_in(member, number)).max().unwrap_or(Match::No),
        // A named set, whose elements are listed elsewhere.
        None => Match::Maybe,
    }
}

/// Returns whether the right side of a condition, a word or set, contains one of these words.
fn word_in(right: &Value, wanted: &[&str]) -> Match {
    let is_wanted = |value: &Value| match value {
        Value::String(word) => wanted.contains(&word.as_str()),
        Value::Number(number) => wanted.contains(&number.to_string().as_str()),
        _ => false,
    };
    let members = right.get("set").and_then(Value::as_array).or_else(|| right.as_array());
    let found = members.map_or_else(|| is_wanted(right), |members| members.iter().any(is_wanted));
    if found { Match::Yes } else { Match::No }
}

/// Maximum depth of jumps; the kernel allows 16.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chain(name: &str, priority: Option<i64>, policy: &str) -> Value {
        let mut chain = json!({"family": "inet", "table": "filter", "name": name, "handle": 1});
        if let (Some(priority), Some(members)) = (priority, chain.as_object_mut()) {
            members.insert("hook".to_owned(), json!("input"));
            members.insert("prio".to_owned(), json!(priority));
            members.insert("policy".to_owned(), json!(policy));
        }
        json!({ "chain": chain })
    }

    fn rule(chain: &str, statements: Value) -> Value {
        json!({"rule": {"family": "inet", "table": "filter", "chain": chain, "expr": statements}})
    }

    fn port(value: Value) -> Value {
        json!({"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": value}})
    }

    fn established() -> Value {
        json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}})
    }

    fn access(entries: Vec<Value>) -> PortAccess {
        let text = json!({ "nftables": entries }).to_string();
        Rules::parse(text.as_bytes()).expect("a list").access_to(5985)
    }

    fn closed(chain: &str) -> PortAccess {
        PortAccess::Blocked { family: "inet".to_owned(), table: "filter".to_owned(), chain: chain.to_owned() }
    }

    #[test]
    fn without_rules_everybody_comes_in() {
        assert_eq!(access(vec![]), PortAccess::Open);
        assert_eq!(access(vec![chain("input", Some(0), "accept")]), PortAccess::Open);
    }

    #[test]
    fn a_policy_that_drops_needs_a_rule_that_accepts_the_port() {
        let base = || chain("input", Some(0), "drop");
        let established_rule = || rule("input", json!([established(), {"accept": null}]));
        assert_eq!(access(vec![base(), established_rule()]), closed("input"));
        for right in [
            json!(5985),
            json!({"set": [22, 5985]}),
            json!({"set": [{"range": [5985, 5986]}]}),
            json!({"range": [1, 6000]}),
        ] {
            assert_eq!(
                access(vec![
                    base(),
                    established_rule(),
                    rule("input", json!([port(right.clone()), {"accept": null}]))
                ]),
                PortAccess::Open,
                "{right}"
            );
        }
        assert_eq!(
            access(vec![base(), rule("input", json!([port(json!(22)), {"accept": null}]))]),
            closed("input")
        );
        assert_eq!(
            access(vec![base(), rule("input", json!([port(json!("@allowed")), {"accept": null}]))]),
            PortAccess::Uncertain
        );
    }

    #[test]
    fn a_drop_rule_blocks_the_port_unless_an_earlier_rule_accepts_it() {
        let base = || chain("input", Some(0), "accept");
        let drop = || rule("input", json!([port(json!(5985)), {"counter": {"packets": 0}}, {"drop": null}]));
        assert_eq!(access(vec![base(), drop()]), closed("input"));
        assert_eq!(
            access(vec![base(), rule("input", json!([port(json!(5985)), {"accept": null}])), drop()]),
            PortAccess::Open
        );
        let from_some = json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.0.0.1"}});
        assert_eq!(
            access(vec![base(), rule("input", json!([from_some, {"accept": null}])), drop()]),
            PortAccess::Uncertain
        );
        let loopback = json!({"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}});
        assert_eq!(
            access(vec![base(), rule("input", json!([loopback, {"accept": null}])), drop()]),
            closed("input")
        );
    }

    #[test]
    fn jumps_are_followed_and_return() {
        let entries = |inner: Value| {
            vec![
                chain("input", Some(0), "accept"),
                chain("zone", None, ""),
                rule("input", json!([{"jump": {"target": "zone"}}])),
                rule("zone", inner),
                rule("input", json!([{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}])),
            ]
        };
        assert_eq!(access(entries(json!([port(json!(22)), {"accept": null}]))), closed("input"));
        assert_eq!(access(entries(json!([port(json!(5985)), {"accept": null}]))), PortAccess::Open);
    }

    #[test]
    fn cyclic_jumps_end_with_an_uncertain_result() {
        let entries =
            vec![chain("input", Some(0), "accept"), rule("input", json!([{"jump": {"target": "input"}}]))];
        assert_eq!(access(entries), PortAccess::Uncertain);
    }

    #[test]
    fn an_accept_in_one_base_chain_does_not_override_a_drop_in_another() {
        let entries = vec![
            chain("early", Some(-5), "accept"),
            chain("input", Some(0), "drop"),
            rule("early", json!([port(json!(5985)), {"accept": null}])),
        ];
        assert_eq!(access(entries), closed("input"));
    }
}
