//! Man pages in roff format, generated from the tables that the parsers use.

use crate::failure::Kind;
use crate::help::TOPICS;
use crate::hosts::HOSTS_VARIABLE;
use crate::locator::ALIASES;
use crate::secret::PASSWORD_VARIABLE;
use crate::settings::CONFIG_VARIABLE;
use crate::switch::{Scope, Switch};
use crate::winrm::operations::OPERATIONS;
use crate::winrm::switches;
use crate::winrs;

/// Returns the man page `winrm(1)`.
#[must_use]
pub fn winrm() -> String {
    let mut page = Roff::new("winrm", "manage local and remote machines over WS-Management");
    page.section("SYNOPSIS");
    page.line("winrm OPERATION [ACTION] [RESOURCE_URI] ['@{KEY=\"VALUE\";...}'] [-SWITCH[:VALUE] ...]");
    page.section("OPERATIONS");
    for operation in OPERATIONS {
        let names: Vec<&str> = std::iter::once(&operation.name).chain(operation.short).copied().collect();
        page.item(&format!("{} {}", names.join(", "), operation.words), operation.about);
        page.paragraph(operation.details.trim_end());
        page.example(operation.example);
    }
    page.section("SWITCHES");
    page.line("Switches begin with - or / and are case-insensitive.");
    page.switches(switches::SWITCHES);
    for topic in TOPICS.iter().filter(|topic| !matches!(topic.name, "switches" | "alias")) {
        page.section(&topic.name.to_uppercase());
        page.plain(topic.text);
    }
    page.section("ALIASES");
    for alias in ALIASES {
        page.item(alias.name, alias.uri);
    }
    page.section("EXIT STATUS");
    page.line("0 on success, 1 on failure. With -exitcode:detailed:");
    for (_, status, about) in Kind::ALL {
        page.item(&status.to_string(), about);
    }
    page.environment();
    page.out
}

/// Returns the man page `winrs(1)`.
#[must_use]
pub fn winrs() -> String {
    let mut page = Roff::new("winrs", "run a command on a local or remote machine");
    page.section("SYNOPSIS");
    page.line(winrs::USAGE);
    page.section("DESCRIPTION");
    page.line(winrs::ABOUT.trim_end());
    page.example(winrs::EXAMPLE);
    page.section("SWITCHES");
    page.switches(winrs::switches::SWITCHES);
    page.section("EXIT STATUS");
    page.line(&format!("The exit code of the command. {}", winrs::EXIT_STATUS.trim_end()));
    page.line("1 if winrs itself fails. With -exitcode:detailed:");
    for (kind, status, about) in Kind::ALL {
        if *kind != Kind::QuickConfig {
            page.item(&status.to_string(), about);
        }
    }
    page.environment();
    page.out
}

/// Man page under construction.
struct Roff {
    out: String,
}

impl Roff {
    fn new(name: &str, about: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let head = format!(".TH {} 1 \"\" \"Telarch {version}\"\n", name.to_uppercase());
        let mut page = Self { out: head };
        page.section("NAME");
        page.out.push_str(&format!("{name} \\- {}\n", escape(about)));
        page
    }

    fn section(&mut self, title: &str) {
        self.out.push_str(&format!(".SH {title}\n"));
    }

    fn line(&mut self, text: &str) {
        for line in text.lines() {
            self.out.push_str(&escape(line));
            self.out.push('\n');
        }
    }

    fn item(&mut self, term: &str, text: &str) {
        self.out.push_str(&format!(".TP\n\\fB{}\\fR\n", escape_inside(term.trim_end())));
        self.line(text);
    }

    /// Adds another paragraph to the current item.
    fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.push_str(".IP\n");
            self.line(text);
        }
    }

    fn example(&mut self, command: &str) {
        self.paragraph(command);
    }

    fn plain(&mut self, text: &str) {
        self.out.push_str(".nf\n");
        self.line(text.trim_end());
        self.out.push_str(".fi\n");
    }

    fn switches<D>(&mut self, table: &[Switch<D>]) {
        for switch in table.iter().filter(|switch| switch.scope != Scope(0)) {
            let short: String = switch.short.iter().map(|name| format!(", -{name}")).collect();
            self.item(&format!("{}{short}", switch.usage()), switch.about);
        }
    }

    fn environment(&mut self) {
        self.section("FILES");
        self.item("/etc/telarch/config.toml", "machine settings; winrm and winrs use the Client section");
        self.item("~/.config/telarch/config.toml", "user settings, which override the machine settings");
        self.item("~/.config/telarch/hosts.toml", "hosts saved by winrm hosts");
        self.section("ENVIRONMENT");
        self.item(PASSWORD_VARIABLE, "password, if no switch specifies one");
        self.item(
            CONFIG_VARIABLE,
            "file with client settings, used instead of the machine and user settings",
        );
        self.item(HOSTS_VARIABLE, "file of saved hosts");
        self.item("NO_COLOR", "disables colours if not empty");
        self.item("https_proxy, http_proxy, no_proxy", "proxy settings, used with -proxyaccess");
        self.item("KRB5CCNAME", "Kerberos credential cache");
        self.item("KRB5_CLIENT_KTNAME", "keytab with the key of the user, used to get a ticket");
    }
}

/// Escapes a line of text. A dot or apostrophe at its beginning would start a roff request.
fn escape(text: &str) -> String {
    let inside = escape_inside(text);
    if inside.starts_with(['.', '\'']) { format!("\\&{inside}") } else { inside }
}

/// Escapes text inside a line of a manual page.
#[must_use]
pub fn escape_inside(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
        .replace('^', "\\(ha")
        .replace('~', "\\(ti")
}
