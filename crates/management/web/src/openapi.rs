//! The OpenAPI description, made from the table of routes and the schemas.

use serde_json::{Map, Value, json};

use crate::access::Requirement;
use crate::route::{BYTES, Route};
use crate::routes::ROUTES;

/// Returns the description (OpenAPI 3.1).
#[must_use]
pub fn description() -> Value {
    let mut paths = Map::new();
    for route in ROUTES.iter() {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Telarch Web Management Service",
            "version": "1",
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/api/v1" }],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": crate::access::COOKIE },
                "key": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let (status, schema) = route.response;
    let mut success = json!({ "description": "Success" });
    let schema = schema.map(reference);
    if !matches!(status, 101 | 204)
        && let Some(success) = success.as_object_mut()
    {
        let schema = schema.unwrap_or_else(|| json!({ "type": "object" }));
        success.insert("content".to_owned(), json!({ "application/json": { "schema": schema } }));
    }
    let problem = json!({
        "description": "Failure",
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    });
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": rights(route.requirement),
        "parameters": parameters(route),
        "responses": { status.to_string(): success, "default": problem },
        "security": security(route.requirement),
    });
    if let (Some(schema), Some(operation)) = (route.request, operation.as_object_mut()) {
        let content = match schema {
            BYTES => json!({ BYTES: {} }),
            _ => json!({ "application/json": { "schema": reference(schema) } }),
        };
        operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let words = route.path.split(['/', '{', '}', '.', '-']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    format!("{}-{}", route.method.to_lowercase(), words.join("-"))
}

fn parameters(route: &Route) -> Vec<Value> {
    let parts = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut list: Vec<Value> = parts
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    for name in route.query {
        let kind = match *name {
            "dry_run" | "follow" => "boolean",
            "before" | "limit" | "since" | "lines" | "offset" => "integer",
            _ => "string",
        };
        list.push(json!({ "name": name, "in": "query", "schema": { "type": kind } }));
    }
    if route.needs_revision {
        list.push(
            json!({ "name": "If-Match", "in": "header", "required": true, "schema": { "type": "string" } }),
        );
    }
    list
}

fn rights(requirement: Requirement) -> String {
    match requirement {
        Requirement::Public => "Needs no sign-in.".to_owned(),
        Requirement::SignedIn => "Needs a sign-in.".to_owned(),
        Requirement::SiteOr(role) => format!("Needs permission on the site, or the role {role}."),
        Requirement::Role(role) => format!("Needs the role {role}."),
        Requirement::Session => "Needs a session.".to_owned(),
        Requirement::Terminal => {
            "Needs the permission for terminals, which no role includes, and a session whose \
                                  password was entered in the last five minutes."
                .to_owned()
        }
        Requirement::Elevated(role) => {
            format!(
                "Needs the role {role}, and a session whose password was entered in the last five minutes."
            )
        }
    }
}

fn security(requirement: Requirement) -> Value {
    match requirement {
        Requirement::Public => json!([]),
        Requirement::Elevated(_) | Requirement::Session | Requirement::Terminal => {
            json!([{ "session": [] }])
        }
        _ => json!([{ "session": [] }, { "key": [] }]),
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// Returns the schemas. The file is checked by a test.
fn schemas() -> Value {
    serde_json::from_str(SCHEMAS).unwrap_or_default()
}

const SCHEMAS: &str = include_str!("schemas.json");
const DESCRIPTION: &str = "Administers the machine's web server, reads the machine, and administers the management \
                           service itself. A browser signs in \
                           with POST /session and sends X-CSRF-Token with every change; a program sends an API key. \
                           Errors are described as in RFC 9457. A change of the configuration needs If-Match with \
                           the ETag of the last read; with dry_run=true it returns the differences and the \
                           validator's verdict, and changes nothing.";
