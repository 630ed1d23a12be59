//! Table of operations, read by the parser, help, man page and completion.

use crate::switch::Scope;

/// One operation.
pub(crate) struct Entry {
    pub(crate) verb: Verb,
    pub(crate) name: &'static str,
    /// Other names, the usual short one first.
    pub(crate) short: &'static [&'static str],
    /// Positional arguments, as shown in help.
    pub(crate) words: &'static str,
    /// Minimum and maximum number of positional arguments.
    pub(crate) count: (usize, usize),
    pub(crate) input: InputUse,
    /// One line for help, lower case, no full stop.
    pub(crate) about: &'static str,
    /// Complete example command.
    pub(crate) example: &'static str,
    /// Further help text, empty or ending with a newline.
    pub(crate) details: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Set,
    Create,
    Delete,
    Enumerate,
    Invoke,
    Identify,
    QuickConfig,
    ConfigSddl,
    Doctor,
    Shells,
    Hosts,
    Trust,
    HelpMsg,
    Help,
}

/// Use of key/value input, `@{...}`, by an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputUse {
    Refused,
    Optional,
    Required,
}

impl Verb {
    pub(crate) const fn scope(self) -> Scope {
        Scope(1 << self as u32)
    }
}

impl Entry {
    pub(crate) fn is_named(&self, word: &str) -> bool {
        std::iter::once(&self.name).chain(self.short).any(|name| name.eq_ignore_ascii_case(word))
    }

    /// Returns the usage line.
    pub(crate) fn usage(&self) -> String {
        let words = if self.words.is_empty() { String::new() } else { format!(" {}", self.words) };
        let input = match self.input {
            InputUse::Refused => "",
            InputUse::Optional => " ['@{KEY=\"VALUE\";...}']",
            InputUse::Required => " '@{KEY=\"VALUE\";...}'",
        };
        format!("winrm {}{words}{input} [-SWITCH[:VALUE] ...]", self.name)
    }
}

