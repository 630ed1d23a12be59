//! Search for the route of a request.

use crate::call::decode;
use crate::routes::{ROUTES, Route};

/// Result of the search for a route.
pub(crate) enum Found {
    /// The route, and the decoded parts of the path.
    Route(&'static Route, Vec<(&'static str, String)>),
    /// The path exists with these methods.
    OtherMethods(String),
    /// The path does not exist.
    Nothing,
}

/// Finds the route of a request.
pub(crate) fn find(method: &str, path: &str) -> Found {
    let Some(path) = path.strip_prefix("/api/v1") else { return Found::Nothing };
    let mut methods = Vec::new();
    for route in ROUTES.iter() {
        let Some(parts) = matches(route.path, path) else { continue };
        if route.method == method || (route.method == "GET" && method == "HEAD") {
            return Found::Route(route, parts);
        }
        methods.push(route.method);
    }
    if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods.join(", ")) }
}

/// Returns the decoded parts of a path; `None` if it does not have the form of the pattern.
fn matches(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    let (mut expected, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(part), Some(text)) => {
                match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                    Some(name) if !text.is_empty() && text.len() <= 1_024 => {
                        found.push((name, decode(text)?));
                    }
                    _ if part == text => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_part_by_part() {
        let Found::Route(route, parts) = find("GET", "/api/v1/web/sites/a%20b") else { panic!("no route") };
        assert_eq!((route.path, parts), ("/web/sites/{site}", vec![("site", "a b".to_owned())]));
        assert!(matches!(find("GET", "/api/v1/web/sites/"), Found::Nothing));
        assert!(matches!(find("GET", "/api/v1/web/sites/a/../b"), Found::Nothing));
        assert!(matches!(find("GET", "/api/v2/web/sites"), Found::Nothing));
        let Found::OtherMethods(methods) = find("PUT", "/api/v1/session") else { panic!("a route") };
        assert_eq!(methods, "POST, GET, DELETE");
    }
}
