//! Sites, features and commits as text.

use cli::Screen;
use cli::screen::Table;
use cli_command::date;
use deploy::{ChangeKind, ContentChange, Deployment, DeploymentKind};
use management::{PoolUnit, StoredCertificate};
use serde_json::{Value, json};
use webserver::{
    ApplicationPool, Certificate, CertificateFile, Commit, CommitDetails, FeatureState, FileDiff, Listener,
    Location, LocationContent, Pool, PoolMember, PoolState, Problem, Setting, Site, SiteState, Snapshot,
    Validation, Verdict,
};

use super::binding::SiteBinding;

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let screen = Screen::of_this_process();
    let mut table = Table::new(head);
    rows.for_each(|row| table.row(row));
    table.print(screen.table_width().unwrap_or(usize::MAX), &screen)
}

fn listener(listener: &Listener) -> String {
    let options = [(listener.tls, " TLS"), (listener.http2, " HTTP/2"), (listener.default_site, " default")];
    let options: String = options.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
    format!("{}{options}", listener.address)
}

fn joined<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn state(state: SiteState) -> &'static str {
    match state {
        SiteState::Started => "started",
        SiteState::Stopped => "stopped",
    }
}

/// Returns a table of the sites, and problems of the configuration.
pub(super) fn sites(snapshot: &Snapshot) -> String {
    let rows = snapshot.sites.iter().map(|site| {
        [
            site.id.to_string(),
            state(site.state).to_owned(),
            joined(&site.listeners, listener),
            joined(&site.names, ToString::to_string),
            site.root.clone().unwrap_or_default(),
        ]
    });
    table(["SITE", "STATE", "BINDINGS", "NAMES", "FOLDER"], rows) + &problems(&snapshot.problems)
}

/// Returns tables of the certificates that sites use, and of those that are stored.
pub(super) fn certificates(used: &[CertificateFile], stored: &[StoredCertificate]) -> String {
    let used = used.iter().map(|file| {
        let [names, expires] = facts(Some(&file.content));
        [joined(&file.sites, ToString::to_string), names, expires, file.path.clone()]
    });
    let stored = stored.iter().map(|one| {
        let [names, expires] = facts(one.content.as_ref());
        let file = one.certificate.clone().unwrap_or_else(|| one.key.clone());
        [one.name.clone(), names, expires, file]
    });
    let used = table(["SITES", "NAMES", "EXPIRES", "FILE"], used);
    format!("{used}\n{}", table(["STORED", "NAMES", "EXPIRES", "FILE"], stored))
}

/// Returns host names and end of the validity of a certificate.
fn facts(content: Option<&Result<Certificate, String>>) -> [String; 2] {
    match content {
        Some(Ok(certificate)) => {
            let names = match certificate.names.as_slice() {
                [] => certificate.subject.clone(),
                names => names.join(", "),
            };
            [names, date::minute(u64::try_from(certificate.not_after).unwrap_or_default())]
        }
        Some(Err(reason)) => [reason.clone(), String::new()],
        None => ["requested from an authority".to_owned(), String::new()],
    }
}

/// Returns the files and facts of a stored certificate, or the request to an authority.
pub(super) fn stored_certificate(certificate: &StoredCertificate) -> String {
    let StoredCertificate { certificate: chain, key, request, .. } = certificate;
    match (chain, request) {
        (None, Some(request)) => format!("key  {key}\n\n{request}"),
        _ => {
            let [names, expires] = facts(certificate.content.as_ref());
            let chain = chain.as_deref().unwrap_or_default();
            format!(
                "names        {names}\nexpires      {expires}\ncertificate  {chain}\nkey          {key}\n"
            )
        }
    }
}

/// Returns a table of pools of back-end servers.
pub(super) fn pools(pools: &[Pool], units: &[PoolUnit]) -> String {
    let rows = pools.iter().map(|pool| {
        let unit = units.iter().find(|unit| Some(&unit.unit) == pool.unit.as_ref());
        [
            pool.name.to_string(),
            joined(&pool.members, member),
            pool.unit.as_ref().map_or_else(|| "external".to_owned(), ToString::to_string),
            unit.map(|unit| pool_state(unit.state).to_owned()).unwrap_or_default(),
        ]
    });
    table(["POOL", "SERVERS", "UNIT", "STATE"], rows)
}

