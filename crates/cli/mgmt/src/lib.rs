//! `telarch mgmt`: the Web Management Service, its settings, address rules and manager users. `telarch web`: the web
//! server of this machine, without the service.

mod certificate_file;
mod certificates;
mod firewall;
mod local_wmi;
mod locations;
mod restrictions;
mod serve;
mod service;
mod settings;
mod startup;
mod unit;
mod users;
mod web;
mod web_server;

pub use self::service::hidden;
pub use self::web::WEB;

use cli_command::format::TEXT_OR_JSON;
use cli_command::{Action, Arguments, Command, Failure, Opt, Scope, Value};

/// The command `telarch mgmt`.
pub static MGMT: Command = Command::new("mgmt", "run and configure the Web Management Service and its console", run)
    .examples(&[
        "telarch mgmt serve --ephemeral --accounts accounts.txt --nginx /etc/nginx",
        "telarch mgmt set EnableRemoteManagement=true IPAddress=192.0.2.7",
        "telarch mgmt restrictions default deny",
        "telarch mgmt restrictions allow 10.0.0.0/8",
        "telarch mgmt users add alice",
        "telarch mgmt cert import site.pfx",
        "telarch mgmt get --format json",
    ])
    .actions(&[
        Action::new("serve", &[("", "run the service in the foreground until Ctrl-C or SIGTERM")]),
        Action::new("start", &[("", "start the service of this machine with systemd")]),
        Action::new("stop", &[("", "stop the service of this machine")]),
        Action::new(
            "enable",
            &[("[automatic|delayed|manual]", "set when the service starts: at boot, two minutes later, or by hand")],
        )
        .takes(0, 1)
        .completions(&["automatic", "delayed", "manual"]),
        Action::new("get", &[("[NAME...]", "print settings")]).takes_any().completions(SETTINGS),
        Action::new("set", &[("NAME=VALUE...", "change settings; a running service reads them when it starts again")])
            .takes_any(),
        Action::new(
            "restrictions",
            &[
                ("", "print the address rules"),
                ("default allow|deny", "set the treatment of clients that no rule contains"),
                ("allow|deny NETWORK", "add a rule at the end; the first rule that contains the client decides"),
                ("remove NETWORK", "remove the rules of a network"),
                ("export", "print the registry value RemoteRestrictions"),
                ("import VALUE", "replace all rules by those of the registry value"),
            ],
        )
        .takes(0, 2)
        .completions(&["default", "allow", "deny", "remove", "export", "import"]),
        Action::new(
            "cert",
            &[
                ("", "print the certificate of the service"),
                ("list", "list the certificates that can be selected"),
                ("import FILE", "store a certificate with its key, in PEM or as a PKCS#12 file"),
                ("use HASH|self-signed", "select a certificate by its SHA-1 hash, or the self-signed one"),
                ("renew", "replace the self-signed certificate"),
            ],
        )
        .takes(0, 2)
        .completions(&["list", "import", "use", "self-signed", "renew"]),
        Action::new(
            "firewall",
            &[
                ("", "print whether the firewall permits connections to the port"),
                ("open [NETWORK...]", "permit connections, from these networks or LocalSubnet only"),
                ("close", "delete the rules that open has made"),
            ],
        )
        .takes_any()
        .completions(&["open", "close"]),
        Action::new(
            "users",
            &[
                ("", "list the manager users"),
                ("add NAME", "create a manager user; the first one is a server administrator"),
                ("set-password NAME", "change the password of a manager user"),
                ("enable|disable|remove NAME", "allow or refuse sign-ins, or delete a manager user"),
                ("allow|revoke NAME /SITE", "let a user administer a site or application, or no longer"),
                ("allow|revoke NAME terminal", "let a user open terminals, or no longer"),
            ],
        )
        .takes(0, 3)
        .completions(&["add", "set-password", "enable", "disable", "remove", "allow", "revoke"]),
    ])
    .options(&[
        &EPHEMERAL,
        &LISTEN,
        &ACCOUNTS,
        &NGINX,
        &APACHE,
        &CADDY,
        &TERMINAL,
        &TERMINAL_IDLE,
        &READY,
        &WEB_USER,
        &PAM,
        &PASSWORD_STDIN,
        &WHAT_IF,
        &DIRECTORY,
        &FORMAT,
    ])
    .notes(&[
        "The settings have the names of the registry key SOFTWARE\\Microsoft\\WebManagement\\Server on Windows. The \
         service accepts only connections from this machine until EnableRemoteManagement is true.",
        "With --ephemeral the service needs no settings and no root: its state is deleted at the end, and FILE has lines \
         NAME:PASSWORD, the first of which is a server administrator.",
        "Started by root without --ephemeral, the service consists of an unprivileged process that reads the network and \
         a privileged one, and accounts of the operating system sign in through PAM. Started by another user, it is one \
         process with the rights of this user.",
    ]);

