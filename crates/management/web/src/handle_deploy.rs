//! Deployments of content to sites: uploads, deployments, rollbacks and their rules.

use std::path::{Path, PathBuf};
use std::time::Instant;

use deploy::{ContentChange, DeployError, DeployRequest, Mode, Prepared, SiteContent};
use management::{DeploymentAction, DeploymentRule, MAX_UPLOAD, Role, Timestamp, UploadOwner};
use serde_json::{Value, json};
use webserver::{CommitMessage, SiteId};

use crate::call::Admitted;
use crate::caller::Caller;
use crate::console::Console;
use crate::handle_web::{if_match, readable_site};
use crate::problem::Problem;
use crate::reply::Reply;

/// `POST /web/sites/{site}/uploads`
pub(crate) fn begin_upload(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = deployable_site(console, request, DeploymentAction::Write)?;
    let id = console.uploads.begin(owner(request.caller()?, &site.id), Instant::now())?;
    let body = json!({ "upload": id, "received": 0, "limit": MAX_UPLOAD });
    Ok(Reply { status: 201, ..Reply::json(body) })
}

/// `PUT /web/sites/{site}/uploads/{upload}`
pub(crate) fn upload(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = accessible_site(console, request, DeploymentAction::Write)?;
    console.web()?;
    let kind = request.call.header("content-type").unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/octet-stream") {
        return Err(Problem::new(415, "media-type", "the body must be application/octet-stream"));
    }
    let offset = request.number("offset", 0)?;
    let (id, owner) = (request.part("upload"), owner(request.caller()?, &site));
    let received = console.uploads.append(id, owner, offset, &request.call.body, Instant::now())?;
    Ok(Reply::json(json!({ "upload": id, "received": received, "limit": MAX_UPLOAD })))
}

/// `DELETE /web/sites/{site}/uploads/{upload}`
pub(crate) fn remove_upload(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = accessible_site(console, request, DeploymentAction::Write)?;
    console.web()?;
    if console.uploads.remove(request.part("upload"), owner(request.caller()?, &site)) {
        Ok(Reply::empty())
    } else {
        Err(Problem::not_found("upload"))
    }
}

/// `GET /web/sites/{site}/deployments`
pub(crate) fn deployments(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = deployable_site(console, request, DeploymentAction::Read)?;
    Ok(Reply::json(json!({ "folder": site.folder, "deployments": site.content?.deployments()? })))
}

/// `POST /web/sites/{site}/deployments`
pub(crate) fn deploy(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = deployable_site(console, request, DeploymentAction::Write)?;
    let body = request.body()?;
    body.require_only(&["upload", "mode"])?;
    let mode = match body.optional_text("mode")? {
        None | Some("replace") => Mode::Replace,
        Some("add") => Mode::Add,
        Some(_) => return Err(Problem::invalid("mode is replace or add")),
    };
    let (upload, owner) = (body.text("upload")?, owner(request.caller()?, &site.id));
    let mut archive = console.uploads.file(upload, owner, Instant::now())?;
    let prepared = site.content?.prepare(&mut archive, mode)?;
    let reply = carry_out(console, request, prepared, &site.folder)?;
    if !request.dry_run()? {
        console.uploads.remove(upload, owner);
    }
    Ok(reply)
}

/// `POST /web/sites/{site}/deployments/{deployment}/rollback`
pub(crate) fn rollback(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let site = deployable_site(console, request, DeploymentAction::Write)?;
    let prepared = site.content?.prepare_rollback(request.parsed("deployment", "deployment")?)?;
    carry_out(console, request, prepared, &site.folder)
}

/// `GET /management/deployment-rules`
pub(crate) fn rules(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let rules: Vec<Value> = console.deployment_rules.list().iter().map(DeploymentRule::to_json).collect();
    Ok(Reply::json(json!({ "rules": rules })))
}

/// `PUT /management/deployment-rules`
pub(crate) fn set_rules(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let body = request.body()?;
    body.require_only(&["rules"])?;
    let rules = body.value("rules").ok_or_else(|| Problem::invalid("rules is missing"))?;
    console.deployment_rules.replace(rules)?;
    Ok(Reply::empty())
}

/// A site whose files the caller may deploy or read.
struct DeployableSite {
    id: SiteId,
    /// Folder of the configuration.
    folder: PathBuf,
    /// An error if deployments may not replace the folder.
    content: Result<SiteContent, DeployError>,
}

