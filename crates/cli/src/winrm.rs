//! The command line of `winrm`.
//!
//! `winrm OPERATION [ACTION] [RESOURCE_URI] ['@{KEY="VALUE";...}'] [-SWITCH[:VALUE] ...]`

mod build;
pub mod descriptor_dialogue;
mod filter;
mod fleet;
mod hosts;
mod list;
mod one_host;
pub(crate) mod operations;
mod prediction;
pub mod principals;
mod quick_config;
mod run;
mod sddl;
mod service_command;
mod shells;
mod source_note;
mod streams;
pub(crate) mod switches;
mod trust;
mod watch;
mod what_if;

use std::path::PathBuf;

use wsman::FragmentTransfer;

use crate::connection::Connection;
use crate::doctor::DoctorCommand;
use crate::endpoint::Transport;
use crate::error::Error;
use crate::failure::ExitCodes;
use crate::format::Format;
use crate::help::Page;
use crate::hosts::{Name, SavedHost, SavedHosts};
use crate::input::KeyValues;
use crate::locator::Locator;
use crate::switch::{Item, ParsedSwitches, nearest};

use operations::{OPERATIONS, Verb};

pub(crate) use build::members;
pub use filter::{Dialect, Filter};
pub(crate) use fleet::with_shared_passwords;
pub use list::Items;
pub use one_host::CommandRunner;
pub use run::{run, run_on};
pub use streams::{Completion, Streams};
pub use watch::{WatchEvent, watch};

/// A parsed `winrm` command line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invocation {
    /// Show a help page.
    Help(Page),
    /// Show the program version.
    Version,
    /// Explain an error code, given as typed (`helpmsg`).
    HelpMessage(String),
    /// Diagnose connection problems (`doctor`).
    Doctor(Box<DoctorCommand>),
    /// Perform an operation on a service.
    Run(Box<Command>),
}

/// An operation with its connection and output options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Operation to perform.
    pub operation: Operation,
    /// Endpoint and credentials.
    pub connection: Connection,
    /// Options for the provider (`-options`).
    pub options: KeyValues,
    /// Whether changes are made or only shown.
    pub intent: Intent,
    /// Output format.
    pub format: Format,
    /// Mapping of failures to exit statuses.
    pub exit_codes: ExitCodes,
    /// Warnings about switches without effect, one line each.
    pub notices: Vec<String>,
    /// Hosts of `-hosts`; `connection` is then the connection to the first host.
    pub fleet: Option<Fleet>,
}

/// Whether changes are made or only shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intent {
    /// Make the changes.
    #[default]
    Apply,
    /// Only show the changes (`-whatif`).
    Preview,
}

/// Several hosts that run the same operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Host names as typed, each with its connection; every host is unique.
    pub members: Vec<(String, Connection)>,
    /// Maximum number of hosts in progress at the same time.
    pub parallel: usize,
}

/// A WS-Management operation, or a task composed of several operations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Reads one instance.
    Get {
        /// Instance to read.
        locator: Locator,
        /// Part of the instance to read; `None` for the whole instance.
        fragment: Option<Fragment>,
    },
    /// Modifies one instance: Get, replace, Put.
    Set {
        /// Instance to modify.
        locator: Locator,
        /// Part of the instance to modify; `None` for the whole instance.
        fragment: Option<Fragment>,
        /// New values.
        input: Input,
    },
    /// Creates an instance.
    Create {
        /// Resource to create.
        locator: Locator,
        /// Properties of the new instance.
        input: Input,
    },
    /// Deletes one instance.
    Delete {
        /// Instance to delete.
        locator: Locator,
    },
    /// Lists instances.
    Enumerate {
        /// Resource to list.
        locator: Locator,
        /// Filter and form of the result.
        enumeration: Enumeration,
    },
    /// Invokes a method.
    Invoke {
        /// Name of the method or action URI; see [`Locator::action_uri`].
        action: String,
        /// Resource that has the method.
        locator: Locator,
        /// Parameters of the method.
        input: Input,
    },
    /// Requests product and version of a service.
    Identify,
    /// Sets up a machine for remote management.
    QuickConfig {
        /// Transport of the listener to create.
        transport: Transport,
        /// Whether to ask before a change.
        confirmation: Confirmation,
        /// Whether a public network zone prevents the change.
        public_zone: PublicZone,
        /// Whether to set up the machine or to undo it.
        task: QuickConfigTask,
        /// Options that Windows does not have.
        options: QuickConfigOptions,
    },
    /// Edits a security descriptor.
    ConfigSddl {
        /// Descriptor to edit.
        target: SddlTarget,
        /// New descriptor; `None` opens a dialogue on the terminal.
        sddl: Option<String>,
    },
    /// Lists or closes shells.
    Shells {
        /// Shells to list or close.
        selection: ShellSelection,
        /// Action to perform on the shells.
        action: ShellAction,
    },
    /// Manages saved hosts.
    Hosts {
        /// Task to perform.
        task: HostsTask,
        /// File of saved hosts.
        hosts: SavedHosts,
    },
    /// Manages `TrustedHosts`, the hosts that need not prove their identity.
    Trust(TrustTask),
}