/// Returns a line for each property of a pool.
pub(super) fn pool(pool: &Pool, unit: Option<&PoolUnit>) -> String {
    let servers = pool.members.iter().map(|server| format!("Server: {}\n", member(server)));
    let others = pool.unsupported.iter().map(|text| format!("Not shown: {text}\n"));
    let mut lines: String = servers.chain(others).collect();
    if let Some(PoolUnit { unit, state, process, .. }) = unit {
        let process = process.map(|process| format!(", process {process}")).unwrap_or_default();
        lines.push_str(&format!("Unit: {unit}\nState: {}{process}\n", pool_state(*state)));
    }
    format!("Pool: {}\nFile: {}\n{lines}", pool.name, pool.position)
}

fn pool_state(state: PoolState) -> &'static str {
    match state {
        PoolState::Starting => "starting",
        PoolState::Started => "started",
        PoolState::Stopping => "stopping",
        PoolState::Stopped => "stopped",
        PoolState::Unknown => "unknown",
    }
}

/// Returns a server as [`pool`](super::pool) parses it.
fn member(member: &PoolMember) -> String {
    let weight = member.weight.map(|weight| format!(" weight={weight}")).unwrap_or_default();
    let options = [(member.backup, " backup"), (member.down, " down")];
    let options: String = options.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
    format!("{}{weight}{options}", member.address)
}

/// Returns the bindings of a site, one on each line, and those that only the configuration shows.
pub(super) fn bindings(bindings: &[SiteBinding], site: &Site) -> String {
    let lines = bindings.iter().map(|binding| format!("{binding}\n"));
    let others = site.unsupported.iter().map(|text| format!("Not shown: {text}\n"));
    lines.chain(others).collect()
}

/// Returns a table of application pools.
pub(super) fn application_pools(pools: &[ApplicationPool]) -> String {
    let rows = pools.iter().map(|pool| {
        let state = pool_state(pool.state);
        let start = if pool.auto_start { "automatic" } else { "manual" };
        let applications = pool.applications.join(", ");
        [pool.name.clone(), state.to_owned(), start.to_owned(), pool.runtime.clone(), applications]
    });
    table(["POOL", "STATE", "START", "RUNTIME", "APPLICATIONS"], rows)
}

/// Returns a line for each changed file.
pub(super) fn content_changes(changes: &[ContentChange]) -> String {
    if changes.is_empty() {
        return "The site has this content already; nothing was changed.\n".to_owned();
    }
    changes.iter().map(|change| format!("{} {}\n", sign(change.kind), change.path)).collect()
}

fn sign(kind: ChangeKind) -> char {
    match kind {
        ChangeKind::Added => '+',
        ChangeKind::Changed => '~',
        ChangeKind::Removed => '-',
    }
}

/// Returns the numbers of changed files.
pub(super) fn file_counts(deployment: &Deployment) -> String {
    let Deployment { added, changed, removed, .. } = deployment;
    format!("{added} added, {changed} changed, {removed} removed")
}

/// Returns a table of deployments.
pub(super) fn deployments(deployments: &[Deployment]) -> String {
    let rows = deployments.iter().map(|deployment| {
        let kind = match deployment.kind {
            DeploymentKind::Deployment => "archive".to_owned(),
            DeploymentKind::Rollback { restored_before } => format!("content before {restored_before}"),
        };
        [
            deployment.number.to_string(),
            date::minute(deployment.time),
            deployment.author.clone(),
            kind,
            file_counts(deployment),
            if deployment.is_restorable { "yes" } else { "no" }.to_owned(),
            deployment.message.clone(),
        ]
    });
    table(["NUMBER", "TIME", "AUTHOR", "CONTENT", "FILES", "RESTORABLE", "MESSAGE"], rows)
}

