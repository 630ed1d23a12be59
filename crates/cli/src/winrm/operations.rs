//! The table of operations: the parser, help, man page and completion all read it.

use super::switches::SWITCHES;
use crate::error::Error;
use crate::switch::Scope;

/// One operation.
pub(crate) struct Entry {
    pub(crate) verb: Verb,
    pub(crate) name: &'static str,
    /// Other names, the usual short one first.
    pub(crate) short: &'static [&'static str],
    /// The words it takes, as help writes them.
    pub(crate) words: &'static str,
    /// How many, at least and at most.
    pub(crate) count: (usize, usize),
    pub(crate) input: InputUse,
    /// One line for help, lower case, no full stop.
    pub(crate) about: &'static str,
    /// A command that works.
    pub(crate) example: &'static str,
    /// What else help says about it.
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

/// Whether an operation takes `@{...}`.
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

    /// The form of a whole command.
    pub(crate) fn usage(&self) -> String {
        let words = if self.words.is_empty() { String::new() } else { format!(" {}", self.words) };
        let input = match self.input {
            InputUse::Refused => "",
            InputUse::Optional => " ['@{KEY=\"VALUE\";...}']",
            InputUse::Required => " '@{KEY=\"VALUE\";...}'",
        };
        format!("winrm {}{words}{input} [-SWITCH[:VALUE] ...]", self.name)
    }

    /// Whether the number of words, the switches and the input are such as the operation takes.
    pub(super) fn admit(&self, words: &[String], seen: &[&'static str], input: bool) -> Result<(), Error> {
        let operation = self.name;
        let (least, most) = self.count;
        if !(least..=most).contains(&words.len()) {
            let expected = match (least, most) {
                (0, 0) => "no words",
                (0, _) => "at most one word",
                (1, _) => "one word",
                _ => "two words",
            };
            return Err(Error::WrongWords { operation, expected, found: words.len(), usage: self.usage() });
        }
        let stranger = SWITCHES
            .iter()
            .find(|switch| seen.contains(&switch.name) && !switch.scope.contains(self.verb.scope()));
        if let Some(switch) = stranger {
            return Err(Error::SwitchNotValid { name: switch.name, operation });
        }
        if input && self.input == InputUse::Refused {
            return Err(Error::InputUnexpected { operation });
        }
        Ok(())
    }
}

