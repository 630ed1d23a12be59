//! A managed web server, of this machine or another one: sites, features, changes, history and logs.

use std::sync::Arc;

use management::{FeatureAccess, PoolUnit, Role};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use webserver::{
    Author, Change, CommitMessage, CommitRequest, Feature, LogStart, NewSite, Operation, Plan, PoolOperation,
    Revision, Scope, SiteId, SiteState, Snapshot, WebServer,
};

use crate::call::Admitted;
use crate::console::Console;
use crate::log_stream::LogStream;
use crate::machine_iis::{change_body, web_server};
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::site_list::encode;
use crate::typed_body::{feature_value, member, typed_body};

/// `GET /web`
pub(crate) fn info(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let web = web_server(console, request)?;
    let caller = request.caller()?;
    let snapshot = web.snapshot()?;
    let revision = snapshot.revision.to_string();
    let mut value = json!({ "info": web.info(), "revision": revision, "status": web.status()? });
    if caller.role >= Role::Viewer
        && let Some(members) = value.as_object_mut()
    {
        members.insert("problems".to_owned(), json!(snapshot.problems));
        members.insert("files".to_owned(), json!(snapshot.files));
    }
    Ok(with_revision(Reply::json(value), &snapshot.revision))
}

/// `GET /web/request-rates`
pub(crate) fn request_rates(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    Ok(Reply::json(json!({ "rates": console.web()?.request_rates()? })))
}

/// `POST /web/actions/{action}`
pub(crate) fn control(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let operation: Operation = action(request)?;
    Ok(Reply::json(json!(console.web()?.control(operation)?)))
}

/// Returns the operation that the path of a request names.
pub(crate) fn action<T: DeserializeOwned>(request: &Admitted<'_>) -> Result<T, Problem> {
    serde_json::from_value(json!(request.part("action"))).map_err(|_| Problem::not_found("action"))
}

/// `GET /web/sites`
pub(crate) fn sites(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let snapshot = web_server(console, request)?.snapshot()?;
    if request.part("machine").is_empty() {
        return list_sites(console, request, &snapshot);
    }
    Ok(with_revision(Reply::encoded_json(encode(&snapshot, |_| true)?), &snapshot.revision))
}

/// `GET /web/sites` while the configuration is unchanged.
pub(crate) fn sites_quickly(console: &Console, request: &Admitted<'_>) -> Option<Reply> {
    list_sites(console, request, &console.web.as_ref()?.unchanged_snapshot()?).ok()
}

/// Lists the sites that a caller can read.
fn list_sites(console: &Console, request: &Admitted<'_>, snapshot: &Arc<Snapshot>) -> Result<Reply, Problem> {
    let caller = request.caller()?;
    let list = match caller.role >= Role::Viewer {
        true => console.site_list.of_all(snapshot)?,
        false => encode(snapshot, |site| console.is_granted(caller, &site.id))?,
    };
    Ok(with_revision(Reply::encoded_json(list), &snapshot.revision))
}

/// `GET /web/sites/{site}`
pub(crate) fn site(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let id = readable_site(console, request)?;
    let snapshot = web_server(console, request)?.snapshot()?;
    let found = snapshot.sites.iter().find(|site| site.id == id);
    let found = found.ok_or_else(|| Problem::not_found("site"))?;
    Ok(with_revision(Reply::json(json!(found)), &snapshot.revision))
}

/// `POST /web/sites`
pub(crate) fn create_site(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site: NewSite = typed_body(change_body(request)?)?;
    make(console, request, vec![Change::CreateSite(site)])
}

/// `PATCH /web/sites/{site}`
pub(crate) fn change_site(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = readable_site(console, request)?;
    let body = change_body(request)?;
    body.require_only(&["listeners", "names", "root", "state"])?;
    let mut changes = Vec::new();
    if body.value("listeners").is_some() || body.value("names").is_some() {
        let snapshot = web_server(console, request)?.snapshot()?;
        let current = snapshot.sites.iter().find(|other| other.id == site);
        let current = current.ok_or_else(|| Problem::not_found("site"))?;
        let listeners = member(&body, "listeners")?.unwrap_or_else(|| current.listeners.clone());
        let names = member(&body, "names")?.unwrap_or_else(|| current.names.clone());
        changes.push(Change::SetBindings { site: site.clone(), listeners, names });
    }
    if let Some(folder) = member(&body, "root")? {
        changes.push(Change::SetRoot { site: site.clone(), folder });
    }
    if let Some(state) = member::<SiteState>(&body, "state")? {
        changes.push(Change::SetSiteState { site, state });
    }
    if changes.is_empty() {
        return Err(Problem::invalid("name at least one of listeners, names, root and state"));
    }
    make(console, request, changes)
}

