//! Whether the rules of nftables let a new connection in (`nft -j list ruleset`, libnftables-json(5)).
//!
//! Only what is certain is called closed: a rule that depends on who comes, or that is not understood, may let it in.

use serde_json::Value;

/// The rules of a machine.
pub(super) struct Rules {
    chains: Vec<Chain>,
    rules: Vec<Rule>,
}

/// Whether a new connection from another machine gets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Open,
    /// In this chain it ends, whoever comes.
    Closed {
        family: String,
        table: String,
        chain: String,
    },
    /// It depends on more than the port.
    Uncertain,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    family: String,
    table: String,
    name: String,
    /// Where it stands among those that the kernel calls for what comes in; none for chains that are jumped to.
    priority: Option<i64>,
    is_policy_drop: bool,
}

struct Rule {
    family: String,
    table: String,
    chain: String,
    statements: Vec<Value>,
}

/// What a chain does with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Accepted,
    Dropped,
    /// It goes on behind the place that the chain was called from.
    Returned,
    Uncertain,
}

/// Whether a rule is about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    No,
    Maybe,
    Yes,
}

impl Rules {
    /// Reads the list; none if it is not what nft writes.
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

    /// What becomes of a new TCP connection over IPv4 from another machine.
    pub(super) fn way_to(&self, port: u16) -> Way {
        let mut base: Vec<&Chain> = self.chains.iter().filter(|chain| chain.priority.is_some()).collect();
        base.sort_by_key(|chain| chain.priority);
        let mut is_certain = true;
        for chain in base {
            let fate = match self.walk(chain, port, 0) {
                Fate::Returned if chain.is_policy_drop => Fate::Dropped,
                fate => fate,
            };
            match fate {
                // Another chain may still drop it.
                Fate::Accepted | Fate::Returned => {}
                Fate::Uncertain => is_certain = false,
                Fate::Dropped => {
                    let Chain { family, table, name, .. } = chain.clone();
                    return Way::Closed { family, table, chain: name };
                }
            }
        }
        if is_certain { Way::Open } else { Way::Uncertain }
    }

    fn walk(&self, chain: &Chain, port: u16, depth: usize) -> Fate {
        if depth > DEEPEST {
            return Fate::Uncertain;
        }
        let is_here = |rule: &&Rule| {
            rule.family == chain.family && rule.table == chain.table && rule.chain == chain.name
        };
        let mut perhaps = false;
        for rule in self.rules.iter().filter(is_here) {
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
                (_, Fate::Returned) if rule.is_jump() => {}
                (Match::Yes, Fate::Uncertain) | (Match::Maybe, Fate::Accepted | Fate::Uncertain) => {
                    perhaps = true;
                }
                (Match::Yes, fate) if perhaps && fate != Fate::Accepted => return Fate::Uncertain,
                (Match::Yes, fate) => return fate,
                // Some are dropped here, and others are not.
                (_, _) => perhaps = true,
            }
        }
        if perhaps { Fate::Uncertain } else { Fate::Returned }
    }

    /// What a statement does; none for those that decide nothing.
    fn verdict(&self, statement: &Value, from: &Chain, port: u16, depth: usize) -> Option<Fate> {
        let (name, value) = statement.as_object()?.iter().next()?;
        match name.as_str() {
            "accept" => Some(Fate::Accepted),
            "drop" | "reject" => Some(Fate::Dropped),
            "return" => Some(Fate::Returned),
            "jump" | "goto" => {
                let target = value.get("target")?.as_str()?;
                let is_it = |chain: &&Chain| {
                    chain.family == from.family && chain.table == from.table && chain.name == target
                };
                let target = self.chains.iter().find(is_it)?;
                Some(self.walk(target, port, depth + 1))
            }
            "vmap" | "queue" | "xt" => Some(Fate::Uncertain),
            _ => None,
        }
    }
}

impl Chain {
    /// One that sees TCP over IPv4.
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let family = text("family").filter(|family| sees_ipv4(family))?;
        let is_input = text("hook").is_some_and(|hook| hook == "input");
        let priority = if is_input { value.get("prio").and_then(Value::as_i64) } else { None };
        let is_policy_drop = text("policy").is_some_and(|policy| policy == "drop");
        Some(Self { family, table: text("table")?, name: text("name")?, priority, is_policy_drop })
    }
}

impl Rule {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let family = text("family").filter(|family| sees_ipv4(family))?;
        let statements = value.get("expr")?.as_array()?.clone();
        Some(Self { family, table: text("table")?, chain: text("chain")?, statements })
    }

    fn is_jump(&self) -> bool {
        self.statements.iter().any(|statement| statement.get("jump").is_some())
    }
}