/// Every operation, in the order in which help lists them.
pub(crate) const OPERATIONS: &[Entry] = &[
    Entry {
        verb: Verb::Get,
        name: "get",
        short: &["g"],
        words: "RESOURCE_URI",
        count: (1, 1),
        input: InputUse::Refused,
        about: "read one instance of a resource",
        example: "winrm get winrm/config",
        details: "A resource with several instances needs selectors: wmicimv2/Win32_Service?Name=spooler.\n",
    },
    Entry {
        verb: Verb::Set,
        name: "set",
        short: &["s", "p", "put"],
        words: "RESOURCE_URI",
        count: (1, 1),
        input: InputUse::Required,
        about: "change properties of an instance",
        example: "winrm set winrm/config/client '@{TrustedHosts=\"*.example.com\"}'",
        details: "The instance is read, the named properties are replaced, and the whole is written back.\n\
                  A name must match one property, case included. The instance as it then is is printed.\n",
    },
    Entry {
        verb: Verb::Create,
        name: "create",
        short: &["c"],
        words: "RESOURCE_URI",
        count: (1, 1),
        input: InputUse::Optional,
        about: "make a new instance",
        example: "winrm create winrm/config/listener?Address=*+Transport=HTTPS '@{Port=\"5986\"}'",
        details: "The reference of the new instance is printed.\n",
    },
    Entry {
        verb: Verb::Delete,
        name: "delete",
        short: &["d"],
        words: "RESOURCE_URI",
        count: (1, 1),
        input: InputUse::Refused,
        about: "remove an instance",
        example: "winrm delete winrm/config/listener?Address=*+Transport=HTTP",
        details: "Nothing is printed when it succeeds.\n",
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
        details: "Instances are printed as they arrive. winrm help filters tells how to pick some of them.\n",
    },
    Entry {
        verb: Verb::Invoke,
        name: "invoke",
        short: &["i"],
        words: "ACTION RESOURCE_URI",
        count: (2, 2),
        input: InputUse::Optional,
        about: "call a method of a resource",
        example: "winrm invoke StartService wmicimv2/Win32_Service?Name=spooler",
        details: "ACTION is the name of a method or a whole action URI. What the method returns is printed.\n\
                  winrm invoke restore winrm/config '@{}' puts the settings back to their defaults, but for\n\
                  listeners and certificate mappings; restore winrm/config/plugin does so for plug-ins.\n",
    },
    Entry {
        verb: Verb::Identify,
        name: "identify",
        short: &["id"],
        words: "",
        count: (0, 0),
        input: InputUse::Refused,
        about: "ask a service what it is",
        example: "winrm identify -remote:server7 -auth:none",
        details: "With -auth:none no one logs in, which shows whether the service answers at all.\n",
    },
    Entry {
        verb: Verb::QuickConfig,
        name: "quickconfig",
        short: &["qc"],
        words: "",
        count: (0, 0),
        input: InputUse::Refused,
        about: "make this machine ready to be managed",
        example: "winrm quickconfig",
        details: "It has the service started at boot, makes a listener and opens the firewall for it, and asks\n\
                  before unless -quiet or -force is given. What is done already is left as it is; a service that\n\
                  does not run is started. -whatif only shows the changes, and -undo takes back those that it made.\n\
                  With -remote it sets up another machine.\n",
    },
    Entry {
        verb: Verb::ConfigSddl,
        name: "configSDDL",
        short: &[],
        words: "RESOURCE_URI|default",
        count: (1, 1),
        input: InputUse::Refused,
        about: "edit who may use a resource",
        example: "winrm configSDDL default",
        details: "At a terminal it shows who may do what, asks for changes, and asks again before it writes them;\n\
                  without one, -sddl gives the new security descriptor as text. The word default stands for\n\
                  RootSDDL, which counts wherever no plug-in has an entry of its own; a URI stands for the\n\
                  entry of the plug-in that answers for it, and for all that begins with it.\n",
    },
    Entry {
        verb: Verb::Doctor,
        name: "doctor",
        short: &[],
        words: "[ENDPOINT]",
        count: (0, 1),
        input: InputUse::Refused,
        about: "look for what keeps one from a service, and say how to mend it",
        example: "winrm doctor server7 -u:ada",
        details: "It looks at one thing after the other: the name of the host, its port, TLS, who answers, the\n\
                  schemes to sign in with, realm, KDC, clocks, ticket and service principal name of Kerberos,\n\
                  signing in, access, quotas, a shell, latency and throughput. Without an endpoint it looks at\n\
                  the service of this machine: unit, settings, policy, accounts, socket, listeners, ports,\n\
                  certificates and firewall. Begin with the first line that says fail: what hangs on it was\n\
                  skipped. Nothing is changed there, but for a shell that is opened and closed; what could be\n\
                  read on the way, or hands the password over, is tried only if a switch asks for it.\n\
                  The exit status is 0 if nothing has failed, else 1.\n",
    },
    Entry {
        verb: Verb::Shells,
        name: "shells",
        short: &[],
        words: "[ID]",
        count: (0, 1),
        input: InputUse::Refused,
        about: "list remote shells, or end them",
        example: "winrm shells -remote:server7 -mine -kill",
        details: "At a terminal it is a table, else what enumerate shell prints. Shells that nobody closed count\n\
                  against MaxShellsPerUser until their IdleTimeout: -kill ends the one that is named, or with\n\
                  -mine all of the user who asks. Others' shells are shown to administrators only.\n",
    },
    Entry {
        verb: Verb::Hosts,
        name: "hosts",
        short: &[],
        words: "[NAME]",
        count: (0, 1),
        input: InputUse::Refused,
        about: "list, save or forget hosts under short names",
        example: "winrm hosts web1 -remote:https://web1.example.com:5986 -username:operator",
        details: "A saved name goes wherever an endpoint does: winrm identify -r:web1, winrs -r:web1 hostname.\n\
                  What is given beside it counts before what is saved. Passwords are never saved. The file is\n\
                  ~/.config/telarch/hosts.toml, or the one that TELARCH_HOSTS names:\n\n    \
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
        about: "list TrustedHosts of this client, or add or remove one host",
        example: "winrm trust server7",
        details: "Over HTTP nothing but Kerberos proves who a host is, so nothing else is sent to one that is not\n\
                  in TrustedHosts. A host is added to the settings of this user, or of the machine for root; the\n\
                  risk is told. HTTPS and Kerberos need no such trust.\n",
    },
    Entry {
        verb: Verb::HelpMsg,
        name: "helpmsg",
        short: &["explain"],
        words: "CODE",
        count: (1, 1),
        input: InputUse::Refused,
        about: "tell what an error number means and what to do",
        example: "winrm helpmsg 0x80338012",
        details: "CODE may be decimal, negative, hexadecimal with 0x, or a symbol.\n",
    },
    Entry {
        verb: Verb::Help,
        name: "help",
        short: &["?"],
        words: "[TOPIC]",
        count: (0, 1),
        input: InputUse::Refused,
        about: "show help; winrm help all shows every page",
        example: "winrm help uris",
        details: "",
    },
];