/// Every operation, in help order.
pub(crate) const OPERATIONS: &[Entry] = &[
    Entry {
        verb: Verb::Get,
        name: "get",
        short: &["g"],
        words: "RESOURCE_URI",
        count: (1, 1),
        input: InputUse::Refused,
        about: "show one instance of a resource",
        example: "winrm get winrm/config",
        details: "If the resource has several instances, use selectors: wmicimv2/Win32_Service?Name=spooler.\n",
    },
    Entry {
        verb: Verb::Set,
        name: "set",
        short: &["s", "p", "put"],
        words: "RESOURCE_URI",
        count: (1, 1),
        input: InputUse::Required,
        about: "modify properties of an instance",
        example: "winrm set winrm/config/client '@{TrustedHosts=\"*.example.com\"}'",
        details: "winrm reads the instance, replaces the named properties, writes the whole instance back,\n\
                  and prints the result. Property names are case-sensitive.\n",
    },
    Entry {
        verb: Verb::Create,
        name: "create",
        short: &["c"],
        words: "RESOURCE_URI",
        count: (1, 1),
        input: InputUse::Optional,
        about: "create an instance",
        example: "winrm create winrm/config/listener?Address=*+Transport=HTTPS '@{Port=\"5986\"}'",
        details: "Prints the endpoint reference of the new instance.\n",
    },
    Entry {
        verb: Verb::Delete,
        name: "delete",
        short: &["d"],
        words: "RESOURCE_URI",
        count: (1, 1),
        input: InputUse::Refused,
        about: "delete an instance",
        example: "winrm delete winrm/config/listener?Address=*+Transport=HTTP",
        details: "Prints nothing on success.\n",
    },
    Entry {
        verb: Verb::Enumerate,
        name: "enumerate",
        short: &["e", "enum"],
        words: "RESOURCE_URI",
        count: (1, 1),
        input: InputUse::Refused,
        about: "list the instances of a resource",
        example: "winrm enumerate winrm/config/listener",
        details: "Instances are printed as they arrive. To select instances, see winrm help filters.\n",
    },
    Entry {
        verb: Verb::Invoke,
        name: "invoke",
        short: &["i"],
        words: "ACTION RESOURCE_URI",
        count: (2, 2),
        input: InputUse::Optional,
        about: "invoke a method of a resource",
        example: "winrm invoke StartService wmicimv2/Win32_Service?Name=spooler",
        details: "ACTION is the name of a method or an action URI. Prints the output of the method.\n\
                  winrm invoke restore winrm/config '@{}' resets the configuration to its defaults, except\n\
                  listeners and certificate mappings; restore winrm/config/plugin resets the plug-ins.\n",
    },
    Entry {
        verb: Verb::Identify,
        name: "identify",
        short: &["id"],
        words: "",
        count: (0, 0),
        input: InputUse::Refused,
        about: "show product and version of a service",
        example: "winrm identify -remote:server7 -auth:none",
        details: "With -auth:none, no credentials are sent: use it to test whether the service responds.\n",
    },
    Entry {
        verb: Verb::QuickConfig,
        name: "quickconfig",
        short: &["qc"],
        words: "",
        count: (0, 0),
        input: InputUse::Refused,
        about: "set up this machine for remote management",
        example: "winrm quickconfig",
        details: "Starts the service and enables it at boot, creates a listener, and opens the firewall for it.\n\
                  Steps already done are skipped. quickconfig asks for confirmation unless -quiet or -force is\n\
                  given. -whatif shows the changes without making them; -undo reverts the changes that\n\
                  quickconfig made. With -remote, it sets up another machine.\n\
                  Then it verifies which authentication schemes users can sign in with. If there is none, it asks\n\
                  for an account (NTLM) or enables Basic over HTTPS; -accounts chooses without a question, and\n\
                  -quiet enables Basic over HTTPS if the passwords of users can be verified. The exit status is 1\n\
                  if no user can sign in. The password of a new account is prompted for, or read from the\n\
                  variable TELARCH_PASSWORD.\n",
    },
    Entry {
        verb: Verb::ConfigSddl,
        name: "configSDDL",
        short: &[],
        words: "RESOURCE_URI|default",
        count: (1, 1),
        input: InputUse::Refused,
        about: "edit the security descriptor of a resource",
        example: "winrm configSDDL default",
        details: "On a terminal, it lists the access rights, prompts for changes, and asks for confirmation before\n\
                  it writes them. Otherwise, -sddl specifies the new security descriptor. The argument default\n\
                  selects RootSDDL, which applies wherever a plug-in has no entry of its own; a resource URI\n\
                  selects the plug-in entry for that URI and all URIs that begin with it.\n",
    },
    Entry {
        verb: Verb::Doctor,
        name: "doctor",
        short: &[],
        words: "[ENDPOINT]",
        count: (0, 1),
        input: InputUse::Refused,
        about: "diagnose connection problems and suggest fixes",
        example: "winrm doctor server7 -u:ada",
        details: "Checks, in order: host name, port, TLS, identify, authentication schemes, Kerberos realm, KDC,\n\
                  clock, ticket and service principal name, sign-in, access, quotas, shell, latency and\n\
                  throughput. Without an endpoint, it checks the service of this machine: unit, settings,\n\
                  policy, accounts, socket, listeners, ports, certificates, firewall and schemes. Start with the first\n\
                  line marked fail; checks that depend on it are skipped. Doctor changes nothing, except that it\n\
                  opens and closes a shell. Schemes that send a readable password or delegate it to the service\n\
                  are tried only if a switch requests them. The exit status is 0 if no check failed, otherwise 1.\n",
    },
    Entry {
        verb: Verb::Shells,
        name: "shells",
        short: &[],
        words: "[ID]",
        count: (0, 1),
        input: InputUse::Refused,
        about: "list or close remote shells",
        example: "winrm shells -remote:server7 -mine -kill",
        details: "Prints a table on a terminal, and otherwise the output of enumerate shell. Abandoned shells count\n\
                  against MaxShellsPerUser until their IdleTimeout expires: -kill closes the shell with the\n\
                  given ID, or with -mine all shells of the current user. Only administrators see the shells of\n\
                  other users.\n",
    },
    Entry {
        verb: Verb::Hosts,
        name: "hosts",
        short: &[],
        words: "[NAME]",
        count: (0, 1),
        input: InputUse::Refused,
        about: "list, save or delete hosts under short names",
        example: "winrm hosts web1 -remote:https://web1.example.com:5986 -username:operator",
        details: "A saved name can be used in place of an endpoint: winrm identify -r:web1, winrs -r:web1 hostname.\n\
                  Switches override the saved values. Passwords are never saved. Hosts are saved in\n\
                  ~/.config/telarch/hosts.toml, or in the file named by the variable TELARCH_HOSTS:\n\n    \
                  [web1]\n    Address = \"web1.example.com\"\n    Transport = \"https\"\n    Port = 5986\n    \
                  Authentication = \"kerberos\"\n    UserName = \"operator@EXAMPLE.COM\"\n",
    },
    Entry {
        verb: Verb::Trust,
        name: "trust",
        short: &[],
        words: "[HOST]",
        count: (0, 1),
        input: InputUse::Refused,
        about: "list, add or remove TrustedHosts of this client",
        example: "winrm trust server7",
        details: "Over HTTP, only Kerberos proves the identity of the host, so credentials for other schemes are sent\n\
                  only to hosts in TrustedHosts. The host is added to the settings of the current user, or to the\n\
                  machine settings for root, after a warning. HTTPS and Kerberos do not need TrustedHosts.\n",
    },
    Entry {
        verb: Verb::HelpMsg,
        name: "helpmsg",
        short: &["explain"],
        words: "CODE",
        count: (1, 1),
        input: InputUse::Refused,
        about: "explain an error code",
        example: "winrm helpmsg 0x80338012",
        details: "CODE is a decimal number, which may be negative, a hexadecimal number with 0x, or a symbolic name.\n",
    },
    Entry {
        verb: Verb::Help,
        name: "help",
        short: &["?"],
        words: "[TOPIC]",
        count: (0, 1),
        input: InputUse::Refused,
        about: "show help (winrm help all: every page)",
        example: "winrm help uris",
        details: "",
    },
];
