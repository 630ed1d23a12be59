//! Rules for addresses of clients, as nested sections of `Require` directives.
//!
//! The rules of the model are tried in their order. Allowed networks before the rest are alternatives (`<RequireAny>`),
//! denied ones are additional conditions (`<RequireAll>` with `Require not`).

use apache::{Directive, NewDirective, UnquotableWord};

use crate::error::WebServerError;
use crate::feature::{Clients, IpRule};

/// Maximum number of changes between allowed and denied networks.
const MAX_DEPTH: usize = 16;

/// Returns the directives for rules.
pub(super) fn write(rules: &[IpRule]) -> Result<Vec<NewDirective>, WebServerError> {
    if rules.iter().any(|rule| rule.clients == Clients::Unix) {
        return Err(impossible("Apache does not listen on sockets in the file system"));
    }
    let groups = rules.chunk_by(|a, b| a.allow == b.allow).count();
    if groups > MAX_DEPTH {
        return Err(impossible("more than 16 changes between allowed and denied networks; order the rules"));
    }
    Ok(nested(rules)?)
}

fn impossible(reason: &str) -> WebServerError {
    WebServerError::impossible("set the feature ip-restrictions", reason)
}

fn nested(rules: &[IpRule]) -> Result<Vec<NewDirective>, UnquotableWord> {
    let Some(first) = rules.first() else {
        return Ok(vec![NewDirective::simple(&["Require", "all", "granted"])?]);
    };
    let mut conditions = Vec::new();
    let mut rest = rules;
    while let Some((rule, after)) = rest.split_first() {
        if rule.allow != first.allow {
            break;
        }
        if rule.clients == Clients::All {
            // Rules behind this one are never reached.
            let word = if rule.allow { "granted" } else { "denied" };
            conditions.push(NewDirective::simple(&["Require", "all", word])?);
            return wrapped(first.allow, conditions);
        }
        let clients = rule.clients.to_string();
        conditions.push(match rule.allow {
            true => NewDirective::simple(&["Require", "ip", &clients])?,
            false => NewDirective::simple(&["Require", "not", "ip", &clients])?,
        });
        rest = after;
    }
    if rest.is_empty() && first.allow {
        // Clients without a match are allowed.
        conditions.push(NewDirective::simple(&["Require", "all", "granted"])?);
    } else {
        conditions.extend(nested(rest)?);
    }
    wrapped(first.allow, conditions)
}

fn wrapped(is_any: bool, mut conditions: Vec<NewDirective>) -> Result<Vec<NewDirective>, UnquotableWord> {
    if conditions.len() == 1 {
        return Ok(conditions.pop().into_iter().collect());
    }
    let name = if is_any { "RequireAny" } else { "RequireAll" };
    Ok(vec![NewDirective::section(&[name], conditions)?])
}

/// Returns the rules of directives, or `None` if they have another form.
pub(super) fn read(directives: &[&Directive]) -> Option<Vec<IpRule>> {
    let [directive] = directives else { return None };
    let mut rules = Vec::new();
    read_one(directive, 0, &mut rules)?;
    Some(rules)
}

fn read_one(directive: &Directive, depth: usize, rules: &mut Vec<IpRule>) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    let is_any = directive.is("RequireAny");
    if !is_any && !directive.is("RequireAll") {
        rules.push(final_rule(directive)?);
        return Some(());
    }
    let (last, conditions) = directive.children().split_last()?;
    for condition in conditions {
        let words: Vec<&str> = condition.arguments().collect();
        if !condition.is("Require") || words.len() != condition.words().len().checked_sub(1)? {
            return None;
        }
        let addresses = match (is_any, words.as_slice()) {
            (true, ["ip", addresses @ ..]) | (false, ["not", "ip", addresses @ ..]) => addresses,
            _ => return None,
        };
        for address in addresses {
            rules.push(IpRule { allow: is_any, clients: address.parse().ok()? });
        }
    }
    read_one(last, depth.checked_add(1)?, rules)
}

fn final_rule(directive: &Directive) -> Option<IpRule> {
    let words: Vec<&str> = directive.arguments().collect();
    match words.as_slice() {
        ["all", "granted"] if directive.is("Require") => Some(IpRule { allow: true, clients: Clients::All }),
        ["all", "denied"] if directive.is("Require") => Some(IpRule { allow: false, clients: Clients::All }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> IpRule {
        let (kind, clients) = text.split_once(' ').unwrap();
        IpRule { allow: kind == "allow", clients: clients.parse().unwrap() }
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        for rules in [
            &["deny 127.0.0.1", "allow all"][..],
            &["allow 127.0.0.0/8", "deny 127.0.0.1", "deny all"],
            &["allow 10.0.0.0/8", "deny 10.1.0.0/16", "allow ::1", "deny all"],
            &["deny all"],
            &["allow all"],
        ] {
            let rules: Vec<IpRule> = rules.iter().map(|text| rule(text)).collect();
            let written: Vec<u8> =
                write(&rules).unwrap().iter().flat_map(|directive| directive.write("", "  ")).collect();
            let document = apache::Document::parse(&written).unwrap();
            let directives: Vec<&Directive> = document.directives().iter().collect();
            let shown = String::from_utf8_lossy(&written);
            assert_eq!(read(&directives), Some(rules), "{shown}");
        }
    }

    #[test]
    fn rules_without_an_end_allow_the_others() {
        let written = write(&[rule("deny 127.0.0.1")]).unwrap();
        let text: Vec<u8> = written.iter().flat_map(|directive| directive.write("", "")).collect();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "<RequireAll>\nRequire not ip 127.0.0.1\nRequire all granted\n</RequireAll>\n"
        );
        assert!(write(&[rule("deny unix:")]).is_err());
    }
}
