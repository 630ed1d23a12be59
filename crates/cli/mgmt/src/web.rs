//! `telarch web`: the web server of this machine, also while no service runs, and the IIS of another machine.

mod change;
mod deployment;
mod show;

use cli_command::format::{Format, TEXT_OR_JSON};
use cli_command::paths::IfMissing;
use cli_command::{Action, Arguments, Command, Failure, Opt, Scope, SingleDash, Value};
use serde_json::json;
use webserver::{Feature, Site, SiteId, Snapshot, WebServer};

use crate::DIRECTORY;
use crate::locations::{directory, failed};
use crate::web_server::{self, ChosenServer, ServerOptions};

/// The command `telarch web`.
pub static WEB: Command =
    Command::new("web", "list and change the sites of the web server on this machine, or of IIS on another", run)
        .examples(&[
            "telarch web sites",
            "telarch web site shop stop --what-if",
            "telarch web features shop redirect --format json",
            "telarch web features shop redirect '{\"status\": 301, \"target\": \"https://new.example/\"}'",
            "telarch web rollback 17 --message 'undo the redirection'",
            "telarch web deploy shop release-2.zip --what-if",
            "telarch web sites -r:web1 -u:administrator",
            "telarch web pools DefaultAppPool recycle -r:web1 -u:administrator",
        ])
        .actions(&[
            Action::new("sites", &[("", "list the sites")]),
            Action::new(
                "site",
                &[
                    ("SITE", "print a site: its bindings, folder and locations"),
                    ("SITE start|stop|delete", "start, stop or delete a site"),
                ],
            )
            .takes(1, 2)
            .completions(&["start", "stop", "delete"]),
            Action::new(
                "features",
                &[
                    ("SITE", "list the features of a site"),
                    ("SITE FEATURE", "print the value of a feature, and the directives that set it"),
                    ("SITE FEATURE VALUE", "set a feature to a value in JSON, as --format json prints it"),
                    ("SITE FEATURE revert", "remove the value, so that the inherited one applies"),
                ],
            )
            .takes(1, 3),
            Action::new(
                "pools",
                &[
                    ("", "list the application pools of IIS with their state and applications"),
                    ("POOL start|stop|recycle", "start or stop an application pool, or replace its worker processes"),
                ],
            )
            .takes(0, 2)
            .completions(&["start", "stop", "recycle"]),
            Action::new("history", &[("[NUMBER]", "list the latest commits, or print one with its differences")])
                .takes(0, 1),
            Action::new("rollback", &[("NUMBER", "restore the files of a commit")]).takes(1, 1),
            Action::new(
                "deploy",
                &[("SITE ARCHIVE", "replace the content of a site with that of a .zip, .tar or .tar.gz file, in one step")],
            )
            .takes(2, 2),
            Action::new(
                "deployments",
                &[
                    ("SITE", "list the deployments of a site"),
                    ("SITE NUMBER restore", "restore the content before a deployment"),
                ],
            )
            .takes(1, 3)
            .completions(&["restore"]),
        ])
        .options(&[&NGINX, &APACHE, &CADDY, &WHAT_IF, &MESSAGE, &KEEP_OTHERS, &DIRECTORY, &TEXT_OR_JSON])
        .single_dash(SingleDash::Switches(&["r", "u", "remote", "username", "auth", "a"]))
        .notes(&[
            "Each change is validated by the web server, written, and applied by a reload. If the web server rejects the \
             new files, the old ones are restored. The service of telarch mgmt serve shows the same history.",
            "SITE is the identifier that telarch web sites prints, or a host name of the site.",
            "-r HOST selects the IIS of another machine, which runs Windows and has the feature IIS Management Scripts and \
             Tools; -u, -p, -auth, -ssl and the other switches of winrm set the user and the connection (winrm help auth). \
             The user must be an administrator of that machine. The history of its changes is kept on this machine.",
        ]);

static NGINX: Opt = Opt::new(
    "nginx",
    Value::Path("DIRECTORY"),
    "configuration directory of the nginx to manage (default: /etc/nginx)",
);
static APACHE: Opt = Opt::new(
    "apache",
    Value::Path("DIRECTORY"),
    "configuration directory of the Apache to manage (default without nginx: /etc/apache2)",
);
static CADDY: Opt = Opt::new(
    "caddy",
    Value::Text("ADDRESS"),
    "admin endpoint of the Caddy to manage, such as localhost:2019 or unix:/run/caddy/admin.sock",
);
static WHAT_IF: Opt = Opt::new(
    "what-if",
    Value::None,
    "print the differences and the validator's verdict without changing anything",
)
.only_with(CHANGES);
static MESSAGE: Opt =
    Opt::new("message", Value::Text("TEXT"), "reason of the change, for the history").only_with(CHANGES);

static KEEP_OTHERS: Opt =
    Opt::new("keep-others", Value::None, "keep the files of the site that the archive does not contain")
        .only_with(&[Scope::Action("deploy")]);

/// Actions that can change the configuration or the content.
const CHANGES: &[Scope] = &[
    Scope::Action("site"),
    Scope::Action("features"),
    Scope::Action("rollback"),
    Scope::Action("deploy"),
    Scope::Action("deployments"),
];

