//! `telarch web`: the web server of this machine, also while no service runs, and the IIS of another machine.

mod binding;
mod certificate;
mod change;
mod deployment;
mod location;
mod pool;
mod show;

use cli_command::format::{Format, TEXT_OR_JSON};
use cli_command::paths::IfMissing;
use cli_command::{Action, Arguments, Command, Failure, Opt, Scope, SingleDash, Value};
use management::KeyType;
use serde_json::json;
use webserver::{Feature, PoolOperation, Site, SiteId, Snapshot, WebServer};

use crate::DIRECTORY;
use crate::locations::{directory, failed};
use crate::web_server::{self, ChosenServer, ServerOptions};

/// The command `telarch web`.
pub static WEB: Command =
    Command::new("web", "list and change the sites of the web server on this machine, or of IIS on another", run)
        .examples(&[
            "telarch web sites",
            "telarch web site shop create --folder /srv/shop --binding http/*:80:shop.example",
            "telarch web site shop stop --what-if",
            "telarch web bind shop add http/*:80:www.shop.example",
            "telarch web pool backend set 10.0.0.1:8080 '10.0.0.2:8080 weight=2'",
            "telarch web location shop /api/ http://backend",
            "telarch web features shop redirect --format json",
            "telarch web features shop redirect '{\"status\": 301, \"target\": \"https://new.example/\"}'",
            "telarch web rollback 17 --message 'undo the redirection'",
            "telarch web certificate shop create shop.example www.shop.example",
            "telarch web certificate shop import shop.pfx",
            "telarch web deploy shop release-2.zip --what-if",
            "telarch web sites -r:web1 -u:administrator",
            "telarch web pool DefaultAppPool recycle -r:web1 -u:administrator",
        ])
        .actions(&[
            Action::new("sites", &[("", "list the sites")]),
            Action::new(
                "site",
                &[
                    ("SITE", "print a site: its bindings, folder and locations"),
                    ("SITE create", "create a site with the folder of --folder and each --binding"),
                    ("SITE start|stop|delete", "start, stop or delete a site"),
                    ("SITE folder DIRECTORY", "set the folder of the content"),
                ],
            )
            .takes(1, 3)
            .completions(&["create", "start", "stop", "delete", "folder"]),
            Action::new(
                "bind",
                &[
                    ("SITE", "list the bindings of a site"),
                    ("SITE add|remove|set BINDING...", "add or remove bindings, or replace all of them"),
                ],
            )
            .takes_any()
            .completions(&["add", "remove", "set"]),
            Action::new(
                "location",
                &[
                    ("SITE PATH DIRECTORY", "create or replace a virtual directory"),
                    (
                        "SITE PATH PROTOCOL://POOL[/PATH]",
                        "create or replace an application, whose requests go to a pool of back-end servers",
                    ),
                    ("SITE PATH delete", "delete a virtual directory or an application"),
                ],
            )
            .takes(3, 3)
            .completions(&["delete"]),
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
                &[("", "list the pools of back-end servers with their units, or the application pools of IIS")],
            ),
            Action::new(
                "pool",
                &[
                    ("POOL", "print a pool"),
                    ("POOL set SERVER...", "create a pool of back-end servers, or replace its servers"),
                    ("POOL delete", "delete a pool of back-end servers"),
                    ("POOL unit UNIT|none", "set the unit of systemd that runs the servers of the pool"),
                    (
                        "POOL start|stop|recycle",
                        "start, stop or recycle the unit of the pool, or an application pool of IIS",
                    ),
                ],
            )
            .takes_any()
            .completions(&["set", "delete", "unit", "none", "start", "stop", "recycle"]),
            Action::new(
                "certificates",
                &[("", "list the certificates that sites use, and those that are stored for them")],
            ),
            Action::new(
                "certificate",
                &[
                    ("CERTIFICATE create HOST...", "store a self-signed certificate for host names and addresses"),
                    ("CERTIFICATE request HOST...", "store a key, and print a request to an authority"),
                    (
                        "CERTIFICATE import FILE",
                        "store a certificate in PEM, with the key of --key, of the file or of the request, or a PKCS#12 \
                         file",
                    ),
                    ("CERTIFICATE delete", "delete a certificate and its key, unless a site uses it"),
                ],
            )
            .takes_any()
            .completions(&["create", "request", "import", "delete"]),
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
        .options(&[
            &NGINX,
            &APACHE,
            &CADDY,
            &FOLDER,
            &BINDING,
            &CERTIFICATE,
            &KEY,
            &DAYS,
            &KEY_TYPE,
            &CERTIFICATE_PASSWORD,
            &WHAT_IF,
            &MESSAGE,
            &KEEP_OTHERS,
            &DIRECTORY,
            &TEXT_OR_JSON,
        ])
        .single_dash(SingleDash::Switches(&["r", "u", "remote", "username", "auth", "a"]))
        .notes(&[
            "Each change is validated by the web server, written, and applied by a reload. If the web server rejects the \
             new files, the old ones are restored. The service of telarch mgmt serve shows the same history.",
            "SITE is the identifier that telarch web sites prints, or a host name of the site.",
            "BINDING is PROTOCOL/ADDRESS:PORT:HOST as in IIS, with the protocol http or https, the address *, an IPv4 address \
             or an IPv6 address in brackets, and an empty HOST for every host: http/*:80:shop.example, https/[::1]:8443:. A \
             site serves each of its host names on each of its addresses.",
            "SERVER is an address with options as in nginx: 10.0.0.1:8080, unix:/run/app.sock, '10.0.0.2:8080 weight=2', \
             '10.0.0.3:8080 backup' or '10.0.0.4:8080 down'.",
            "Certificates are stored in the folder certificates beside the configuration of the web server, as NAME.pem and \
             NAME.key. A site uses one when its feature ssl names both files. They have no history, and --message has no effect \
             on them.",
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
static FOLDER: Opt = Opt::new("folder", Value::Text("DIRECTORY"), "folder of the content of the new site")
    .only_with(&[Scope::Action("site")]);
static BINDING: Opt = Opt::new(
    "binding",
    Value::Text("BINDING"),
    "address and host name of the new site; may be given more than once",
)
.only_with(&[Scope::Action("site")])
.repeatable();
static CERTIFICATE: Opt =
    Opt::new("certificate", Value::Text("FILE"), "certificate chain in PEM of a new site with https")
        .only_with(&[Scope::Action("site")]);
static KEY: Opt =
    Opt::new("key", Value::Text("FILE"), "private key in PEM of a new site with https, or of a certificate")
        .only_with(&[Scope::Action("site"), Scope::Action("certificate")]);
static DAYS: Opt = Opt::new(
    "days",
    Value::Text("DAYS"),
    "days of validity of a self-signed certificate, 1 to 3650 (default: 397)",
)
.only_with(&[Scope::Action("certificate")]);
static KEY_TYPE: Opt = Opt::new(
    "key-type",
    Value::Completed("TYPE", || KeyType::ALL.map(|(name, _)| name).to_vec()),
    "type of the new key: ecdsa-p256 (default), ecdsa-p384, rsa-2048 or rsa-4096",
)
.only_with(&[Scope::Action("certificate")]);
static CERTIFICATE_PASSWORD: Opt = Opt::new(
    "password-stdin",
    Value::None,
    "read the password of a PKCS#12 file from the first line of standard input",
)
.only_with(&[Scope::Action("certificate")]);
static WHAT_IF: Opt = Opt::new(
    "what-if",
    Value::None,
    "print the differences and the validator's verdict without changing anything (also -whatif)",
)
.only_with(CHANGES);
static MESSAGE: Opt =
    Opt::new("message", Value::Text("TEXT"), "reason of the change, for the history").only_with(CHANGES);

static KEEP_OTHERS: Opt =
    Opt::new("keep-others", Value::None, "keep the files of the site that the archive does not contain")
        .only_with(&[Scope::Action("deploy")]);

/// Actions that can change the configuration or the content.
const CHANGES: &[Scope] = &[
    Scope::Action("certificate"),
    Scope::Action("site"),
    Scope::Action("bind"),
    Scope::Action("location"),
    Scope::Action("features"),
    Scope::Action("pool"),
    Scope::Action("rollback"),
    Scope::Action("deploy"),
    Scope::Action("deployments"),
];

static SERVERS: ServerOptions = ServerOptions { nginx: &NGINX, apache: &APACHE, caddy: &CADDY };

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let directory = directory(arguments, IfMissing::Leave)?;
    let server = web_server::chosen(arguments, &SERVERS)?;
    let web = match web_server::remote(arguments, &directory)? {
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
            server
                .unwrap_or(ChosenServer::Nginx("/etc/nginx".into()))
                .open(&directory.history(), Vec::new())?
        }
    };
    let web = web.as_ref();
    let words = arguments.words();
    let is_creation = matches!((arguments.action(), words.as_slice()), ("site", [_, "create"]));
    let is_certificate = arguments.action() == "certificate";
    if !is_creation
        && !is_certificate
        && [&FOLDER, &BINDING, &CERTIFICATE, &KEY].iter().any(|option| arguments.is_given(option))
    {
        return Err(arguments.usage_error(
            "--folder, --binding, --certificate and --key are for site SITE create; see also bind and site SITE folder",
        ));
    }
    match (arguments.action(), words.as_slice()) {
        ("sites", _) => {
            let snapshot = web.snapshot().map_err(failed)?;
            Ok(printed(arguments, || json!(snapshot.sites), || show::sites(&snapshot)))
        }
        ("site", [name]) => {
            let site = find_site(web, name)?;
            Ok(printed(arguments, || json!(site), || show::site(&site)))
        }
        ("site", [name, "create"]) => change::create_site(arguments, web, name),
        ("site", [name, action]) => change::site(arguments, web, name, action),
        ("site", [name, "folder", folder]) => change::folder(arguments, web, name, folder),
        ("site", _) => Err(arguments.usage_error("expected SITE with one action, or SITE folder DIRECTORY")),
        ("bind", [name]) => {
            let site = find_site(web, name)?;
            let bindings = binding::bindings_of(&site);
            let texts: Vec<String> = bindings.iter().map(ToString::to_string).collect();
            Ok(printed(arguments, || json!(texts), || show::bindings(&bindings, &site)))
        }
        ("bind", [name, operation, bindings @ ..]) => change::bind(arguments, web, name, operation, bindings),
        ("bind", []) => Err(arguments.usage_error("bind needs the name of a site")),
        ("location", [name, path, content]) => location::change(arguments, web, name, path, content),
        ("features", [name]) => {
            let states = features(web, &find_site(web, name)?.id)?;
            Ok(printed(arguments, || json!(states), || show::features(&states)))
        }
        ("features", [name, feature]) => {
            let state = feature_state(web, &find_site(web, name)?.id, parse_feature(arguments, feature)?)?;
            Ok(printed(arguments, || json!(state), || show::feature(&state)))
        }
        ("features", [name, feature, value]) => change::feature(arguments, web, name, feature, value),
        ("pools", _) => pool::list(arguments, web),
        ("pool", words) => pool_command(arguments, web, words),
        ("certificates", _) => certificate::list(arguments, web),
        ("certificate", words) => certificate::change(arguments, web, words),
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

/// Prints, changes or controls a pool.
fn pool_command(arguments: &Arguments, web: &dyn WebServer, words: &[&str]) -> Result<String, Failure> {
    match words {
        [name] => pool::print(arguments, web, name),
        [name, "set", servers @ ..] => pool::set(arguments, web, name, servers),
        [name, "delete"] => pool::delete(arguments, web, name),
        [name, "unit", unit] => pool::set_unit(arguments, web, name, unit),
        [name, "start"] => pool::control(arguments, web, name, PoolOperation::Start),
        [name, "stop"] => pool::control(arguments, web, name, PoolOperation::Stop),
        [name, "recycle"] => pool::control(arguments, web, name, PoolOperation::Recycle),
        _ => Err(arguments.usage_error(
            "expected POOL, POOL set SERVER..., POOL unit UNIT, or POOL delete|start|stop|recycle",
        )),
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
