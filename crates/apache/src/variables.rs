//! Variables: the file `envvars` of Debian, and `${NAME}` in words.

use std::collections::BTreeMap;

/// Maximum number of variables.
const MAX_VARIABLES: usize = 1_000;
/// Maximum length of a value in bytes.
const MAX_VALUE: usize = 4_096;

/// Returns the variables that a shell script such as `/etc/apache2/envvars` of Debian sets. Only assignments with literal
/// text and earlier variables are evaluated, in their order and without regard to conditions; other lines are ignored.
#[must_use]
pub fn environment_variables(script: &[u8]) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let script = String::from_utf8_lossy(script);
    for line in script.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, value)) = line.split_once('=') else { continue };
        if !is_name(name) || variables.len() >= MAX_VARIABLES {
            continue;
        }
        if let Some(value) = shell_value(value, &variables) {
            variables.insert(name.to_owned(), value);
        }
    }
    variables
}

fn is_name(name: &str) -> bool {
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word && !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Evaluates the right side of an assignment. Returns `None` if it needs a shell.
fn shell_value(text: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let mut value = String::new();
    let mut quote = None;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = rest.get(character.len_utf8()..)?;
        match character {
            '\'' | '"' if quote.is_none() => quote = Some(character),
            _ if quote == Some(character) => quote = None,
            '$' if quote != Some('\'') => {
                let (name, after) = match rest.strip_prefix('{') {
                    Some(braced) => braced.split_once('}')?,
                    None => {
                        let end = rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_');
                        rest.split_at(end.unwrap_or(rest.len()))
                    }
                };
                if !is_name(name) {
                    return None;
                }
                value.push_str(variables.get(name).map_or("", String::as_str));
                rest = after;
            }
            '`' | '\\' => return None,
            ' ' | '\t' | ';' | '#' if quote.is_none() => break,
            '(' | ')' | '&' | '|' | '<' | '>' if quote.is_none() => return None,
            _ => value.push(character),
        }
        if value.len() > MAX_VALUE {
            return None;
        }
    }
    quote.is_none().then_some(value)
}

/// Replaces `${NAME}` by the value of the variable, once. Unknown variables stay as they are, as in Apache.
pub(crate) fn replace<'v>(text: &str, lookup: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        result.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            result.push_str("${");
            rest = after;
            continue;
        };
        match lookup(name) {
            Some(value) => result.push_str(value),
            None => result.push_str(&format!("${{{name}}}")),
        }
        rest = behind;
        if result.len() > MAX_VALUE {
            break;
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_debian_are_read() {
        let script = b"unset HOME\nif [ \"${APACHE_CONFDIR##/etc/apache2-}\" != \"${APACHE_CONFDIR}\" ] ; then\n\
            \tSUFFIX=\"-${APACHE_CONFDIR##/etc/apache2-}\"\nelse\n\tSUFFIX=\nfi\nexport APACHE_RUN_USER=www-data # user\n\
            export APACHE_PID_FILE=/var/run/apache2$SUFFIX/apache2.pid\nexport LANG=C\nexport LANG\nX=`id`\nY='a $X'\n";
        let variables = environment_variables(script);
        assert_eq!(variables.get("APACHE_PID_FILE").unwrap(), "/var/run/apache2/apache2.pid");
        assert_eq!(variables.get("APACHE_RUN_USER").unwrap(), "www-data");
        assert_eq!((variables.get("X"), variables.get("Y").unwrap().as_str()), (None, "a $X"));
    }

    #[test]
    fn variables_are_replaced_once() {
        let lookup = |name: &str| match name {
            "a" => Some("${b}"),
            "b" => Some("c"),
            _ => None,
        };
        for (text, expected) in [
            ("x${a}y${b}", "x${b}yc"),
            ("${z}${b}", "${z}c"),
            ("${b", "${b"),
            ("$b", "$b"),
            ("${${b}", "${${b}"),
        ] {
            assert_eq!(replace(text, lookup), expected, "{text}");
        }
    }
}
