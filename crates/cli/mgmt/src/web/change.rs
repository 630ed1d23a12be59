//! Changes of sites, bindings and features, and rollbacks.

use std::io::Write as _;

use cli_command::format::{Format, TEXT_OR_JSON};
use cli_command::{Arguments, Failure, Opt};
use linux::Machine;
use linux::account::User;
use serde::de::DeserializeSeed as _;
use serde_json::json;
use webserver::{
    Author, Change, CommitMessage, CommitRequest, Feature, FeatureValue, FilePath, NewSite, Plan, Revision,
    Scope, SiteId, SiteState, Verdict, WebServer,
};

use super::binding::{self, Addresses};
use super::{
    BINDING, CERTIFICATE, FOLDER, KEY, MESSAGE, WHAT_IF, commit_number, parse_feature, printed, show, site_of,
};
use crate::locations::failed;

/// Starts, stops or deletes a site.
pub(super) fn site(
    arguments: &Arguments,
    web: &dyn WebServer,
    name: &str,
    action: &str,
) -> Result<String, Failure> {
    let snapshot = web.snapshot().map_err(failed)?;
    let site = site_of(&snapshot, name)?.id.clone();
    let change = match action {
        "start" => Change::SetSiteState { site, state: SiteState::Started },
        "stop" => Change::SetSiteState { site, state: SiteState::Stopped },
        "delete" => Change::DeleteSite { site },
        _ => {
            return Err(arguments.usage_error(format!(
                "unknown action \"{action}\"; expected create, start, stop, delete or folder"
            )));
        }
    };
    make(arguments, web, &snapshot.revision, change)
}

/// Creates a site with the bindings and the folder of the options.
pub(super) fn create_site(arguments: &Arguments, web: &dyn WebServer, name: &str) -> Result<String, Failure> {
    let id = SiteId::parse(name).map_err(|error| arguments.usage_error(error))?;
    let Some(root) = path_of(arguments, &FOLDER)? else {
        return Err(arguments.usage_error("create needs the folder of the content; add --folder DIRECTORY"));
    };
    let bindings = arguments.texts(&BINDING)?;
    if bindings.is_empty() {
        return Err(arguments.usage_error(
            "create needs at least one binding; add --binding, such as --binding http/*:80:shop.example",
        ));
    }
    let bindings = binding::parse(arguments, &bindings)?;
    let Addresses { listeners, names } = binding::addresses(&bindings, &[])?;
    let (certificate, key) = (path_of(arguments, &CERTIFICATE)?, path_of(arguments, &KEY)?);
    let base = web.snapshot().map_err(failed)?.revision;
    let site = NewSite { id, listeners, names, root, certificate, key };
    make(arguments, web, &base, Change::CreateSite(site))
}

/// Returns the path that an option names.
pub(super) fn path_of(arguments: &Arguments, option: &'static Opt) -> Result<Option<FilePath>, Failure> {
    arguments.text(option)?.map(|text| file_path(arguments, text)).transpose()
}

/// Sets the folder of the content of a site.
pub(super) fn folder(
    arguments: &Arguments,
    web: &dyn WebServer,
    name: &str,
    folder: &str,
) -> Result<String, Failure> {
    let folder = file_path(arguments, folder)?;
    let snapshot = web.snapshot().map_err(failed)?;
    let site = site_of(&snapshot, name)?.id.clone();
    make(arguments, web, &snapshot.revision, Change::SetRoot { site, folder })
}

/// Adds or removes bindings of a site, or replaces all of them.
pub(super) fn bind(
    arguments: &Arguments,
    web: &dyn WebServer,
    name: &str,
    operation: &str,
    texts: &[&str],
) -> Result<String, Failure> {
    let given = binding::parse(arguments, texts)?;
    if given.is_empty() {
        return Err(arguments
            .usage_error(format!("{operation} needs at least one binding, such as http/*:80:shop.example")));
    }
    let snapshot = web.snapshot().map_err(failed)?;
    let site = site_of(&snapshot, name)?;
    let mut bindings = binding::bindings_of(site);
    match operation {
        "add" => bindings.extend(given),
        "set" => bindings = given,
        "remove" => {
            if let Some(unknown) = given.iter().find(|binding| !bindings.contains(binding)) {
                return Err(Failure::failed(
                    format!("the site {} has no binding \"{unknown}\"", site.id),
                    "telarch web bind SITE lists its bindings",
                ));
            }
            bindings.retain(|binding| !given.contains(binding));
        }
        _ => {
            return Err(arguments
                .usage_error(format!("unknown operation \"{operation}\"; expected add, remove or set")));
        }
    }
    if bindings.is_empty() {
        return Err(Failure::failed(
            "a site needs at least one binding",
            "stop or delete the site instead: telarch web site SITE stop",
        ));
    }
    let Addresses { listeners, names } = binding::addresses(&bindings, &site.listeners)?;
    let change = Change::SetBindings { site: site.id.clone(), listeners, names };
    make(arguments, web, &snapshot.revision, change)
}

