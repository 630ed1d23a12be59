//! The command line of `winrm`.
//!
//! `winrm OPERATION [ACTION] [RESOURCE_URI] ['@{KEY="VALUE";...}'] [-SWITCH[:VALUE] ...]`

mod build;
mod filter;
mod fleet;
mod hosts;
mod list;
pub(crate) mod operations;
mod quick_config;
mod run;
mod sddl;
mod shells;
pub(crate) mod switches;
mod trust;
mod watch;
mod what_if;

use std::path::PathBuf;

use crate::connection::Connection;
use crate::doctor::Examination;
use crate::endpoint::Transport;
use crate::error::Error;
use crate::failure::ExitCodes;
use crate::format::Format;
use crate::help::Page;
use crate::hosts::{Name, SavedHost, SavedHosts};
use crate::input::KeyValues;
use crate::locator::Locator;
use crate::switch::{Filling, Item, nearest};

use operations::{OPERATIONS, Verb};

pub use filter::{Dialect, Filter};
pub use run::{Conversation, Done, Streams, run, run_on};
pub use watch::{Told, watch};

/// What a command line of `winrm` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invocation {
    /// A page of help.
    Help(Page),
    /// The version of the program.
    Version,
    /// What an error number means, in whatever spelling it was typed (`helpmsg`).
    HelpMessage(String),
    /// A search for what is wrong (`doctor`).
    Examine(Box<Examination>),
    /// An operation on a service.
    Run(Box<Command>),
}

/// An operation on a service, with all it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What to do.
    pub operation: Operation,
    /// Where, and as whom.
    pub connection: Connection,
    /// Options for the provider (`-options`).
    pub options: KeyValues,
    /// Whether it is done, or only shown.
    pub intent: Intent,
    /// How to print the result.
    pub format: Format,
    /// How to tell failures apart by exit status.
    pub exit_codes: ExitCodes,
    /// What was said on the command line and changes nothing, a line each.
    pub notices: Vec<String>,
    /// The hosts that are all asked the same (`-hosts`); the connection is then that to the first.
    pub fleet: Option<Fleet>,
}

/// Whether a change is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intent {
    /// It is.
    #[default]
    Do,
    /// It is only shown (`-whatif`).
    Show,
}

/// Hosts that are all asked the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Each as it was named, and how it is reached; none is there twice.
    pub members: Vec<(String, Connection)>,
    /// How many are asked at a time.
    pub parallel: usize,
}

/// The operations of WS-Management, and those that several of them make up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Reads one instance.
    Get {
        /// Which.
        locator: Locator,
        /// A part of it.
        fragment: Option<Fragment>,
    },
    /// Changes one instance: Get, replace, Put.
    Set {
        /// Which.
        locator: Locator,
        /// A part of it.
        fragment: Option<Fragment>,
        /// The new values.
        input: Input,
    },
    /// Makes a new instance.
    Create {
        /// Which.
        locator: Locator,
        /// Its properties.
        input: Input,
    },
    /// Removes one instance.
    Delete {
        /// Which.
        locator: Locator,
    },
    /// Lists instances.
    Enumerate {
        /// Of which resource.
        locator: Locator,
        /// Which of them, and how.
        enumeration: Enumeration,
    },
    /// Calls a method.
    Invoke {
        /// Its name, or a whole action URI; see [`Locator::action_uri`].
        action: String,
        /// Of which resource.
        locator: Locator,
        /// Its parameters.
        input: Input,
    },
    /// Asks a service what it is.
    Identify,
    /// Makes the local service ready to be used.
    QuickConfig {
        /// For which transport a listener is made.
        transport: Transport,
        /// Whether to ask before a change.
        asking: Asking,
        /// Whether a public network zone stops it.
        public_zone: PublicZone,
        /// Whether to do it or to take it back.
        task: QuickConfigTask,
        /// What Windows does not know.
        extras: Extras,
    },
    /// Edits who may use a resource.
    ConfigSddl {
        /// Which descriptor.
        target: SddlTarget,
        /// The new descriptor; without it a dialogue asks at the terminal.
        sddl: Option<String>,
    },
    /// Lists the shells of a service, or ends some.
    Shells {
        /// Which.
        choice: ShellChoice,
        /// What becomes of them.
        fate: Fate,
    },
    /// Looks after saved hosts.
    Hosts {
        /// What to do.
        task: HostsTask,
        /// Where they are.
        hosts: SavedHosts,
    },
    /// Looks after the hosts that need no proof of who they are (`TrustedHosts`).
    Trust(TrustTask),
}