/// `DELETE /web/sites/{site}`
pub(crate) fn delete_site(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = readable_site(console, request)?;
    make(console, request, vec![Change::DeleteSite { site }])
}

/// `GET /web/sites/{site}/features`
pub(crate) fn features(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = readable_site(console, request)?;
    let (caller, web) = (request.caller()?, web_server(console, request)?);
    let features = web.info().capabilities.features.iter().copied();
    let visible =
        features.filter(|feature| console.feature_access(caller, &site, *feature) != FeatureAccess::Hidden);
    let visible: Vec<Feature> = visible.collect();
    // All at once, because each read of an IIS is a conversation with its machine.
    let states = web.features(&Scope::Site { site: site.clone() }, &visible)?;
    let list = states.iter().map(|state| {
        let access = console.feature_access(caller, &site, state.feature);
        let mut value = json!(state);
        if let Some(members) = value.as_object_mut() {
            members.insert("writable".to_owned(), json!(access == FeatureAccess::Write));
        }
        value
    });
    let list: Vec<Value> = list.collect();
    Ok(Reply::json(json!({ "features": list })))
}

/// `GET /web/sites/{site}/features/{feature}`
pub(crate) fn feature(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = readable_site(console, request)?;
    let feature: Feature = request.parsed("feature", "feature")?;
    let access = console.feature_access(request.caller()?, &site, feature);
    if access == FeatureAccess::Hidden {
        return Err(Problem::not_found("feature"));
    }
    let web = web_server(console, request)?;
    // Fields that a form hides.
    let prefix = format!("{feature}.");
    let unsupported = web.info().capabilities.unsupported_fields.iter();
    let unsupported: Vec<&str> =
        unsupported.filter_map(|field| field.strip_prefix(prefix.as_str())).collect();
    let revision = web.snapshot()?.revision;
    let mut value = json!(web.feature(&Scope::Site { site }, feature)?);
    if let Some(members) = value.as_object_mut() {
        members.insert("writable".to_owned(), json!(access == FeatureAccess::Write));
        members.insert("unsupported_fields".to_owned(), json!(unsupported));
    }
    Ok(with_revision(Reply::json(value), &revision))
}

/// `PUT /web/sites/{site}/features/{feature}`
pub(crate) fn set_feature(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = readable_site(console, request)?;
    let feature: Feature = request.parsed("feature", "feature")?;
    let value = feature_value(request, feature)?;
    make(console, request, vec![Change::SetFeature { scope: Scope::Site { site }, value }])
}

/// `DELETE /web/sites/{site}/features/{feature}`
pub(crate) fn revert_feature(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = readable_site(console, request)?;
    let feature: Feature = request.parsed("feature", "feature")?;
    make(console, request, vec![Change::RevertFeature { scope: Scope::Site { site }, feature }])
}

/// `POST /web/changes`
pub(crate) fn change(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let body = change_body(request)?;
    body.require_only(&["changes"])?;
    let changes: Vec<Change> =
        member(&body, "changes")?.ok_or_else(|| Problem::invalid("changes is missing"))?;
    make(console, request, changes)
}

/// `GET /web/pools`
pub(crate) fn pools(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let pools = &console.web()?.snapshot()?.pools;
    let units: Vec<PoolUnit> = pools
        .iter()
        .filter_map(|pool| pool.unit.as_ref())
        .map(|unit| PoolUnit::of(&console.machine, unit))
        .collect();
    Ok(Reply::json(json!({ "pools": pools, "units": units })))
}

/// `POST /web/pools/{pool}/actions/{action}`
pub(crate) fn control_pool(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let snapshot = console.web()?.snapshot()?;
    let operation: PoolOperation = action(request)?;
    let name = request.part("pool");
    let pool = snapshot.pools.iter().find(|pool| pool.name.as_str() == name);
    let pool = pool.ok_or_else(|| Problem::not_found("pool"))?;
    let unit = pool.unit.as_ref().ok_or_else(|| {
        let detail =
            format!("the pool {name} names no unit of systemd; set it with the change set-pool-unit");
        Problem::new(409, "no-unit", detail)
    })?;
    let audit = format!("{} the unit {unit} of the pool {name}", request.part("action"));
    let state = PoolUnit::control(&console.machine, unit, operation)
        .map_err(|error| Problem::from(error).audited(format!("{audit}: failed")))?;
    Ok(Reply::json(json!(state)).audited(audit))
}

