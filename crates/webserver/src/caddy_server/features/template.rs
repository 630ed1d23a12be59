//! Templates as values with placeholders of Caddy.

use crate::error::WebServerError;
use crate::value::Template;

/// Variables with their placeholders.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("host", "http.request.host"),
    ("http_host", "http.request.hostport"),
    ("request_uri", "http.request.uri"),
    ("document_uri", "http.request.uri.path"),
    ("args", "http.request.uri.query"),
    ("query_string", "http.request.uri.query"),
    ("scheme", "http.request.scheme"),
    ("request_method", "http.request.method"),
    ("remote_addr", "http.request.remote.host"),
];

/// Returns a template as a value of Caddy. Literal braces are escaped, because Caddy would read environment variables and
/// files through them.
pub(super) fn to_caddy(template: &Template) -> Result<String, WebServerError> {
    let text = template.as_str();
    // Without an opening brace, Caddy keeps the value as it is, and with one, it removes the backslashes.
    if !text.contains(['$', '{']) {
        return Ok(text.to_owned());
    }
    let mut written = String::new();
    let mut rest = text;
    while let Some(position) = rest.find(['$', '{', '}']) {
        let (before, after) = rest.split_at(position);
        written.push_str(before);
        let Some(after) = after.strip_prefix('$') else {
            let mut characters = after.chars();
            written.push('\\');
            written.extend(characters.next());
            rest = characters.as_str();
            continue;
        };
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let (name, next) = braced.unwrap_or_else(|| {
            let end = after.find(|found: char| !found.is_ascii_alphanumeric() && found != '_');
            after.split_at(end.unwrap_or(after.len()))
        });
        let found = PLACEHOLDERS.iter().find(|(variable, _)| *variable == name);
        let (_, placeholder) = found.ok_or_else(|| {
            let known: Vec<&str> = PLACEHOLDERS.iter().map(|(variable, _)| *variable).collect();
            WebServerError::impossible(
                format!("write the variable ${name}"),
                format!("Caddy has no placeholder for it; use one of {}", known.join(", ")),
            )
        })?;
        // A backslash before the placeholder would escape its brace.
        if written.ends_with('\\') {
            let reason = "Caddy has no escape for a backslash before a variable";
            return Err(WebServerError::impossible(format!("write {text:?}"), reason));
        }
        written.push_str(&format!("{{{placeholder}}}"));
        rest = next;
    }
    written.push_str(rest);
    Ok(written)
}

/// Returns a value of Caddy as a template, if it has only placeholders of variables.
pub(super) fn from_caddy(text: &str) -> Option<Template> {
    if !text.contains('{') {
        return Template::parse(text).ok();
    }
    let mut template = String::new();
    let mut rest = text;
    while let Some(position) = rest.find(['{', '\\']) {
        let (before, after) = rest.split_at(position);
        template.push_str(before);
        if let Some(after) = after.strip_prefix('\\') {
            // Only a backslash before a brace is an escape.
            let brace = after.chars().next().filter(|next| matches!(next, '{' | '}'));
            template.push(brace.unwrap_or('\\'));
            rest = after.get(brace.map_or(0, char::len_utf8)..).unwrap_or_default();
            continue;
        }
        let (name, next) = after.strip_prefix('{')?.split_once('}')?;
        let (variable, _) = PLACEHOLDERS.iter().find(|(_, placeholder)| *placeholder == name)?;
        let continues = next.starts_with(|found: char| found.is_ascii_alphanumeric() || found == '_');
        template.push_str(&if continues { format!("${{{variable}}}") } else { format!("${variable}") });
        rest = next;
    }
    template.push_str(rest);
    Template::parse(&template).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_as_they_are_written() {
        for (text, written) in [
            ("https://$host$request_uri", "https://{http.request.host}{http.request.uri}"),
            ("${host}x", "{http.request.host}x"),
            ("a } b", "a } b"),
            ("a {env.SECRET} \\", "a \\{env.SECRET\\} \\"),
            (r"\{x} $host", r"\\{x\} {http.request.host}"),
        ] {
            let template = Template::parse(text).unwrap();
            let caddy = to_caddy(&template).unwrap();
            assert_eq!(caddy, written);
            assert_eq!(from_caddy(&caddy).as_ref().map(Template::as_str), Some(text), "{caddy}");
        }
        assert!(to_caddy(&Template::parse("$request_id").unwrap()).is_err());
        assert!(to_caddy(&Template::parse(r"\$host").unwrap()).is_err());
        assert!(from_caddy("{env.SECRET}").is_none());
    }
}