/// Sets or reverts a feature of a site.
pub(super) fn feature(
    arguments: &Arguments,
    web: &dyn WebServer,
    name: &str,
    feature: &str,
    value: &str,
) -> Result<String, Failure> {
    let feature = parse_feature(arguments, feature)?;
    let snapshot = web.snapshot().map_err(failed)?;
    let scope = Scope::Site { site: site_of(&snapshot, name)?.id.clone() };
    let change = if value == "revert" {
        Change::RevertFeature { scope, feature }
    } else {
        Change::SetFeature { scope, value: parse_value(feature, value)? }
    };
    make(arguments, web, &snapshot.revision, change)
}

fn parse_value(feature: Feature, text: &str) -> Result<FeatureValue, Failure> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = feature.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        Failure::failed(
            format!("invalid value of {feature}: {error}"),
            &format!("telarch web features SITE {feature} --format json prints a value of this form"),
        )
    })
}

/// Restores the files of a commit.
pub(super) fn rollback(arguments: &Arguments, web: &dyn WebServer, number: &str) -> Result<String, Failure> {
    let number = commit_number(arguments, number)?;
    let base = web.snapshot().map_err(failed)?.revision;
    let plan = web.plan_rollback(&base, number).map_err(failed)?;
    carry_out(arguments, web, &plan)
}

/// Returns a path as the engine writes it. Paths of Windows may be written as Windows does: `C:\\inetpub\\shop`.
pub(super) fn file_path(arguments: &Arguments, text: &str) -> Result<FilePath, Failure> {
    let is_windows = !arguments.switches().is_empty();
    let path = if is_windows { FilePath::form_of_windows(text) } else { text.to_owned() };
    FilePath::parse(&path).map_err(|error| arguments.usage_error(error))
}

/// Plans a change, and validates it with `--what-if` or commits it.
pub(super) fn make(
    arguments: &Arguments,
    web: &dyn WebServer,
    base: &Revision,
    change: Change,
) -> Result<String, Failure> {
    let plan = web.plan(base, &[change]).map_err(failed)?;
    carry_out(arguments, web, &plan)
}

/// Validates a plan with `--what-if`, and commits it otherwise.
fn carry_out(arguments: &Arguments, web: &dyn WebServer, plan: &Plan) -> Result<String, Failure> {
    let (diffs, warnings) = (plan.diffs(), plan.warnings());
    if plan.is_empty() {
        return Ok(printed(
            arguments,
            || json!({ "diffs": diffs, "warnings": warnings }),
            || "The files have this content already; nothing was changed.\n".to_owned(),
        ));
    }
    let mut text = show::diffs(&diffs) + &show::problems(warnings);
    if arguments.is_given(&WHAT_IF) {
        let validation = web.validate(plan).map_err(failed)?;
        text.push_str(&show::validation(&validation));
        let result = json!({ "diffs": diffs, "warnings": warnings, "validation": validation });
        return finish(arguments, &result, text, validation.accepted);
    }
    let message = CommitMessage::parse(arguments.text(&MESSAGE)?.unwrap_or_default());
    let message = message.map_err(|error| arguments.usage_error(error))?;
    let commit = web.commit(plan, &CommitRequest { author: author()?, message }).map_err(failed)?;
    text.push_str(&format!("Commit {}: {}\n", commit.number, show::verdict(&commit.verdict)));
    if let Verdict::Failed { reason } = &commit.verdict {
        text.push_str(&format!(
            "The web server rejected the new files, and the old ones were restored: {reason}\n"
        ));
    }
    let result = json!({ "diffs": diffs, "warnings": warnings, "commit": commit });
    finish(arguments, &result, text, commit.verdict.is_applied())
}

/// Returns the result. A rejected change is reported on standard output, too, with exit status 1.
fn finish(
    arguments: &Arguments,
    result: &serde_json::Value,
    text: String,
    is_accepted: bool,
) -> Result<String, Failure> {
    if is_accepted {
        return Ok(printed(arguments, || result.clone(), || text));
    }
    if arguments.keyword(&TEXT_OR_JSON) == Some(Format::Json) {
        writeln!(cli_command::output::out(), "{result:#}")?;
        return Err(Failure::Ended(1));
    }
    Err(Failure::Failed(text.trim_end().to_owned()))
}

/// Returns the user of this process as the author of a commit.
pub(super) fn author() -> Result<Author, Failure> {
    let uid = rustix::process::getuid().as_raw();
    let user = User::with_uid(&Machine::this(), uid).ok().flatten();
    let name = user.map_or_else(|| format!("uid {uid}"), |user| user.name);
    Author::parse(&name).map_err(failed)
}
