//! Groups of routes, which mark the routes that this crate writes.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use serde_json::{Value, json};

use crate::feature::Feature;
use crate::value::PoolName;

/// Returns the name of a handler.
pub(super) fn kind(handler: &Value) -> &str {
    handler.get("handler").and_then(Value::as_str).unwrap_or_default()
}

/// Beginning of the names of the groups of pools.
const POOL: &str = "telarch-pool-";

/// Returns the name of the group of the routes that use a pool.
pub(super) fn pool_group(pool: &PoolName) -> String {
    format!("{POOL}{pool}")
}

/// Returns the pool with the name of a group.
pub(super) fn pool_of(group: &Value) -> Option<PoolName> {
    PoolName::parse(group.as_str()?.strip_prefix(POOL)?).ok()
}

/// Beginning of the names of groups: `telarch-FEATURE-NUMBER`.
const GROUP: &str = "telarch-";

/// Returns a handler with routes of which only the first one that matches is used.
pub(super) fn exclusive(root: &Value, feature: Feature, mut routes: Vec<Value>) -> Value {
    // Caddy remembers the groups of a request, so that a site and its locations need different ones.
    let text = root.to_string();
    let used: BTreeSet<&str> = text.split('"').collect();
    let mut numbers = 1_u32..;
    let group = numbers.find_map(|number| {
        let group = format!("{GROUP}{feature}-{number}");
        (!used.contains(group.as_str())).then_some(group)
    });
    for route in routes.iter_mut().filter_map(Value::as_object_mut) {
        route.insert("group".to_owned(), json!(group));
    }
    json!({ "handler": "subroute", "routes": routes })
}

/// Returns the feature whose routes [`exclusive`] wrote. All of them are one setting.
pub(super) fn group_feature(handler: &Value) -> Option<Feature> {
    let routes = handler.get("routes")?.as_array().filter(|_| kind(handler) == "subroute")?;
    let group = routes.first()?.get("group")?.as_str()?;
    let is_one = routes.iter().all(|route| route.get("group").and_then(Value::as_str) == Some(group));
    let (name, _) = group.strip_prefix(GROUP)?.rsplit_once('-')?;
    Feature::from_str(name).ok().filter(|_| is_one)
}