static EPHEMERAL: Opt =
    Opt::new("ephemeral", Value::None, "keep all state in a temporary directory; for a first try")
        .only_with(SERVE);
static LISTEN: Opt = Opt::new(
    "listen",
    Value::Text("ADDRESS:PORT"),
    "listen here in place of IPAddress and Port; port 0 is chosen by the system (default with --ephemeral: \
     127.0.0.1:8172)",
)
.only_with(SERVE);
static ACCOUNTS: Opt =
    Opt::new("accounts", Value::Path("FILE"), "accounts, one NAME:PASSWORD per line; requires --ephemeral")
        .only_with(SERVE);
static NGINX: Opt =
    Opt::new("nginx", Value::Path("DIRECTORY"), "manage the nginx whose configuration directory this is")
        .only_with(SERVE);
static APACHE: Opt =
    Opt::new("apache", Value::Path("DIRECTORY"), "manage the Apache whose configuration directory this is")
        .only_with(SERVE);
static CADDY: Opt =
    Opt::new("caddy", Value::Text("ADDRESS"), "manage the Caddy whose admin endpoint this is")
        .only_with(SERVE);
static TERMINAL: Opt = Opt::new(
    "terminal",
    Value::None,
    "permit terminals in the browser, with a shell of the current user, to users with the permission terminal (with \
     --ephemeral: to administrators); a service of root has the setting EnableTerminals",
)
.only_with(SERVE);
static TERMINAL_IDLE: Opt = Opt::new(
    "terminal-idle",
    Value::Text("SECONDS"),
    "end a terminal after SECONDS without input, from 10 to 900 (default: the setting TerminalIdleSeconds)",
)
.only_with(SERVE);
static SERVERS: web_server::ServerOptions =
    web_server::ServerOptions { nginx: &NGINX, apache: &APACHE, caddy: &CADDY };
static READY: Opt = Opt::new(
    "ready",
    Value::Path("FILE"),
    "write {\"url\": …, \"pid\": …} to FILE once connections are accepted",
)
.only_with(SERVE);
static WEB_USER: Opt = Opt::new(
    "web-user",
    Value::Text("USER"),
    "user of the process that reads the network (default: telarch-web)",
)
.only_with(SERVE);
static PAM: Opt = Opt::new(
    "pam",
    Value::Path("DIRECTORY"),
    "directory of the PAM service file winrm (default: /etc/pam.d)",
)
.only_with(SERVE);
static PASSWORD_STDIN: Opt =
    Opt::new("password-stdin", Value::None, "read the password from the first line of standard input")
        .only_with(&[Scope::Action("users"), Scope::Action("cert")]);
static WHAT_IF: Opt =
    Opt::new("what-if", Value::None, "print the result without changing anything (also -whatif)").only_with(
        &[
            Scope::Action("set"),
            Scope::Action("restrictions"),
            Scope::Action("cert"),
            Scope::Action("firewall"),
            Scope::Action("users"),
            Scope::Action("start"),
            Scope::Action("stop"),
            Scope::Action("enable"),
        ],
    );
