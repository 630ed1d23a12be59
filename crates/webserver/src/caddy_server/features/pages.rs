//! Error pages and media types.

use serde_json::{Value, json};

use super::handlers::{ensure_subroute, has_only, subroute};
use crate::caddy_server::groups::{exclusive, group_feature};
use crate::caddy_server::sites::Routes;
use crate::error::WebServerError;
use crate::feature::{ErrorPage, ErrorPages, Feature, MimeType, MimeTypes, StatusCode};
use crate::value::{Extension, MediaType, UrlPath};

/// Returns the pointer of the routes for errors of a site or location.
pub(super) fn error_routes(root: &Value, routes: &Routes) -> Option<String> {
    let pointer = subroute(root, routes).map(|pointer| format!("{pointer}/errors"))?;
    root.pointer(&pointer).is_some().then_some(pointer)
}

/// Reads error pages.
pub(super) fn read_pages(errors: &Value) -> Option<ErrorPages> {
    let [route] = errors.get("routes")?.as_array()?.as_slice() else { return None };
    let [handler] = route.get("handle")?.as_array()?.as_slice() else { return None };
    let is_plain = group_feature(handler) == Some(Feature::ErrorPages)
        && has_only(errors, &["routes"])
        && has_only(route, &["handle"]);
    let routes = handler.get("routes")?.as_array().filter(|_| is_plain)?;
    Some(ErrorPages { pages: routes.iter().map(read_page).collect::<Option<_>>()? })
}

fn read_page(route: &Value) -> Option<ErrorPage> {
    let expression = route.pointer("/match/0/expression")?.as_str()?;
    let codes = expression.strip_prefix("{http.error.status_code} in [")?.strip_suffix(']')?;
    let codes = codes.split(", ").map(|code| code.parse::<u16>().ok()?.try_into().ok());
    let [rewrite, server] = route.get("handle")?.as_array()?.as_slice() else { return None };
    let response = match server.get("status_code") {
        Some(code) => Some(code.as_str()?.parse::<u16>().ok()?.try_into().ok()?),
        None => None,
    };
    let page = UrlPath::parse(rewrite.get("uri")?.as_str()?).ok()?;
    Some(ErrorPage { codes: codes.collect::<Option<_>>()?, response, page })
}

/// Sets error pages, which are in a folder of files.
pub(super) fn set_pages(
    root: &mut Value,
    routes: &Routes,
    value: &ErrorPages,
    folder: Option<&str>,
) -> Result<(), WebServerError> {
    let folder = folder.ok_or_else(|| {
        WebServerError::impossible("set error pages", "the site has no folder with files; set its root first")
    })?;
    let pages = value.pages.iter().map(|page| page_route(page, folder)).collect::<Result<Vec<_>, _>>()?;
    let pointer = ensure_subroute(root, routes)?;
    let handler = exclusive(root, Feature::ErrorPages, pages);
    if let Some(members) = root.pointer_mut(&pointer).and_then(Value::as_object_mut) {
        members.insert("errors".to_owned(), json!({ "routes": [{ "handle": [handler] }] }));
    }
    Ok(())
}

fn page_route(page: &ErrorPage, folder: &str) -> Result<Value, WebServerError> {
    let path = page.page.as_str();
    if path.contains(['{', '}', '%', '\\']) {
        let reason = "Caddy would evaluate { } % and \\ in it; use another name";
        return Err(WebServerError::impossible(format!("set the error page {path:?}"), reason));
    }
    let codes: Vec<String> = page.codes.iter().map(|code| u16::from(*code).to_string()).collect();
    let mut server = json!({ "handler": "file_server", "root": folder });
    if let (Some(code), Some(members)) = (page.response, server.as_object_mut()) {
        members.insert("status_code".to_owned(), json!(code_text(code)));
    }
    Ok(json!({ "match": [{ "expression": format!("{{http.error.status_code}} in [{}]", codes.join(", ")) }],
        "handle": [{ "handler": "rewrite", "uri": path }, server] }))
}

fn code_text(code: StatusCode) -> String {
    u16::from(code).to_string()
}

/// Removes error pages.
pub(super) fn remove_pages(root: &mut Value, routes: &Routes) {
    let members = subroute(root, routes).and_then(|pointer| root.pointer_mut(&pointer)?.as_object_mut());
    if let Some(members) = members {
        members.remove("errors");
    }
}

/// Sets the folder of error pages after that of the site changed.
pub(in crate::caddy_server) fn set_folder(root: &mut Value, routes: &Routes, folder: &str) {
    let errors = error_routes(root, routes);
    let errors =
        errors.and_then(|pointer| root.pointer_mut(&pointer)).filter(|errors| read_pages(errors).is_some());
    let pages = errors.and_then(|errors| errors.pointer_mut("/routes/0/handle/0/routes")?.as_array_mut());
    for page in pages.into_iter().flatten() {
        if let Some(server) = page.pointer_mut("/handle/1").and_then(Value::as_object_mut) {
            server.insert("root".to_owned(), json!(folder));
        }
    }
}

/// Returns the routes of media types.
pub(super) fn type_routes(types: &[MimeType]) -> Vec<Value> {
    let routes = types.iter().map(|kind| {
        let paths: Vec<String> = kind.extensions.iter().map(|extension| format!("*.{extension}")).collect();
        let response =
            json!({ "set": { "Content-Type": [kind.media_type] }, "require": { "status_code": [2] } });
        json!({ "match": [{ "path": paths }], "handle": [{ "handler": "headers", "response": response }] })
    });
    routes.collect()
}

pub(super) fn read_types(handler: &Value) -> Option<MimeTypes> {
    let mut types = Vec::new();
    for route in handler.get("routes")?.as_array()? {
        let paths = route.pointer("/match/0/path")?.as_array()?.iter();
        let extensions = paths
            .map(|path| Extension::parse(path.as_str()?.strip_prefix("*.")?).ok())
            .collect::<Option<_>>()?;
        let media_type = route.pointer("/handle/0/response/set/Content-Type/0")?.as_str()?;
        types.push(MimeType { media_type: MediaType::parse(media_type).ok()?, extensions });
    }
    let mut written = type_routes(&types);
    let group = handler.pointer("/routes/0/group")?;
    written.iter_mut().filter_map(Value::as_object_mut).for_each(|route| {
        route.insert("group".to_owned(), group.clone());
    });
    // Other conditions have no type.
    (handler.get("routes") == Some(&json!(written)))
        .then_some(MimeTypes { types: Some(types), default: None })
}