/// `GET /web/history`
pub(crate) fn history(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let limit = usize::try_from(request.number("limit", 50)?.clamp(1, 200)).unwrap_or(50);
    let before = request.number("before", u64::MAX)?;
    let web = web_server(console, request)?;
    // Reading the configuration records outside changes first.
    let revision = web.snapshot()?.revision;
    let commits = web.history(Some(before).filter(|before| *before < u64::MAX), limit)?;
    let next = commits.last().filter(|_| commits.len() == limit).map(|commit| commit.number);
    let body = json!({ "commits": commits, "next_before": next, "revision": revision.to_string() });
    Ok(with_revision(Reply::json(body), &revision))
}

/// `GET /web/history/{commit}`
pub(crate) fn commit(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let number = request.parsed("commit", "commit")?;
    Ok(Reply::json(json!(web_server(console, request)?.commit_details(number)?)))
}

/// `POST /web/history/{commit}/rollback`
pub(crate) fn rollback(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let number: u64 = request.parsed("commit", "commit")?;
    let base = base_revision(request)?;
    let web = web_server(console, request)?;
    let plan = web.plan_rollback(&base, number)?;
    carry_out(web.as_ref(), request, &plan)
}

/// `GET /web/logs`
pub(crate) fn logs(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    Ok(Reply::json(json!({ "logs": console.web()?.log_files()? })))
}

/// `GET /web/logs/lines`
pub(crate) fn log_lines(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let path = request.call.parameter("path").ok_or_else(|| Problem::invalid("path is missing"))?;
    let lines = usize::try_from(request.number("lines", 200)?.clamp(1, 5_000)).unwrap_or(200);
    let web = console.web()?;
    let first = web.read_log(&path, LogStart::Last(lines))?;
    if request.call.parameter("follow").as_deref() != Some("true") {
        return Ok(Reply::json(json!(first)));
    }
    let stream = LogStream::new(std::sync::Arc::clone(web), path, first);
    Ok(Reply::new(200, Content::Stream(Box::new(stream))))
}

/// Returns the site of the path, if the caller may read it.
pub(crate) fn readable_site(console: &Console, request: &Admitted<'_>) -> Result<SiteId, Problem> {
    let site: SiteId = request.parsed("site", "site")?;
    console.require_readable(request.caller()?, &site)?;
    Ok(site)
}

/// Plans changes, and validates or commits them.
fn make(console: &Console, request: &Admitted<'_>, changes: Vec<Change>) -> Result<Reply, Problem> {
    let caller = request.caller()?;
    if changes.is_empty() {
        return Err(Problem::invalid("there is no change"));
    }
    changes.iter().try_for_each(|change| console.require_change(caller, change))?;
    let base = base_revision(request)?;
    let web = web_server(console, request)?;
    let plan = web.plan(&base, &changes)?;
    carry_out(web.as_ref(), request, &plan)
}

/// Validates a plan for a preview, or commits it.
fn carry_out(web: &dyn WebServer, request: &Admitted<'_>, plan: &Plan) -> Result<Reply, Problem> {
    let caller = request.caller()?;
    let mut result = json!({
        "base": plan.base().to_string(),
        "diffs": plan.diffs(),
        "warnings": plan.warnings(),
    });
    let mut add = |name: &str, value: Value| {
        if let Some(members) = result.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if request.dry_run()? {
        add("validation", json!(web.validate(plan)?));
        return Ok(with_revision(Reply::json(result), &plan.base()));
    }
    let message = request.call.parameter("message").unwrap_or_default();
    let message = CommitMessage::parse(&message).map_err(|error| Problem::invalid(error.to_string()))?;
    let author = Author::parse(&caller.name).map_err(|error| Problem::invalid(error.to_string()))?;
    let commit = web.commit(plan, &CommitRequest { author, message })?;
    let audit = format!("commit {}, revision {}, base {}", commit.number, commit.revision, plan.base());
    let revision = commit.revision;
    add("commit", json!(commit));
    Ok(with_revision(Reply::json(result), &revision).audited(audit))
}

/// Returns the revision on which a change is based: `If-Match`.
fn base_revision(request: &Admitted<'_>) -> Result<Revision, Problem> {
    let tag = if_match(request)?;
    tag.parse().map_err(|_| Problem::new(412, "revision-conflict", "If-Match is not a revision"))
}

/// Returns the entity tag of `If-Match`, which is required.
pub(crate) fn if_match<'a>(request: &'a Admitted<'_>) -> Result<&'a str, Problem> {
    let tag = request.call.header("if-match").ok_or_else(|| {
        Problem::new(
            428,
            "revision-required",
            "send If-Match with the ETag of the configuration or of the preview that you have read",
        )
    })?;
    Ok(tag.trim().trim_start_matches("W/").trim_matches('"'))
}

fn with_revision(reply: Reply, revision: &Revision) -> Reply {
    reply.header("etag", format!("\"{revision}\""))
}
