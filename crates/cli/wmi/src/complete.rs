//! Completion of names, in the shell of `telarch wmi` and in those of the system.

use cim::{Namespace, Schema};

use super::arguments::Target;
use cli_command::Failure;

/// Lists class names, one per line, for shell completion.
pub(super) fn class_names(target: &Target) -> Result<String, Failure> {
    let schema = Schema::of(Namespace::clone(&target.namespace));
    let mut names: Vec<&str> = schema.names().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    Ok(names.iter().map(|name| format!("{name}\n")).collect())
}

/// Keywords of WQL.
const WORDS: [&str; 16] = [
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "LIKE",
    "ISA",
    "IS",
    "NULL",
    "TRUE",
    "FALSE",
    "ASSOCIATORS OF {",
    "REFERENCES OF {",
    "ResultClass",
    "AssocClass",
];

/// Returns the candidates for the last word of a line, and the position at which that word begins.
pub(super) fn candidates(schema: &Schema, line: &str) -> (usize, Vec<String>) {
    let start = line.trim_end_matches(is_name_character).len();
    let typed = line.get(start..).unwrap_or_default();
    let before = line.get(..start).unwrap_or_default();
    let last = before.split_whitespace().next_back().unwrap_or_default().to_ascii_lowercase();
    let wants_class = ["from", "describe", "isa", "resultclass", "assocclass"].contains(&last.as_str())
        || last.ends_with('{')
        || before.trim_end().to_ascii_lowercase().ends_with("resultclass =");
    let mut found: Vec<String> = if wants_class || before.trim().is_empty() && typed.contains('_') {
        schema.names().map(|(name, _)| name.to_string()).filter(|name| has_prefix(name, typed)).collect()
    } else {
        let words =
            WORDS.iter().map(ToString::to_string).filter(|word| !typed.is_empty() && has_prefix(word, typed));
        properties(schema, line, typed).into_iter().chain(words).collect()
    };
    found.sort();
    (start, found)
}

/// Returns the properties of the class in a query that begin with the typed text.
pub(super) fn properties(schema: &Schema, line: &str, typed: &str) -> Vec<String> {
    let class = class_of(line).and_then(|name| schema.class(name));
    let names = class.iter().flat_map(|class| class.properties()).map(|own| own.name.to_string());
    names.filter(|name| has_prefix(name, typed)).collect()
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix))
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '\\')
}

/// Returns the class after FROM.
fn class_of(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("from"))?;
    words.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        candidates(&Schema::of(Namespace::cimv2()), line).1
    }

    #[test]
    fn classes_follow_from_and_properties_follow_where() {
        assert!(found("SELECT * FROM win32_proc").contains(&"Win32_Process".to_owned()));
        assert!(found("describe Win32_Serv").contains(&"Win32_Service".to_owned()));
        assert_eq!(
            found("SELECT * FROM Win32_Process WHERE Creation"),
            ["CreationClassName", "CreationDate"]
        );
        assert!(found("SELECT * FROM Win32_Process WHERE ").contains(&"Handle".to_owned()));
        assert_eq!(found("SEL"), ["SELECT"]);
        assert_eq!(candidates(&Schema::of(Namespace::cimv2()), "SELECT * FROM Win").0, 14);
    }
}