/// Returns the site of the path, if the caller has the rights for its content. Users with less than the role need the
/// site and a rule; that for each file is checked with its change.
fn accessible_site(
    console: &Console,
    request: &Admitted<'_>,
    action: DeploymentAction,
) -> Result<SiteId, Problem> {
    let site = readable_site(console, request)?;
    let caller = request.caller()?;
    let role = match action {
        DeploymentAction::Read => Role::Viewer,
        DeploymentAction::Write => Role::Administrator,
    };
    if caller.role >= role {
        return Ok(site);
    }
    if !console.is_granted(caller, &site) {
        return Err(Problem::forbidden("this requires an administrator of the site"));
    }
    if !console.deployment_rules.permits_any(&caller.name, action) {
        return Err(Problem::forbidden(
            "no deployment rule permits this; a server administrator can add one",
        ));
    }
    Ok(site)
}

/// Returns the site of the path with its content.
fn deployable_site(
    console: &Console,
    request: &Admitted<'_>,
    action: DeploymentAction,
) -> Result<DeployableSite, Problem> {
    let id = accessible_site(console, request, action)?;
    let snapshot = console.web()?.snapshot()?;
    let site = snapshot.sites.iter().find(|site| site.id == id).ok_or_else(|| Problem::not_found("site"))?;
    let Some(folder) = site.root.as_ref().map(PathBuf::from) else {
        return Err(Problem::new(422, "deployment-not-possible", "the site has no folder of its own"));
    };
    let content = SiteContent::open(&folder, &console.settings.content_roots);
    Ok(DeployableSite { id, folder, content })
}

/// Returns a preview, or deploys the prepared content.
fn carry_out(
    console: &Console,
    request: &Admitted<'_>,
    prepared: Prepared,
    folder: &Path,
) -> Result<Reply, Problem> {
    let caller = request.caller()?;
    if caller.role < Role::Administrator {
        require_rules(console, caller, prepared.changes(), folder)?;
    }
    let revision = prepared.revision().to_string();
    let changes = prepared.changes();
    let listed = changes.get(..LISTED_CHANGES).unwrap_or(changes);
    let mut result = json!({ "base": revision, "changes": listed, "total_changes": changes.len() });
    if request.dry_run()? {
        return Ok(Reply::json(result).header("etag", format!("\"{revision}\"")));
    }
    if if_match(request)? != revision {
        return Err(DeployError::Conflict { current: revision }.into());
    }
    let message = request.call.parameter("message").unwrap_or_default();
    let message = CommitMessage::parse(&message).map_err(|error| Problem::invalid(error.to_string()))?;
    let deployment = prepared.apply(DeployRequest {
        author: caller.name.clone(),
        message: message.as_str().to_owned(),
        time: Timestamp::now().seconds(),
    })?;
    let audit = format!(
        "deployment {}: {} added, {} changed, {} removed",
        deployment.number, deployment.added, deployment.changed, deployment.removed
    );
    if let Some(members) = result.as_object_mut() {
        members.insert("deployment".to_owned(), json!(deployment));
    }
    Ok(Reply::json(result).audited(audit))
}

/// Refuses changes of files that no rule permits.
fn require_rules(
    console: &Console,
    caller: &Caller,
    changes: &[ContentChange],
    folder: &Path,
) -> Result<(), Problem> {
    let rules = &console.deployment_rules;
    let write = DeploymentAction::Write;
    let mut refused = changes
        .iter()
        .map(|change| change.path.as_str())
        .filter(|path| !rules.permits(&caller.name, write, folder, &folder.join(path)));
    let Some(first) = refused.next() else { return Ok(()) };
    let others = refused.count();
    let others = if others > 0 { format!(" and {others} other files") } else { String::new() };
    Err(Problem::forbidden(format!("no deployment rule permits changing {first}{others}")))
}

fn owner<'a>(caller: &'a Caller, site: &'a SiteId) -> UploadOwner<'a> {
    UploadOwner { user: &caller.name, site: site.as_str() }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        let detail = error.to_string();
        match error {
            DeployError::Archive(_)
            | DeployError::Name { .. }
            | DeployError::Kind { .. }
            | DeployError::Repeated(_)
            | DeployError::Limit { .. } => Self::new(422, "archive-rejected", detail),
            DeployError::Special(_) | DeployError::Folder { .. } => {
                Self::new(422, "deployment-not-possible", detail)
            }
            DeployError::Conflict { current } => {
                Self::new(412, "revision-conflict", detail).with("revision", json!(current))
            }
            DeployError::NotStored(_) => Self::new(404, "not-found", detail),
            DeployError::Busy => Self::new(409, "conflict", detail),
            DeployError::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Self::new(507, "disk-full", "the disk of the site is full; the old content is unchanged")
            }
            _ => Self::internal("the content of the site", &detail),
        }
    }
}

/// Number of changes that a response lists.
const LISTED_CHANGES: usize = 1_000;