/// Which shells are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellChoice {
    /// Each one that is shown to the user.
    All,
    /// Those of the user who asks (`-mine`).
    Mine,
    /// The one with this identifier.
    One(String),
}

/// What becomes of shells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are listed.
    Listed,
    /// They are ended, with what runs in them (`-kill`).
    Ended,
}

/// What to do with saved hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostsTask {
    /// Lists them.
    List,
    /// Shows one.
    Show(HostName),
    /// Saves one.
    Save(Box<SavedHost>),
    /// Forgets one (`-delete`).
    Forget(HostName),
}

/// What a host is saved under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(pub(crate) Name);

/// What to do with the list of trusted hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustTask {
    /// Shows it.
    List,
    /// Adds a host.
    Add(String),
    /// Takes a host off it (`-delete`).
    Remove(String),
}

impl Operation {
    /// Whether what it sends comes from standard input.
    fn reads_standard_input(&self) -> bool {
        let (Self::Set { input, .. } | Self::Create { input, .. } | Self::Invoke { input, .. }) = self else {
            return false;
        };
        matches!(input, Input::File(file) if file == std::path::Path::new("-"))
    }

    /// Whether what it sends comes from a file.
    fn reads_file(&self) -> bool {
        let (Self::Set { input, .. } | Self::Create { input, .. } | Self::Invoke { input, .. }) = self else {
            return false;
        };
        matches!(input, Input::File(_))
    }
}

/// A part of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The path of the part.
    pub path: String,
    /// The URI of the language it is written in.
    pub dialect: Dialect,
}

/// Where the XML of `set`, `create` and `invoke` comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Keys and values, perhaps none.
    Values(KeyValues),
    /// A file with the whole element; `-` is standard input.
    File(PathBuf),
}

/// Which instances to list, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enumeration {
    /// Which; all without one.
    pub filter: Option<Filter>,
    /// What comes back for each.
    pub returns: ReturnType,
    /// How derived classes are treated.
    pub hierarchy: Hierarchy,
}

/// What comes back for each instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReturnType {
    /// The instance.
    #[default]
    Object,
    /// Its endpoint reference.
    Epr,
    /// Both.
    ObjectAndEpr,
}

/// How an enumeration treats derived classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hierarchy {
    /// Their instances too, with all properties.
    #[default]
    Deep,
    /// Their instances too, with the properties of the base class.
    BasePropertiesOnly,
    /// The class alone.
    Shallow,
}

/// Whether `quickconfig` asks before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// It does.
    Before,
    /// It does not (`-quiet`, `-force`).
    Never,
}

/// Whether a network interface in a public zone stops `quickconfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicZone {
    /// It does.
    Stops,
    /// It does not (`-force`).
    Ignored,
}

/// What `quickconfig` is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuickConfigTask {
    /// To make the machine ready.
    #[default]
    SetUp,
    /// To take back what it did before (`-undo`).
    TakeBack,
}

/// What `quickconfig` of Windows does not know; a service of Windows is told nothing of it unless it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// A certificate of an authority, or none (`-strict`).
    pub strict: bool,
    /// The zone of firewalld (`-zone`).
    pub zone: Option<String>,
    /// From which networks (`-remoteaddress`).
    pub remote_addresses: Vec<String>,
    /// Whose members are to open shells (`-allowgroup`).
    pub group: Option<String>,
}

/// Which security descriptor `configSDDL` edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SddlTarget {
    /// `RootSDDL`, which counts where no other does.
    Root,
    /// That of the resources beginning with a URI.
    Resource(Locator),
}

/// Reads a command line; `arguments` are without the name of the program.
///
/// # Errors
/// [`Error`] says what was not understood and what to write instead.
pub fn parse(arguments: &[String]) -> Result<Invocation, Error> {
    parse_with(arguments, &SavedHosts::none())
}