static SERVERS: ServerOptions = ServerOptions { nginx: &NGINX, apache: &APACHE, caddy: &CADDY };

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let state = directory(arguments, IfMissing::Leave)?.history();
    let server = web_server::chosen(arguments, &SERVERS)?;
    let web = match web_server::remote(arguments, &state)? {
        Some(_) if server.is_some() => {
            return Err(arguments
                .usage_error("--nginx, --apache and --caddy are for this machine; omit them with -r"));
        }
        Some(_) if ["deploy", "deployments"].contains(&arguments.action()) => {
            return Err(arguments.usage_error(
                "content is deployed on this machine only; copy files to another machine with telarch cp",
            ));
        }
        Some(web) => web,
        None => {
            let server = server.or_else(web_server::installed);
            server.unwrap_or(ChosenServer::Nginx("/etc/nginx".into())).open(&state, Vec::new())?
        }
    };
    let web = web.as_ref();
    let words = arguments.words();
    match (arguments.action(), words.as_slice()) {
        ("sites", _) => {
            let snapshot = web.snapshot().map_err(failed)?;
            Ok(printed(arguments, || json!(snapshot.sites), || show::sites(&snapshot)))
        }
        ("site", [name]) => {
            let site = find_site(web, name)?;
            Ok(printed(arguments, || json!(site), || show::site(&site)))
        }
        ("site", [name, action]) => change::site(arguments, web, name, action),
        ("features", [name]) => {
            let states = features(web, &find_site(web, name)?.id)?;
            Ok(printed(arguments, || json!(states), || show::features(&states)))
        }
        ("features", [name, feature]) => {
            let state = feature_state(web, &find_site(web, name)?.id, parse_feature(arguments, feature)?)?;
            Ok(printed(arguments, || json!(state), || show::feature(&state)))
        }
        ("features", [name, feature, value]) => change::feature(arguments, web, name, feature, value),
        ("pools", []) => {
            let pools = web.application_pools().map_err(failed)?;
            Ok(printed(arguments, || json!(pools), || show::pools(&pools)))
        }
        ("pools", [name, action]) => change::pool(arguments, web, name, action),
        ("pools", _) => Err(arguments.usage_error("expected no arguments, or POOL start|stop|recycle")),
        ("history", [number]) => {
            let details = web.commit_details(commit_number(arguments, number)?).map_err(failed)?;
            Ok(printed(arguments, || json!(details), || show::commit(&details)))
        }
        ("history", _) => {
            // Reading the configuration records outside changes first.
            web.snapshot().map_err(failed)?;
            let commits = web.history(None, LISTED_COMMITS).map_err(failed)?;
            Ok(printed(arguments, || json!(commits), || show::history(&commits)))
        }
        ("deploy", [name, archive]) => deployment::deploy(arguments, &find_site(web, name)?, archive),
        ("deployments", [name]) => deployment::list(arguments, &find_site(web, name)?),
        ("deployments", [name, number, "restore"]) => {
            deployment::restore(arguments, &find_site(web, name)?, number)
        }
        ("deployments", _) => Err(arguments.usage_error("expected SITE, or SITE NUMBER restore")),
        _ => change::rollback(arguments, web, words.first().copied().unwrap_or_default()),
    }
}

/// Number of commits that `telarch web history` lists.
const LISTED_COMMITS: usize = 50;

/// Returns a result in the requested format.
fn printed(
    arguments: &Arguments,
    json: impl FnOnce() -> serde_json::Value,
    text: impl FnOnce() -> String,
) -> String {
    if arguments.keyword(&TEXT_OR_JSON) == Some(Format::Json) { format!("{:#}\n", json()) } else { text() }
}

/// Returns the site with an identifier or a host name.
fn find_site(web: &dyn WebServer, name: &str) -> Result<Site, Failure> {
    let snapshot = web.snapshot().map_err(failed)?;
    site_of(&snapshot, name).cloned()
}

/// Returns the site with an identifier or a host name in a snapshot.
fn site_of<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Site, Failure> {
    let sites = &snapshot.sites;
    let mut found: Vec<&Site> = match sites.iter().find(|site| site.id.as_str() == name) {
        Some(site) => vec![site],
        None => sites.iter().filter(|site| site.names.iter().any(|known| known.as_str() == name)).collect(),
    };
    let is_ambiguous = found.len() > 1;
    match found.pop() {
        Some(site) if !is_ambiguous => Ok(site),
        Some(_) => Err(Failure::failed(
            format!("several sites have the host name \"{name}\""),
            "use the identifier of the site; telarch web sites prints it",
        )),
        None => {
            Err(Failure::failed(format!("there is no site \"{name}\""), "telarch web sites lists the sites"))
        }
    }
}

fn parse_feature(arguments: &Arguments, name: &str) -> Result<Feature, Failure> {
    name.parse().map_err(|_| {
        let names = Feature::ALL.map(Feature::name).join(", ");
        arguments.usage_error(format!("unknown feature \"{name}\"; expected one of {names}"))
    })
}

fn commit_number(arguments: &Arguments, text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| arguments.usage_error(format!("\"{text}\" is not the number of a commit")))
}

fn feature_state(
    web: &dyn WebServer,
    site: &SiteId,
    feature: Feature,
) -> Result<webserver::FeatureState, Failure> {
    web.feature(&webserver::Scope::Site { site: site.clone() }, feature).map_err(failed)
}

fn features(web: &dyn WebServer, site: &SiteId) -> Result<Vec<webserver::FeatureState>, Failure> {
    let scope = webserver::Scope::Site { site: site.clone() };
    web.features(&scope, &web.info().capabilities.features).map_err(failed)
}

#[cfg(test)]
mod tests;