static DIRECTORY: Opt = Opt::new(
    "directory",
    Value::Path("DIRECTORY"),
    "directory of settings, users and state (default: /etc/telarch and /var/lib/telarch for root, and telarch in the \
     directories of the XDG specification for others)",
);
static FORMAT: Opt = TEXT_OR_JSON.only_with(&[
    Scope::Action("get"),
    Scope::Action("set"),
    Scope::Action("restrictions"),
    Scope::Action("cert"),
    Scope::Action("users"),
]);

const SERVE: &[Scope] = &[Scope::Action("serve")];
const SETTINGS: &[&str] = management::Settings::names();

fn run(arguments: &Arguments) -> Result<String, Failure> {
    match arguments.action() {
        "serve" => serve::run(arguments),
        "start" => unit::start(arguments),
        "stop" => unit::stop(arguments),
        "enable" => unit::enable(arguments),
        "get" => settings::get(arguments),
        "set" => settings::set(arguments),
        "cert" => certificates::run(arguments),
        "firewall" => firewall::run(arguments),
        "restrictions" => restrictions::run(arguments),
        _ => users::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mgmt(folder: &std::path::Path, words: &[&str]) -> Result<String, String> {
        let directory = folder.to_str().unwrap();
        let words = [words, &["--directory", directory]].concat();
        let arguments = Arguments::parse_words(&MGMT, &words).map_err(|failure| failure.to_string())?;
        run(&arguments.unwrap()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_completed_settings_are_all_settings() {
        assert_eq!(SETTINGS, management::Settings::names());
    }

    #[test]
    fn settings_are_changed_and_printed_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let mgmt = |words: &[&str]| mgmt(folder.path(), words);
        assert_eq!(mgmt(&["get", "port"]).unwrap(), "Port = 8172\n");
        assert_eq!(mgmt(&["set", "port=9000", "--what-if"]).unwrap(), "Port = 9000\n");
        assert_eq!(mgmt(&["get", "Port"]).unwrap(), "Port = 8172\n");
        assert_eq!(mgmt(&["set", "enableremotemanagement=1"]).unwrap(), "EnableRemoteManagement = true\n");
        let json = mgmt(&["get", "--format", "json"]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["EnableRemoteManagement"], true);
        assert_eq!(json["Port"], 8_172);
        assert!(mgmt(&["set", "Port=0"]).unwrap_err().contains("a port from 1 to 65535"));
        assert!(mgmt(&["get", "Color"]).unwrap_err().contains("RemoteRestrictions"));
    }

    #[test]
    fn restrictions_are_edited_imported_and_exported() {
        let folder = tempfile::tempdir().unwrap();
        let mgmt = |words: &[&str]| mgmt(folder.path(), words);
        mgmt(&["restrictions", "default", "deny"]).unwrap();
        let shown = mgmt(&["restrictions", "allow", "10.0.0.0/255.0.0.0"]).unwrap();
        assert_eq!(shown, "allow 10.0.0.0/8\ndeny all other clients\n");
        let value = mgmt(&["restrictions", "export"]).unwrap();
        assert!(value.starts_with("/wEZAgAAAAEAAABo"), "{value}");
        mgmt(&["restrictions", "allow", "fd00::/8"]).unwrap();
        assert!(mgmt(&["restrictions", "export"]).unwrap_err().contains("IPv6"));
        assert_eq!(mgmt(&["restrictions", "import", value.trim()]).unwrap(), shown);
        assert_eq!(mgmt(&["restrictions", "remove", "10.0.0.0/8"]).unwrap(), "deny all other clients\n");
        assert!(mgmt(&["restrictions", "remove", "10.0.0.0/8"]).unwrap_err().contains("no rule"));
        assert!(mgmt(&["restrictions", "maybe", "x"]).is_err());
    }

    #[test]
    fn permissions_belong_to_existing_users() {
        let folder = tempfile::tempdir().unwrap();
        let mgmt = |words: &[&str]| mgmt(folder.path(), words);
        assert_eq!(mgmt(&["users"]).unwrap(), "");
        assert!(mgmt(&["users", "allow", "ada", "/shop"]).unwrap_err().contains("no manager user ada"));
        let users = management::Users::open(folder.path().join("management-users")).unwrap();
        users.add("ada", auth::Secret::new("pw".to_owned()), "").unwrap();
        mgmt(&["users", "allow", "ada", "/shop"]).unwrap();
        assert_eq!(mgmt(&["users", "allow", "ada", "terminal"]).unwrap(), "ada may open terminals\n");
        assert_eq!(mgmt(&["users"]).unwrap(), "ada  administrator  enabled  /shop terminal\n");
        mgmt(&["users", "revoke", "ada", "terminal"]).unwrap();
        mgmt(&["users", "disable", "ada"]).unwrap();
        assert_eq!(mgmt(&["users"]).unwrap(), "ada  administrator  disabled  /shop\n");
        mgmt(&["users", "remove", "ada"]).unwrap();
        assert_eq!(mgmt(&["users"]).unwrap(), "");
    }

    #[test]
    fn changes_can_be_previewed() {
        let folder = tempfile::tempdir().unwrap();
        let mgmt = |words: &[&str]| mgmt(folder.path(), words);
        assert_eq!(mgmt(&["users", "add", "ada", "--what-if"]).unwrap(), "would add ada\n");
        assert_eq!(mgmt(&["users"]).unwrap(), "");
        assert!(mgmt(&["users", "remove", "ada", "--what-if"]).unwrap_err().contains("no manager user ada"));
        assert_eq!(
            mgmt(&["users", "allow", ".\\ben", "terminal", "--what-if"]).unwrap(),
            "would permit .\\ben to open terminals\n"
        );
        assert_eq!(
            mgmt(&["enable", "delayed", "--what-if"]).unwrap(),
            "would run systemctl disable telarch-management.service\nwould run systemctl enable telarch-management.timer\n"
        );
    }

    #[test]
    fn a_certificate_is_imported_selected_and_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let mgmt = |words: &[&str]| mgmt(folder.path(), words);
        assert!(mgmt(&["cert"]).unwrap().contains("creates it when it starts"));
        let names = ["console.example".to_owned()];
        let (_, pem) =
            management_web::Certificate::self_signed(&names, std::time::SystemTime::now()).unwrap();
        let file = folder.path().join("new.pem");
        std::fs::write(&file, pem).unwrap();
        let file = file.to_str().unwrap();
        let preview = mgmt(&["cert", "import", file, "--what-if"]).unwrap();
        assert!(
            preview.starts_with("would write") && mgmt(&["cert", "list"]).unwrap().is_empty(),
            "{preview}"
        );
        let stored = mgmt(&["cert", "import", file]).unwrap();
        let hash = stored.split_whitespace().nth(1).unwrap();
        let list = mgmt(&["cert", "list"]).unwrap();
        assert!(list.starts_with(hash) && list.contains("console.example"), "{list}");
        assert!(mgmt(&["cert", "use", &"AB".repeat(20)]).unwrap_err().contains("certificate not found"));
        mgmt(&["cert", "use", hash]).unwrap();
        assert_eq!(mgmt(&["get", "SslCertificateHash"]).unwrap(), format!("SslCertificateHash = {hash}\n"));
        let shown: serde_json::Value =
            serde_json::from_str(&mgmt(&["cert", "--format", "json"]).unwrap()).unwrap();
        assert_eq!(shown["SslCertificateHash"], hash);
        mgmt(&["cert", "use", "self-signed"]).unwrap();
        let renewed = mgmt(&["cert", "renew"]).unwrap();
        assert!(renewed.contains("SHA-256"), "{renewed}");
        assert!(mgmt(&["cert"]).unwrap().starts_with("self-signed"));
        let only = folder.path().join("only.pem");
        std::fs::write(&only, "-----BEGIN CERTIFICATE-----\n").unwrap();
        assert!(mgmt(&["cert", "import", only.to_str().unwrap()]).unwrap_err().contains("no private key"));
    }
}