/// The same, where hosts may be named as they are saved.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(arguments: &[String], hosts: &SavedHosts) -> Result<Invocation, Error> {
    let Some((first, rest)) = arguments.split_first() else { return Ok(Invocation::Help(Page::General)) };
    match Item::read(switches::SWITCHES, first)? {
        Item::Help | Item::Ignored => return Ok(Invocation::Help(Page::General)),
        Item::Version => return Ok(Invocation::Version),
        Item::Switch(..) => return Err(Error::WordBehindSwitch { word: "the operation".to_owned() }),
        Item::Word => {}
    }
    let Some(operation) = OPERATIONS.iter().find(|operation| operation.is_named(first)) else {
        let names = OPERATIONS.iter().map(|operation| operation.name);
        return Err(Error::UnknownOperation { word: first.clone(), nearest: nearest(first, names) });
    };
    let words = match Words::read(rest, operation)? {
        Some(words) => words,
        None => return Ok(Invocation::Help(Page::Operation(operation.name))),
    };
    operation.admit(&words.positionals, words.switches.seen(), words.input.is_some())?;
    match operation.verb {
        Verb::Help => Ok(Invocation::Help(Page::find(words.positionals.first().map(String::as_str)))),
        Verb::HelpMsg => {
            Ok(Invocation::HelpMessage(words.positionals.into_iter().next().unwrap_or_default()))
        }
        Verb::Doctor => {
            let endpoint = words.positionals.into_iter().next();
            Examination::read(endpoint, words.switches.draft, hosts)
                .map(|examination| Invocation::Examine(Box::new(examination)))
        }
        verb => build::command(verb, words, hosts).map(|command| Invocation::Run(Box::new(command))),
    }
}

/// The exit statuses a command line asks for, also when the rest of it is not understood.
#[must_use]
pub fn exit_codes(arguments: &[String]) -> ExitCodes {
    let detailed = |item: &String| {
        let body = item.strip_prefix(['-', '/']).unwrap_or_default();
        body.eq_ignore_ascii_case("exitcode:detailed")
    };
    if arguments.iter().any(detailed) { ExitCodes::Detailed } else { ExitCodes::Plain }
}

/// A command line taken apart, behind the operation.
struct Words {
    positionals: Vec<String>,
    input: Option<KeyValues>,
    switches: Filling<switches::Draft>,
    notices: Vec<String>,
}

impl Words {
    /// Sorts what was typed; none if it asks for help.
    fn read(items: &[String], operation: &operations::Entry) -> Result<Option<Self>, Error> {
        let (positionals, notices) = (Vec::new(), Vec::new());
        let mut words = Self { positionals, input: None, switches: Filling::new(), notices };
        for item in items {
            match Item::read(switches::SWITCHES, item)? {
                Item::Help => return Ok(None),
                Item::Version | Item::Ignored => {
                    words.notices.push(format!("{item} is passed over: a switch begins with one - or /"));
                }
                Item::Switch(switch, value) => words.switches.store(switch, value)?,
                Item::Word if item.starts_with('@') => words.add_input(item, operation)?,
                Item::Word if !words.switches.seen().is_empty() => {
                    return Err(Error::WordBehindSwitch { word: item.clone() });
                }
                Item::Word => words.positionals.push(without_quotes(item)),
            }
        }
        Ok(Some(words))
    }

    fn add_input(&mut self, item: &str, operation: &operations::Entry) -> Result<(), Error> {
        let input = KeyValues::parse_input(item)?;
        if self.input.replace(input).is_some() {
            let (operation, expected) = (operation.name, "one @{...}");
            return Err(Error::WrongWords {
                operation,
                expected,
                found: 2,
                usage: OPERATIONS_USAGE.to_owned(),
            });
        }
        Ok(())
    }
}

const OPERATIONS_USAGE: &str = "winrm OPERATION RESOURCE_URI '@{KEY=\"VALUE\";KEY2=\"VALUE2\"}'";

fn without_quotes(word: &str) -> String {
    let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
    inner.unwrap_or(word).to_owned()
}
