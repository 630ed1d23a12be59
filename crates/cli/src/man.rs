//! The man pages, in roff, made from the tables that the parsers read.

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

/// `winrm(1)`.
#[must_use]
pub fn winrm() -> String {
    let mut page = Roff::new("winrm", "read, change and run what is on this and other machines");
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
    page.line("A switch begins with - or /; case does not matter.");
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
    page.line("0 is success, 1 any failure. With -exitcode:detailed:");
    for (_, status, about) in Kind::ALL {
        page.item(&status.to_string(), about);
    }
    page.environment();
    page.out
}

/// `winrs(1)`.
#[must_use]
pub fn winrs() -> String {
    let mut page = Roff::new("winrs", "run a command on this or another machine");
    page.section("SYNOPSIS");
    page.line(winrs::USAGE);
    page.section("DESCRIPTION");
    page.line(winrs::ABOUT.trim_end());
    page.example(winrs::EXAMPLE);
    page.section("SWITCHES");
    page.switches(winrs::switches::SWITCHES);
    page.section("EXIT STATUS");
    page.line(&format!("That of the command. {}", winrs::EXIT_STATUS.trim_end()));
    page.line("If winrs itself fails, 1; with -exitcode:detailed:");
    for (kind, status, about) in Kind::ALL {
        if *kind != Kind::QuickConfig {
            page.item(&status.to_string(), about);
        }
    }
    page.environment();
    page.out
}

/// A page being written.
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

    /// A further paragraph of an item.
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
        self.item("/etc/telarch/config.toml", "the settings of the machine; Client is for winrm and winrs");
        self.item("~/.config/telarch/config.toml", "those of the user, which win");
        self.item("~/.config/telarch/hosts.toml", "the hosts that winrm hosts saves");
        self.section("ENVIRONMENT");
        self.item(PASSWORD_VARIABLE, "the password, if no switch gives one");
        self.item(
            CONFIG_VARIABLE,
            "the file with the settings of clients, in place of those of machine and user",
        );
        self.item(HOSTS_VARIABLE, "another file of saved hosts");
        self.item("NO_COLOR", "turns the colours off that a terminal shows");
        self.item("https_proxy, http_proxy, no_proxy", "the proxy, with -proxyaccess");
        self.item("KRB5CCNAME", "where Kerberos tickets are");
        self.item("KRB5_CLIENT_KTNAME", "the keytab with the key of a user, with which a ticket is got");
    }
}

/// Text for a line of its own: a dot or a mark at its beginning would be a request.
fn escape(text: &str) -> String {
    let inside = escape_inside(text);
    if inside.starts_with(['.', '\'']) { format!("\\&{inside}") } else { inside }
}

fn escape_inside(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
        .replace('^', "\\(ha")
        .replace('~', "\\(ti")
}