pub(super) fn problems(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// Returns a line for each property of a site.
pub(super) fn site(site: &Site) -> String {
    let mut lines = vec![
        ("Site", site.id.to_string()),
        ("State", state(site.state).to_owned()),
        ("File", site.position.to_string()),
        ("Bindings", joined(&site.listeners, listener)),
        ("Names", joined(&site.names, ToString::to_string)),
        ("Folder", site.root.clone().unwrap_or_default()),
        ("Not shown", site.unsupported.join(", ")),
    ];
    lines.extend(site.locations.iter().map(|found| ("Location", location(found))));
    let lines = lines.into_iter().filter(|(_, value)| !value.is_empty());
    lines.map(|(name, value)| format!("{name}: {value}\n")).collect()
}

fn location(location: &Location) -> String {
    let content = match &location.content {
        LocationContent::Root { folder } | LocationContent::Alias { folder } => folder.clone(),
        LocationContent::Application { protocol, target, .. } => format!("{protocol}://{target}"),
        LocationContent::Inherited => "inherited".to_owned(),
    };
    format!("{} {} → {content} ({})", location.modifier, location.path, location.position)
        .trim_start()
        .to_owned()
}

fn source(state: &FeatureState) -> &'static str {
    match (&state.setting, state.is_local) {
        (Setting::Default, _) => "default",
        (_, true) => "set here",
        _ => "inherited",
    }
}

/// Returns the value of a feature in JSON, without the name of the feature. [`change`](super::change) accepts the same.
pub(super) fn value(state: &FeatureState) -> String {
    match &state.setting {
        Setting::Default => String::new(),
        Setting::Unsupported { text } => text.replace('\n', " "),
        Setting::Value { value } => {
            let mut members = json!(value);
            if let Value::Object(members) = &mut members {
                members.remove("feature");
                members.retain(|_, value| !value.is_null());
            }
            members.to_string()
        }
    }
}

/// Returns a table of features.
pub(super) fn features(states: &[FeatureState]) -> String {
    let rows = states.iter().map(|state| [state.feature.to_string(), source(state).to_owned(), value(state)]);
    table(["FEATURE", "SOURCE", "VALUE"], rows)
}

/// Returns a line for each property of a feature.
pub(super) fn feature(state: &FeatureState) -> String {
    let origins = state.origins.iter().map(|origin| format!("Position: {origin}\n"));
    let origins: String = origins.collect();
    let value = value(state);
    let value = if value.is_empty() { String::new() } else { format!("Value: {value}\n") };
    format!("Feature: {}\nSource: {}\n{origins}{value}", state.feature, source(state))
}

pub(super) fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Active => "active",
        Verdict::Written => "written",
        Verdict::Failed { .. } => "failed",
    }
}

fn author(commit: &Commit) -> String {
    commit.author.as_ref().map_or_else(|| "outside".to_owned(), ToString::to_string)
}

fn time(commit: &Commit) -> String {
    date::minute(u64::try_from(commit.time).unwrap_or_default())
}

/// Returns a table of commits.
pub(super) fn history(commits: &[Commit]) -> String {
    let rows = commits.iter().map(|commit| {
        let message = commit.message.as_str().lines().next().unwrap_or_default().to_owned();
        [
            commit.number.to_string(),
            time(commit),
            author(commit),
            verdict(&commit.verdict).to_owned(),
            message,
        ]
    });
    table(["COMMIT", "TIME", "AUTHOR", "RESULT", "MESSAGE"], rows)
}

/// Returns a commit with its differences.
pub(super) fn commit(details: &CommitDetails) -> String {
    let commit = &details.commit;
    let reason = match &commit.verdict {
        Verdict::Failed { reason } => format!("Reason: {reason}\n"),
        _ => String::new(),
    };
    format!(
        "Commit: {}\nTime: {}\nAuthor: {}\nResult: {}\n{reason}Message: {}\n{}",
        commit.number,
        time(commit),
        author(commit),
        verdict(&commit.verdict),
        commit.message.as_str(),
        diffs(&details.diffs),
    )
}

/// Returns differences in the unified format.
pub(super) fn diffs(diffs: &[FileDiff]) -> String {
    diffs.iter().map(|diff| diff.unified.as_str()).collect()
}

/// Returns the result of the validator.
pub(super) fn validation(validation: &Validation) -> String {
    let accepted = if validation.accepted { "accepts" } else { "rejects" };
    format!("{}The validator {accepted} the new files.\n", problems(&validation.problems))
}
