//! The WS-Management service of this machine: its configuration, its certificate mappings and shells.

use std::path::Path;

use config::{Listener, ListenerSource, Mutability, Plugin, PolicyValue, Setting, Source, Store};
use serde_json::{Value, json};
use wsman::duration;
use wsman::shell::ShellState;

use crate::call::Admitted;
use crate::console::Console;
use crate::local_service::{self, CertificateMapping};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::typed_body::typed;
use crate::wsman_change::WsManChange;
use crate::wsman_file;

/// `GET /wsman`
pub(crate) fn configuration(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let paths = console.wsman.as_ref().filter(|paths| paths.config.parent().is_some_and(Path::is_dir));
    let Some(paths) = paths else {
        return Ok(Reply::json(json!({
            "is_configured": false, "file": null, "policy_folder": null, "preset": null, "settings": [],
            "listeners": [], "plugins": [], "policies": [], "unknown_policies": [],
        })));
    };
    let store = Store::open(&paths.config)?;
    let sources = store.sources();
    let state = sources.state();
    let settings: Vec<Value> = Setting::all()
        .iter()
        .map(|setting| {
            let from = state.config.source(setting);
            json!({
                "name": setting.path(),
                "value": setting.show(&state.config),
                "source": source(from),
                "is_writable": from != Source::Policy && setting.mutability() == Mutability::Writable,
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

/// `POST /wsman/changes`: the running service makes the change, and puts it in force.
pub(crate) fn change(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let change: WsManChange = typed(request)?;
    let is_preview = request.dry_run()?;
    let audit = change.to_string().escape_debug().to_string();
    let made = make(console, &change, is_preview);
    let made = made.map_err(|problem| problem.audited(format!("{audit}: failed")))?;
    Ok(Reply::json(made).audited(audit))
}

fn make(console: &Console, change: &WsManChange, is_preview: bool) -> Result<Value, Problem> {
    let paths = console.wsman.as_ref().ok_or_else(|| Problem::not_found("WS-Management service"))?;
    // The file shows the error before the service is asked.
    let diff = wsman_file::diff(&Store::open(&paths.config)?, change)?;
    let values = local_service::change(&paths.local_socket, change, is_preview)?;
    Ok(json!({ "values": values, "diffs": diff.into_iter().collect::<Vec<_>>() }))
}

/// `GET /wsman/shells`: the shells that the service shows to the user of this process.
pub(crate) fn shells(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let shells = socket(console).map_or(Ok(None), local_service::shells)?;
    Ok(Reply::json(json!({
        "is_running": shells.is_some(),
        "account": account(),
        "shells": shells.unwrap_or_default().iter().map(shell).collect::<Vec<_>>(),
    })))
}

/// `DELETE /wsman/shells/{shell}`: ends a shell with its processes.
pub(crate) fn end_shell(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let id = request.part("shell");
    let ended = socket(console).map_or(Ok(None), |socket| local_service::end_shell(socket, id))?;
    let ended = ended.ok_or_else(|| Problem::not_found("shell"))?;
    Ok(Reply::empty().audited(format!("shell of {}", ended.owner.escape_debug())))
}

/// `GET /wsman/certificate-mappings`
pub(crate) fn certificate_mappings(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let mappings = socket(console).map_or(Ok(None), local_service::certificate_mappings)?;
    Ok(Reply::json(json!({
        "is_running": mappings.is_some(),
        "mappings": mappings.unwrap_or_default().iter().map(mapping).collect::<Vec<_>>(),
    })))
}

fn socket(console: &Console) -> Option<&Path> {
    console.wsman.as_ref().map(|paths| paths.local_socket.as_path())
}

/// Returns the name of the account whose shells the service shows, or its number.
fn account() -> String {
    let user = rustix::process::geteuid().as_raw();
    if user == 0 { "root".to_owned() } else { format!("UID {user}") }
}

fn shell(shell: &ShellState) -> Value {
    json!({
        "id": shell.shell_id,
        "name": shell.name,
        "resource": shell.resource_uri,
        "owner": shell.owner,
        "client": shell.client_ip,
        "open_seconds": shell.run_time.as_secs(),
        "idle_seconds": shell.inactivity.as_secs(),
        "idle_limit_seconds": duration::parse(&shell.idle_timeout).ok().map(|time| time.as_secs()),
        "processes": shell.child_processes,
        "is_disconnected": shell.connection.map(|connection| connection.is_disconnected),
    })
}

fn mapping(mapping: &CertificateMapping) -> Value {
    json!({
        "subject": mapping.subject,
        "issuer": mapping.issuer,
        "uri": mapping.uri,
        "user": mapping.user,
        "is_enabled": mapping.is_enabled,
    })
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