fn sees_ipv4(family: &str) -> bool {
    matches!(family, "inet" | "ip")
}

/// Whether a statement is about a new TCP connection to this port; what is no condition always is.
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

/// What is looked at: `payload tcp dport`, `meta iifname`, `ct state`.
fn side(left: &Value) -> (&str, &str, &str) {
    let field =
        |kind: &str, name: &str| left.get(kind).and_then(|value| value.get(name)).and_then(Value::as_str);
    if left.get("payload").is_some() {
        return (
            "payload",
            field("payload", "protocol").unwrap_or_default(),
            field("payload", "field").unwrap_or_default(),
        );
    }
    if let Some(key) = field("meta", "key") {
        return ("meta", key, "");
    }
    if let Some(key) = field("ct", "key") {
        return ("ct", key, "");
    }
    ("", "", "")
}

/// Whether a number is one of those on the right: a number, a range, or a set of them.
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
        // A set with a name, whose members stand elsewhere.
        None => Match::Maybe,
    }
}

/// Whether one of these words is among those on the right.
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

/// How far jumps are followed; the kernel allows sixteen.
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

    fn way(entries: Vec<Value>) -> Way {
        let text = json!({ "nftables": entries }).to_string();
        Rules::parse(text.as_bytes()).expect("a list").way_to(5985)
    }

    fn closed(chain: &str) -> Way {
        Way::Closed { family: "inet".to_owned(), table: "filter".to_owned(), chain: chain.to_owned() }
    }

    #[test]
    fn without_rules_everybody_comes_in() {
        assert_eq!(way(vec![]), Way::Open);
        assert_eq!(way(vec![chain("input", Some(0), "accept")]), Way::Open);
    }

    #[test]
    fn a_policy_that_drops_needs_a_rule_that_accepts_the_port() {
        let base = || chain("input", Some(0), "drop");
        let kept = || rule("input", json!([established(), {"accept": null}]));
        assert_eq!(way(vec![base(), kept()]), closed("input"));
        for right in [
            json!(5985),
            json!({"set": [22, 5985]}),
            json!({"set": [{"range": [5985, 5986]}]}),
            json!({"range": [1, 6000]}),
        ] {
            assert_eq!(
                way(vec![base(), kept(), rule("input", json!([port(right.clone()), {"accept": null}]))]),
                Way::Open,
                "{right}"
            );
        }
        assert_eq!(
            way(vec![base(), rule("input", json!([port(json!(22)), {"accept": null}]))]),
            closed("input")
        );
        assert_eq!(
            way(vec![base(), rule("input", json!([port(json!("@allowed")), {"accept": null}]))]),
            Way::Uncertain
        );
    }

    #[test]
    fn a_rule_that_drops_the_port_closes_it_where_nothing_lets_it_in_before() {
        let base = || chain("input", Some(0), "accept");
        let drop = || rule("input", json!([port(json!(5985)), {"counter": {"packets": 0}}, {"drop": null}]));
        assert_eq!(way(vec![base(), drop()]), closed("input"));
        assert_eq!(
            way(vec![base(), rule("input", json!([port(json!(5985)), {"accept": null}])), drop()]),
            Way::Open
        );
        let from_some = json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.0.0.1"}});
        assert_eq!(
            way(vec![base(), rule("input", json!([from_some, {"accept": null}])), drop()]),
            Way::Uncertain
        );
        let loopback = json!({"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}});
        assert_eq!(
            way(vec![base(), rule("input", json!([loopback, {"accept": null}])), drop()]),
            closed("input")
        );
    }

    #[test]
    fn jumps_are_followed_and_come_back() {
        let entries = |inner: Value| {
            vec![
                chain("input", Some(0), "accept"),
                chain("zone", None, ""),
                rule("input", json!([{"jump": {"target": "zone"}}])),
                rule("zone", inner),
                rule("input", json!([{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}])),
            ]
        };
        assert_eq!(way(entries(json!([port(json!(22)), {"accept": null}]))), closed("input"));
        assert_eq!(way(entries(json!([port(json!(5985)), {"accept": null}]))), Way::Open);
    }

    #[test]
    fn a_circle_of_jumps_ends() {
        let entries =
            vec![chain("input", Some(0), "accept"), rule("input", json!([{"jump": {"target": "input"}}]))];
        assert_eq!(way(entries), Way::Uncertain);
    }

    #[test]
    fn an_accept_in_one_chain_does_not_help_where_another_drops() {
        let entries = vec![
            chain("early", Some(-5), "accept"),
            chain("input", Some(0), "drop"),
            rule("early", json!([port(json!(5985)), {"accept": null}])),
        ];
        assert_eq!(way(entries), closed("input"));
    }
}
