//! Templates with variables of nginx, as strings of Apache's expressions.

use crate::error::WebServerError;
use crate::value::Template;

/// Use of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Target of a redirection. Apache encodes its path and appends the query of the request.
    Redirect,
    /// Value of a header.
    Header,
}

impl Use {
    fn variables(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let path = match self {
            Self::Redirect => "%{REQUEST_URI}",
            Self::Header => "%{escape:%{REQUEST_URI}}",
        };
        std::iter::once(("request_uri", path)).chain(VARIABLES.iter().copied())
    }
}

/// Variables of nginx with those of Apache. Reading uses the first match.
const VARIABLES: &[(&str, &str)] = &[
    ("host", "%{SERVER_NAME}"),
    ("http_host", "%{HTTP_HOST}"),
    ("uri", "%{REQUEST_URI}"),
    ("document_uri", "%{REQUEST_URI}"),
    ("query_string", "%{QUERY_STRING}"),
    ("args", "%{QUERY_STRING}"),
    ("scheme", "%{REQUEST_SCHEME}"),
    ("remote_addr", "%{REMOTE_ADDR}"),
    ("request_method", "%{REQUEST_METHOD}"),
    ("server_name", "%{SERVER_NAME}"),
    ("server_addr", "%{SERVER_ADDR}"),
    ("server_port", "%{SERVER_PORT}"),
    ("https", "%{HTTPS}"),
    ("status", "%{REQUEST_STATUS}"),
];

/// Returns whether a template contains variables.
pub(super) fn has_variables(template: &Template) -> bool {
    template.as_str().contains('$')
}

/// Returns the string of Apache for a template.
pub(super) fn to_expression(template: &Template, purpose: Use) -> Result<String, WebServerError> {
    let mut result = String::new();
    let mut parts = template.as_str().split('$');
    let first = parts.next().unwrap_or_default();
    for (index, part) in std::iter::once(first).chain(parts).enumerate() {
        let mut literal = part;
        if index > 0 {
            let braced = part.strip_prefix('{').and_then(|part| part.split_once('}'));
            let end = part.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
            let (name, rest) = braced.unwrap_or_else(|| part.split_at(end.unwrap_or(part.len())));
            let found = purpose.variables().find(|(known, _)| *known == name);
            let (_, variable) = found.ok_or_else(|| {
                impossible(template, &format!("Apache has no counterpart of the variable ${name}"))
            })?;
            result.push_str(variable);
            literal = rest;
        }
        if literal.contains(['\\', '%']) {
            return Err(impossible(template, "backslashes and percent signs have a meaning in it"));
        }
        result.push_str(literal);
    }
    Ok(result)
}

/// Returns the format of a header for a text without variables: backslashes and percent signs are doubled, because
/// `\n` would be a line break and `%t` the time.
pub(super) fn to_format(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "%%")
}

/// Returns the text of a format, or `None` if it contains more than text.
pub(super) fn from_format(format: &str) -> Option<Template> {
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        text.push(character);
        let is_special = matches!(character, '\\' | '%');
        if is_special && characters.next() != Some(character) {
            return None;
        }
    }
    Template::parse(&text).ok().filter(|_| !text.contains('$'))
}

fn impossible(template: &Template, reason: &str) -> WebServerError {
    WebServerError::impossible(format!("write {:?} as a string of Apache", template.as_str()), reason)
}

/// Returns the template of a string of Apache, or `None` if it contains other variables.
pub(super) fn from_expression(text: &str, purpose: Use) -> Option<Template> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['%', '\\', '$']) {
        result.push_str(rest.get(..at)?);
        let variable = rest.get(at..)?;
        let (name, expression) =
            purpose.variables().find(|(_, expression)| variable.starts_with(expression))?;
        rest = variable.get(expression.len()..)?;
        let needs_braces = rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
        let written = if needs_braces { format!("${{{name}}}") } else { format!("${name}") };
        result.push_str(&written);
    }
    result.push_str(rest);
    Template::parse(&result).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_as_they_are_written() {
        for purpose in [Use::Redirect, Use::Header] {
            for text in [
                "https://$host$request_uri",
                "${host}x",
                "plain",
                "/a/$server_port/",
                "$scheme?$query_string",
            ] {
                let template = Template::parse(text).unwrap();
                let written = to_expression(&template, purpose).unwrap();
                assert_eq!(from_expression(&written, purpose), Some(template), "{text}");
            }
            for text in ["$request_id", "a\\b", "100%", "%{HTTP_COOKIE}$host"] {
                assert!(to_expression(&Template::parse(text).unwrap(), purpose).is_err(), "{text}");
            }
            assert_eq!(from_expression("%{HTTP_COOKIE}", purpose), None);
        }
    }

    #[test]
    fn formats_are_read_as_they_are_written() {
        for text in ["plain", "100% \\n %t \\", "\\\\"] {
            assert_eq!(from_format(&to_format(text)), Template::parse(text).ok(), "{text}");
        }
        assert_eq!((from_format("a\\nb"), from_format("%t"), from_format("$host")), (None, None, None));
    }
}