/// Selection of shells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellSelection {
    /// All shells visible to the user.
    All,
    /// Shells of the current user (`-mine`).
    Mine,
    /// Shell with this ID.
    One(String),
}

/// Action on the selected shells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShellAction {
    /// List the shells.
    List,
    /// Close the shells and terminate their processes (`-kill`).
    Close,
}

/// Task on saved hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostsTask {
    /// List all hosts.
    List,
    /// Show one host.
    Show(HostName),
    /// Save a host.
    Save(Box<SavedHost>),
    /// Delete a host (`-delete`).
    Delete(HostName),
}

/// Name of a saved host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(pub(crate) Name);

/// Task on `TrustedHosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustTask {
    /// List the entries.
    List,
    /// Add a host.
    Add(String),
    /// Remove a host (`-delete`).
    Remove(String),
}

impl Operation {
    /// Returns whether the input comes from standard input.
    fn reads_standard_input(&self) -> bool {
        let (Self::Set { input, .. } | Self::Create { input, .. } | Self::Invoke { input, .. }) = self else {
            return false;
        };
        matches!(input, Input::File(file) if file == std::path::Path::new("-"))
    }

    /// Returns whether the input comes from a file.
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
    /// Path of the part.
    pub path: String,
    /// Language of the path.
    pub dialect: Dialect,
}

impl From<Fragment> for FragmentTransfer {
    fn from(Fragment { path, dialect }: Fragment) -> Self {
        Self { dialect: Some(dialect.uri().to_owned()), expression: path }
    }
}

/// Source of the XML for `set`, `create` and `invoke`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Keys and values, possibly none.
    Values(KeyValues),
    /// File with the whole element; `-` is standard input.
    File(PathBuf),
}

/// Filter and form of the result of an enumeration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enumeration {
    /// Filter; `None` lists all instances.
    pub filter: Option<Filter>,
    /// Content returned for each instance.
    pub returns: ReturnType,
    /// Handling of derived classes.
    pub hierarchy: Hierarchy,
}

/// Content returned for each instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReturnType {
    /// The instance.
    #[default]
    Object,
    /// The endpoint reference of the instance.
    Epr,
    /// Instance and endpoint reference.
    ObjectAndEpr,
}

/// Handling of derived classes in an enumeration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hierarchy {
    /// Include instances of derived classes, with all properties.
    #[default]
    Deep,
    /// Include instances of derived classes, with the properties of the base class only.
    BasePropertiesOnly,
    /// Exclude instances of derived classes.
    Shallow,
}

/// Whether `quickconfig` asks before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Ask before a change.
    Ask,
    /// Do not ask (`-quiet`, `-force`).
    Skip,
}

/// Effect of a network interface in a public zone on `quickconfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicZone {
    /// The interface prevents the change.
    Blocks,
    /// The interface is ignored (`-force`).
    Ignored,
}

/// Task of `quickconfig`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuickConfigTask {
    /// Set up the machine.
    #[default]
    SetUp,
    /// Undo earlier changes (`-undo`).
    Undo,
}

/// Options of `quickconfig` that Windows does not have. Options that are not set are not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuickConfigOptions {
    /// Whether to refuse a self-signed certificate (`-strict`).
    pub strict: bool,
    /// firewalld zone (`-zone`).
    pub zone: Option<String>,
    /// Networks that may connect (`-remoteaddress`); empty for all.
    pub remote_addresses: Vec<String>,
    /// Group whose members may open shells (`-allowgroup`).
    pub group: Option<String>,
    /// How users sign in (`-accounts`); `None` asks if no user can sign in.
    pub accounts: Option<Accounts>,
    /// Account to create for NTLM, or with which to try the sign-in (`-account`); `None` asks for the name of a new one.
    pub account: Option<String>,
    /// Files of the local service (`-config`, `-state`); `None` for the default files.
    pub files: Option<ServiceFiles>,
}

