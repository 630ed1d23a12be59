//! Pools: upstreams of reverse proxies under a common name.
//!
//! Caddy has no named pools. The servers of a pool are in a route of a server without addresses, which Caddy loads and
//! never uses; the locations with the pool contain copies, marked by the name of their group.

use serde_json::{Value, json};

use super::configuration::{members_mut, position_of};
use super::groups::{pool_group, pool_of};
use super::sites::{POOLS, SERVERS, address, address_text, items};
use crate::error::WebServerError;
use crate::listen::{ListenAddress, ListenHost};
use crate::model::{Pool, PoolMember};
use crate::value::PoolName;

fn routes() -> String {
    format!("{SERVERS}/{POOLS}/routes")
}

fn find(root: &Value, pool: &PoolName) -> Option<usize> {
    let id = pool_group(pool);
    items(root, &routes()).iter().position(|route| route.get("@id").and_then(Value::as_str) == Some(&id))
}

/// Returns all pools.
pub(super) fn pools(root: &Value) -> Vec<Pool> {
    let pools = items(root, &routes()).iter().enumerate().filter_map(|(index, route)| {
        let name = pool_of(route.get("@id")?)?;
        let position = position_of(root, &format!("{}/{index}", routes()));
        let (mut members, mut unsupported) = (Vec::new(), Vec::new());
        // The servers that receive no requests are in a second handler.
        for (handler, down) in items(route, "/handle").iter().zip([false, true]) {
            for dial in
                items(handler, "/upstreams").iter().filter_map(|upstream| upstream.get("dial")?.as_str())
            {
                match address(dial) {
                    Some(address) => members.push(PoolMember { address, weight: None, backup: false, down }),
                    None => unsupported.push(dial.to_owned()),
                }
            }
        }
        Some(Pool { name, position, members, unsupported, unit: None })
    });
    pools.collect()
}

fn refused<T>(pool: &PoolName, reason: &str) -> Result<T, WebServerError> {
    Err(WebServerError::impossible(format!("set the pool {pool}"), reason))
}

/// Creates a pool, or replaces the servers of a pool and of its locations.
pub(super) fn put(root: &mut Value, pool: &PoolName, members: &[PoolMember]) -> Result<(), WebServerError> {
    if members.is_empty() {
        return refused(pool, "a pool needs at least one server");
    }
    if members.iter().any(|member| member.weight.is_some() || member.backup) {
        return refused(pool, "Caddy has neither weights nor backup servers");
    }
    let [active, down] = [false, true].map(|down| upstreams(members, down));
    let mut handle = vec![proxy(&active)];
    handle.extend((down != json!([])).then(|| proxy(&down)));
    let route = json!({ "@id": pool_group(pool), "handle": handle });
    let index = find(root, pool);
    let server = members_mut(root, &["apps", "http", "servers", POOLS])?;
    server.entry("listen").or_insert_with(|| json!([]));
    server.entry("automatic_https").or_insert_with(|| json!({ "disable": true }));
    let routes = server.entry("routes").or_insert_with(|| json!([])).as_array_mut();
    if let Some(routes) = routes {
        match index.and_then(|index| routes.get_mut(index)) {
            Some(known) => *known = route,
            None => routes.push(route),
        }
    }
    set_upstreams(root, &pool_group(pool), &active);
    Ok(())
}

/// Deletes a pool that no location uses.
pub(super) fn delete(root: &mut Value, pool: &PoolName) -> Result<(), WebServerError> {
    let index = find(root, pool).ok_or_else(|| WebServerError::not_found("pool", pool))?;
    if is_used(root, &pool_group(pool)) {
        let reason = "a location uses it; delete the location first";
        return Err(WebServerError::impossible(format!("delete the pool {pool}"), reason));
    }
    let pointer = routes();
    if let Some(routes) = root.pointer_mut(&pointer).and_then(Value::as_array_mut)
        && index < routes.len()
    {
        routes.remove(index);
        if routes.is_empty() {
            members_mut(root, &["apps", "http", "servers"])?.remove(POOLS);
        }
    }
    Ok(())
}

/// Returns a handler that passes requests to a pool.
pub(super) fn handler(root: &Value, pool: &PoolName) -> Result<Value, WebServerError> {
    let index = find(root, pool).ok_or_else(|| WebServerError::not_found("pool", pool))?;
    let found = root.pointer(&format!("{}/{index}/handle/0", routes()));
    found.cloned().ok_or_else(|| WebServerError::not_found("pool", pool))
}

fn proxy(upstreams: &Value) -> Value {
    // A server that does not answer is skipped for ten seconds, as by nginx.
    json!({ "handler": "reverse_proxy", "upstreams": upstreams,
        "load_balancing": { "selection_policy": { "policy": "round_robin" }, "try_duration": "5s" },
        "health_checks": { "passive": { "fail_duration": "10s" } } })
}

fn upstreams(members: &[PoolMember], down: bool) -> Value {
    let chosen = members.iter().filter(|member| member.down == down);
    chosen.map(|member| json!({ "dial": dial(&member.address) })).collect()
}

fn dial(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp { host: ListenHost::Any, port } => format!("127.0.0.1:{port}"),
        address => address_text(address),
    }
}

/// Sets the upstreams of all routes in a group.
fn set_upstreams(value: &mut Value, group: &str, upstreams: &Value) {
    if value.get("group").and_then(Value::as_str) == Some(group) {
        for handler in value.get_mut("handle").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(known) = handler.get_mut("upstreams") {
                *known = upstreams.clone();
            }
        }
    }
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(|inner| set_upstreams(inner, group, upstreams));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| set_upstreams(inner, group, upstreams)),
        _ => {}
    }
}

fn is_used(value: &Value, group: &str) -> bool {
    value.get("group").and_then(Value::as_str) == Some(group)
        || match value {
            Value::Object(members) => members.values().any(|inner| is_used(inner, group)),
            Value::Array(items) => items.iter().any(|inner| is_used(inner, group)),
            _ => false,
        }
}
