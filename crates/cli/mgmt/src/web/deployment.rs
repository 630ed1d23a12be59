//! Deployments of archives to sites.

use std::fs::File;
use std::path::{Path, PathBuf};

use cli_command::{Arguments, Failure};
use deploy::{DeployRequest, Deployment, Mode, Prepared, SiteContent};
use management::Timestamp;
use serde_json::json;
use webserver::{CommitMessage, Site};

use super::{KEEP_OTHERS, MESSAGE, WHAT_IF, printed, show};
use crate::locations::failed;
use crate::web::change::author;

/// Replaces the content of a site with that of an archive.
pub(super) fn deploy(arguments: &Arguments, site: &Site, archive: &str) -> Result<String, Failure> {
    let mut file = File::open(archive).map_err(|error| {
        Failure::failed(format!("cannot read {archive}: {error}"), "name a .zip, .tar or .tar.gz file")
    })?;
    let mode = if arguments.is_given(&KEEP_OTHERS) { Mode::Add } else { Mode::Replace };
    let prepared = content(site)?.prepare(&mut file, mode).map_err(failed)?;
    carry_out(arguments, prepared)
}

/// Lists the deployments of a site.
pub(super) fn list(arguments: &Arguments, site: &Site) -> Result<String, Failure> {
    let deployments = content(site)?.deployments().map_err(failed)?;
    Ok(printed(arguments, || json!(deployments), || show::deployments(&deployments)))
}

/// Restores the content before a deployment.
pub(super) fn restore(arguments: &Arguments, site: &Site, number: &str) -> Result<String, Failure> {
    let number = number
        .parse()
        .map_err(|_| arguments.usage_error(format!("\"{number}\" is not the number of a deployment")))?;
    let prepared = content(site)?.prepare_rollback(number).map_err(failed)?;
    carry_out(arguments, prepared)
}

/// Returns the folder of a site. The user of a command needs no setting: the rights on the folder decide.
fn content(site: &Site) -> Result<SiteContent, Failure> {
    let folder = site.root.as_deref().map(Path::new).ok_or_else(|| {
        Failure::failed(
            format!("the site {} has no folder of its own", site.id),
            "set a folder for the site; content of its locations cannot be deployed",
        )
    })?;
    let above: Vec<PathBuf> = std::fs::canonicalize(folder)
        .ok()
        .and_then(|folder| folder.parent().map(Path::to_owned))
        .into_iter()
        .collect();
    SiteContent::open(folder, &above).map_err(failed)
}

/// Prints the changes with `--what-if`, and makes them otherwise.
fn carry_out(arguments: &Arguments, prepared: Prepared) -> Result<String, Failure> {
    let changes = prepared.changes().to_vec();
    let mut text = show::content_changes(&changes);
    if arguments.is_given(&WHAT_IF) || changes.is_empty() {
        return Ok(printed(arguments, || json!({ "changes": changes }), || text));
    }
    let message = CommitMessage::parse(arguments.text(&MESSAGE)?.unwrap_or_default());
    let message = message.map_err(|error| arguments.usage_error(error))?;
    let request = DeployRequest {
        author: author()?.as_str().to_owned(),
        message: message.as_str().to_owned(),
        time: Timestamp::now().seconds(),
    };
    let deployment: Deployment = prepared.apply(request).map_err(failed)?;
    text.push_str(&format!("Deployment {}: {}\n", deployment.number, show::file_counts(&deployment)));
    Ok(printed(arguments, || json!({ "changes": changes, "deployment": deployment }), || text))
}
