//! IP restrictions and Basic authentication.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::handlers::has_only;
use crate::error::WebServerError;
use crate::feature::{BasicAuthentication, BasicUser, Clients, IpRestrictions, IpRule};
use crate::value::{PlainText, UserName};

/// Realm of Caddy if none is set.
const DEFAULT_REALM: &str = "restricted";

fn denial() -> Value {
    json!([{ "handler": "error", "status_code": 403 }])
}

/// Returns the routes of rules, the first of which decides.
pub(super) fn rule_routes(restrictions: &IpRestrictions) -> Result<Vec<Value>, WebServerError> {
    let routes = restrictions.rules.iter().map(|rule| {
        let mut route = match &rule.clients {
            Clients::All => json!({}),
            Clients::Network { .. } => {
                json!({ "match": [{ "remote_ip": { "ranges": [rule.clients.to_string()] } }] })
            }
            Clients::Unix => {
                let reason = "Caddy has no rule for clients of sockets in the file system; name addresses";
                return Err(WebServerError::impossible("restrict the clients unix:", reason));
            }
        };
        if let (false, Some(members)) = (rule.allow, route.as_object_mut()) {
            members.insert("handle".to_owned(), denial());
        }
        Ok(route)
    });
    routes.collect()
}

pub(super) fn read_rules(handler: &Value) -> Option<IpRestrictions> {
    let mut rules = Vec::new();
    for route in handler.get("routes")?.as_array()? {
        let clients = match route.get("match") {
            None => Clients::All,
            Some(condition) => {
                let ranges = condition.pointer("/0/remote_ip/ranges")?;
                let [range] = ranges.as_array()?.as_slice() else { return None };
                let is_plain = *condition == json!([{ "remote_ip": { "ranges": [range] } }]);
                range.as_str()?.parse().ok().filter(|_| is_plain)?
            }
        };
        let allow = match route.get("handle") {
            None => true,
            Some(handle) if *handle == denial() => false,
            Some(_) => return None,
        };
        if !has_only(route, &["group", "match", "handle"]) {
            return None;
        }
        rules.push(IpRule { allow, clients });
    }
    Some(IpRestrictions { rules })
}

pub(super) fn read_authentication(handler: &Value) -> Option<BasicAuthentication> {
    let basic = handler.pointer("/providers/http_basic")?;
    let is_plain = has_only(handler, &["handler", "providers"])
        && has_only(handler.get("providers")?, &["http_basic"])
        && has_only(basic, &["accounts", "hash", "hash_cache", "realm"]);
    if !is_plain {
        return None;
    }
    let realm = basic.get("realm").map_or(Some(DEFAULT_REALM), Value::as_str)?;
    let mut users = Vec::new();
    for account in basic.get("accounts").and_then(Value::as_array).into_iter().flatten() {
        let name = UserName::parse(account.get("username")?.as_str()?).ok()?;
        users.push(BasicUser { name, hash: None });
    }
    Some(BasicAuthentication {
        realm: Some(PlainText::parse(realm).ok()?),
        user_file: None,
        users: Some(users),
    })
}

fn refused<T>(reason: &str) -> Result<T, WebServerError> {
    Err(WebServerError::impossible("set Basic authentication", reason))
}

/// Returns the handler for a value; `None` if authentication is switched off. Users without a hash keep the one in
/// `before`.
pub(super) fn authentication(
    value: &BasicAuthentication,
    before: Option<&Value>,
) -> Result<Option<Value>, WebServerError> {
    if value.user_file.is_some() {
        return refused("Caddy has no files with users; set the users themselves");
    }
    let Some(realm) = &value.realm else { return Ok(None) };
    if realm.as_str().contains(['"', '\\']) {
        return refused(
            "Caddy writes the realm without escaping quotes and backslashes, so it cannot contain them",
        );
    }
    let old = before.and_then(|handler| handler.pointer("/providers/http_basic/accounts"));
    let old = old.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let accounts = match &value.users {
        None => old.to_vec(),
        Some(users) => users.iter().map(|user| account(user, old)).collect::<Result<_, _>>()?,
    };
    if accounts.is_empty() {
        return refused("Caddy needs at least one user; name one");
    }
    let basic = json!({ "accounts": accounts, "hash": { "algorithm": "bcrypt" }, "hash_cache": {},
        "realm": realm });
    Ok(Some(json!({ "handler": "authentication", "providers": { "http_basic": basic } })))
}

fn account(user: &BasicUser, old: &[Value]) -> Result<Value, WebServerError> {
    let name = user.name.as_str();
    if name.contains(['{', '}']) {
        let reason = "it contains a brace, which begins a placeholder of Caddy";
        return Err(WebServerError::impossible(format!("add the user {name:?}"), reason));
    }
    if let Some(hash) = &user.hash {
        // Caddy 2.6 expects the text of the hash in Base64.
        return Ok(json!({ "username": name, "password": STANDARD.encode(hash.as_str()) }));
    }
    let known = old.iter().find(|account| account.get("username").and_then(Value::as_str) == Some(name));
    known.cloned().ok_or_else(|| {
        let reason = "it is new and has no password hash; create one with caddy hash-password";
        WebServerError::impossible(format!("add the user {name:?}"), reason)
    })
}
