//! Configuration of the WS-Management service of this machine, for reading.

use std::path::Path;

use config::{Listener, ListenerSource, Plugin, PolicyValue, Setting, Source, Store};
use serde_json::{Value, json};

use crate::call::Admitted;
use crate::console::Console;
use crate::problem::Problem;
use crate::reply::Reply;

/// `GET /wsman`
pub(crate) fn configuration(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let paths = console.wsman.as_ref().filter(|paths| paths.config.parent().is_some_and(Path::is_dir));
    let Some(paths) = paths else {
        return Ok(Reply::json(json!({
            "is_configured": false, "file": null, "policy_folder": null, "preset": null, "settings": [],
            "listeners": [], "plugins": [], "policies": [], "unknown_policies": [],
        })));
    };
    let store = Store::open(&paths.config)
        .map_err(|error| Problem::new(422, "wsman-configuration", error.to_string()))?;
    let sources = store.sources();
    let state = sources.state();
    let settings: Vec<Value> = Setting::all()
        .iter()
        .map(|setting| {
            json!({
                "name": setting.path(),
                "value": setting.show(&state.config),
                "source": source(state.config.source(setting)),
                "origin": sources.of(setting).to_string(),
                "about": setting.about(),
            })
        })
        .collect();
    let listeners = state.listeners.in_force(&state.config.service);
    let policies = state.policies.iter().map(policy);
    let unknown = state.policies.unknown().iter();
    Ok(Reply::json(json!({
        "is_configured": true,
        "file": store.path().to_string_lossy(),
        "policy_folder": store.policy_folder().map(Path::to_string_lossy),
        "preset": state.preset.to_string(),
        "settings": settings,
        "listeners": listeners.iter().map(listener).collect::<Vec<_>>(),
        "plugins": state.plugins.iter().map(|one| plugin(one, &store)).collect::<Vec<_>>(),
        "policies": policies.collect::<Vec<_>>(),
        "unknown_policies": unknown
            .map(|one| json!({ "name": one.name, "origin": one.origin.to_string() }))
            .collect::<Vec<_>>(),
    })))
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Local => "local",
        Source::Policy => "policy",
        _ => "default",
    }
}

fn listener(listener: &Listener) -> Value {
    json!({
        "address": listener.address.to_string(),
        "transport": listener.transport.to_string(),
        "port": listener.port.to_string().parse::<u16>().ok(),
        "hostname": listener.hostname.to_string(),
        "is_enabled": listener.enabled,
        "url_prefix": listener.url_prefix.to_string(),
        "certificate_thumbprint": listener.certificate_thumbprint.as_ref().map(ToString::to_string),
        "source": match listener.source {
            ListenerSource::Policy => "policy",
            ListenerSource::Compatibility => "compatibility",
            _ => "local",
        },
    })
}

fn plugin(plugin: &Plugin, store: &Store) -> Value {
    let state = store.state();
    let security = plugin.security(state.security_defaults());
    json!({
        "name": plugin.kind().name,
        "is_enabled": plugin.is_enabled(),
        "resources": plugin.kind().resources.iter().map(|resource| resource.uri).collect::<Vec<_>>(),
        "has_own_security": plugin.has_configured_entries(),
        "security": security
            .iter()
            .map(|entry| {
                json!({
                    "uri": entry.uri, "is_exact": entry.exact_match, "sddl": entry.descriptor.to_string(),
                })
            })
            .collect::<Vec<_>>(),
    })
}

fn policy(policy: &PolicyValue) -> Value {
    json!({ "name": policy.target.to_string(), "value": policy.value, "origin": policy.origin.to_string() })
}
