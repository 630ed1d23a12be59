//! Search for the route of a request.

use std::collections::HashMap;
use std::sync::LazyLock;

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
    for route in ROUTES_BY_SHAPE.get(&shape(path)).into_iter().flatten() {
        let Some(parts) = matches(route.path, path) else { continue };
        if route.method == method || (route.method == "GET" && method == "HEAD") {
            return Found::Route(route, parts);
        }
        methods.push(route.method);
    }
    if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods.join(", ")) }
}

/// Routes with the same shape of the path, in the order of the table. No path begins with a variable part.
static ROUTES_BY_SHAPE: LazyLock<HashMap<Shape<'static>, Vec<&'static Route>>> = LazyLock::new(|| {
    let mut routes = HashMap::<_, Vec<_>>::new();
    for route in ROUTES.iter() {
        routes.entry(shape(route.path)).or_default().push(route);
    }
    routes
});

/// First part of a path, and the number of its parts.
type Shape<'p> = (&'p str, usize);

fn shape(path: &str) -> Shape<'_> {
    let first = path.strip_prefix('/').unwrap_or(path).split('/').next().unwrap_or_default();
    (first, path.bytes().filter(|byte| *byte == b'/').count())
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
    fn every_route_is_found() {
        for route in ROUTES.iter() {
            let path = format!("/api/v1{}", route.path.replace(['{', '}'], ""));
            let Found::Route(found, _) = find(route.method, &path) else { panic!("{route:?} is not found") };
            let is_before = ROUTES.iter().position(|other| std::ptr::eq(other, found));
            assert!(is_before <= ROUTES.iter().position(|other| std::ptr::eq(other, route)), "{route:?}");
        }
    }

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