/// Way in which `quickconfig` lets users sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accounts {
    /// Creates an account of the service, for NTLM.
    Ntlm,
    /// Enables Basic with the passwords of the users, over HTTPS only.
    Basic,
    /// Neither changes nor verifies anything.
    None,
}

/// Files of a local service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFiles {
    /// Configuration file.
    pub config: PathBuf,
    /// State directory, which contains the socket.
    pub state: PathBuf,
}

/// Security descriptor that `configSDDL` edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SddlTarget {
    /// `RootSDDL`, which applies to resources without a descriptor of their own.
    Root,
    /// Descriptor of the resources that begin with a URI.
    Resource(Locator),
}

/// Parses a command line; `arguments` exclude the program name.
///
/// # Errors
/// [`Error`] for an invalid command line.
pub fn parse(arguments: &[String]) -> Result<Invocation, Error> {
    parse_with(arguments, &SavedHosts::none())
}

/// Parses a command line like [`parse`], resolving the names of saved hosts.
///
/// # Errors
/// [`Error`] for an invalid command line, or if the saved hosts cannot be read.
pub fn parse_with(arguments: &[String], hosts: &SavedHosts) -> Result<Invocation, Error> {
    let Some((first, rest)) = arguments.split_first() else { return Ok(Invocation::Help(Page::General)) };
    match Item::read(switches::SWITCHES, first)? {
        Item::Help | Item::Ignored => return Ok(Invocation::Help(Page::General)),
        Item::Version => return Ok(Invocation::Version),
        Item::Switch(..) => return Err(Error::ArgumentAfterSwitch { word: "OPERATION".to_owned() }),
        Item::Word => {}
    }
    let Some(operation) = OPERATIONS.iter().find(|operation| operation.is_named(first)) else {
        let names = OPERATIONS.iter().map(|operation| operation.name);
        return Err(Error::UnknownOperation { word: first.clone(), nearest: nearest(first, names) });
    };
    let words = match ParsedArguments::read(rest, operation)? {
        Some(words) => words,
        None => return Ok(Invocation::Help(Page::Operation(operation.name))),
    };
    operation.check_arguments(&words.positionals, words.switches.seen(), words.input.is_some())?;
    match operation.verb {
        Verb::Help => Ok(Invocation::Help(Page::find(words.positionals.first().map(String::as_str)))),
        Verb::HelpMsg => {
            Ok(Invocation::HelpMessage(words.positionals.into_iter().next().unwrap_or_default()))
        }
        Verb::Doctor => {
            let endpoint = words.positionals.into_iter().next();
            DoctorCommand::build(endpoint, words.switches.values, hosts)
                .map(|command| Invocation::Doctor(Box::new(command)))
        }
        verb => build::command(verb, words, hosts).map(|command| Invocation::Run(Box::new(command))),
    }
}

/// Returns the exit statuses requested by a command line, even if the command line is otherwise invalid.
#[must_use]
pub fn exit_codes(arguments: &[String]) -> ExitCodes {
    if arguments.iter().any(|argument| requests_detailed_exit_codes(argument)) {
        ExitCodes::Detailed
    } else {
        ExitCodes::Plain
    }
}

fn requests_detailed_exit_codes(argument: &str) -> bool {
    argument.strip_prefix(['-', '/']).is_some_and(|switch| switch.eq_ignore_ascii_case("exitcode:detailed"))
}

/// Arguments after the operation, sorted by kind.
struct ParsedArguments {
    positionals: Vec<String>,
    input: Option<KeyValues>,
    switches: ParsedSwitches<switches::Draft>,
    notices: Vec<String>,
}

impl ParsedArguments {
    /// Parses the arguments; returns `None` if they request help.
    fn read(items: &[String], operation: &operations::Entry) -> Result<Option<Self>, Error> {
        let (positionals, notices) = (Vec::new(), Vec::new());
        let mut words = Self { positionals, input: None, switches: ParsedSwitches::new(), notices };
        for item in items {
            match Item::read(switches::SWITCHES, item)? {
                Item::Help => return Ok(None),
                Item::Version | Item::Ignored => {
                    words.notices.push(format!("{item} is ignored: switches begin with a single - or /"));
                }
                Item::Switch(switch, value) => words.switches.store(switch, value)?,
                Item::Word if item.starts_with('@') => words.add_input(item, operation)?,
                Item::Word if !words.switches.seen().is_empty() => {
                    return Err(Error::ArgumentAfterSwitch { word: item.clone() });
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
            return Err(Error::WrongArgumentCount {
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
