//! Errors in a command line.

use wording::Failure;
use wording::association::{AssociationError, AssociationFilter};
use wording::endpoint::AddressError;
use wording::failure::Kind;
use wording::locator::LocatorError;

/// An invalid command line.
///
/// [`Error::way_out`] returns the suggested correction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first argument is not an operation.
    #[error("unknown operation '{word}'")]
    UnknownOperation {
        /// Argument as typed.
        word: String,
        /// Operation with a similar name.
        nearest: Option<&'static str>,
    },
    /// An argument with a leading dash that is not a switch.
    #[error("unknown switch -{name}")]
    UnknownSwitch {
        /// Switch as typed, without the dash, up to the colon.
        name: String,
        /// Switch with a similar name.
        nearest: Option<&'static str>,
    },
    /// A dash or slash without a name.
    #[error("switch without a name: '{text}'")]
    NamelessSwitch {
        /// Argument as typed.
        text: String,
    },
    /// A switch was given twice, possibly under different names.
    #[error("-{name} was given twice")]
    RepeatedSwitch {
        /// Long name of the switch.
        name: &'static str,
    },
    /// A switch that does not apply to the operation.
    #[error("-{name} is not valid for {operation}")]
    SwitchNotValid {
        /// Long name of the switch.
        name: &'static str,
        /// Name of the operation.
        operation: &'static str,
    },
    /// A switch without the value it needs.
    #[error("-{name} requires a value")]
    ValueMissing {
        /// Long name of the switch.
        name: &'static str,
        /// Placeholder of the value in help.
        placeholder: String,
    },
    /// A value was given for a switch without value.
    #[error("-{name} does not take a value")]
    ValueUnexpected {
        /// Long name of the switch.
        name: &'static str,
    },
    /// A quotation mark at only one end of a value.
    #[error("unbalanced quotation mark in the value of -{name}")]
    UnbalancedQuote {
        /// Long name of the switch.
        name: &'static str,
    },
    /// A value that is not one of the allowed keywords.
    #[error("-{name}: invalid value '{value}'")]
    NotOneOf {
        /// Long name of the switch.
        name: &'static str,
        /// Value as typed.
        value: String,
        /// Allowed keywords, separated by commas.
        words: String,
    },
    /// A value that is not an integer within the allowed range.
    #[error("-{name}: '{value}' is not a whole number from {least} to {most}")]
    NotInRange {
        /// Long name of the switch.
        name: &'static str,
        /// Value as typed.
        value: String,
        /// Smallest allowed value.
        least: u64,
        /// Largest allowed value.
        most: u64,
    },
    /// A value that does not have the format of the switch.
    #[error("-{name} must be {form}")]
    BadForm {
        /// Long name of the switch.
        name: &'static str,
        /// Description of the expected format.
        form: &'static str,
    },
    /// A positional argument after the first switch.
    #[error("argument '{word}' follows a switch")]
    ArgumentAfterSwitch {
        /// Argument as typed.
        word: String,
    },
    /// Too few or too many positional arguments for the operation.
    #[error("{operation} takes {expected}, but {found} were given")]
    WrongArgumentCount {
        /// Name of the operation.
        operation: &'static str,
        /// Expected number of arguments, in words.
        expected: &'static str,
        /// Number of arguments given.
        found: usize,
        /// Usage line of the operation.
        usage: String,
    },
    /// Switches that exclude or require each other.
    #[error("{problem}")]
    Rule {
        /// Description of the conflict.
        problem: &'static str,
        /// Suggested correction.
        way_out: &'static str,
    },
    /// `@{...}` was given for an operation without input.
    #[error("{operation} does not take @{{...}}")]
    InputUnexpected {
        /// Name of the operation.
        operation: &'static str,
    },
    /// A modifying operation without the values to set.
    #[error("{operation} requires the values to change")]
    InputMissing {
        /// Name of the operation.
        operation: &'static str,
    },
    /// Malformed `@{...}`. Scripts match this text.
    #[error("Syntax Error: input must be of the form {{KEY=\"VALUE\"[;KEY=\"VALUE\"]}}")]
    InputSyntax,
    /// `@{` without the closing `}`.
    #[error("missing closing brace in '{text}'")]
    InputUnterminated {
        /// Argument as received from the shell.
        text: String,
    },
    /// An argument that was `@{...}` before the shell expanded the braces.
    #[error("'{text}' is not of the form @{{...}}: the shell expanded the braces")]
    BracesExpanded {
        /// Argument as received from the shell.
        text: String,
    },
    /// `@{KEY=}`, which may have been a variable, an empty string or `$null` before shell expansion.
    #[error("no value for {key} in @{{...}}")]
    BareValueEmpty {
        /// Key as typed.
        key: String,
    },
    /// A key was given twice.
    #[error("{key} was given twice in {{...}}")]
    DuplicateKey {
        /// Key as typed.
        key: String,
    },
    /// A key that is not a valid XML element name.
    #[error("invalid property name '{key}'")]
    BadKey {
        /// Key as typed.
        key: String,
    },
    /// A key of `set` that does not match exactly one plain property of the resource.
    #[error("{key} {problem}")]
    NotSettable {
        /// Key as typed.
        key: String,
        /// Reason, as the rest of a sentence that begins with the key.
        problem: &'static str,
    },
    /// An endpoint that is not of the form `[TRANSPORT://]HOST[:PORT][/PREFIX]`.
    #[error(transparent)]
    Endpoint(#[from] AddressError),
    /// A resource that is not of the form `URI?Name=Value`.
    #[error(transparent)]
    Locator(#[from] LocatorError),
    /// A malformed association filter.
    #[error(transparent)]
    AssociationFilter(#[from] AssociationError),
    /// An invalid list of hosts in `-hosts`.
    #[error("{problem}")]
    Fleet {
        /// Reason.
        problem: String,
    },
    /// An invalid name for a saved host.
    #[error("invalid name for a saved host: '{text}'")]
    BadHostName {
        /// Name as typed.
        text: String,
    },
    /// The file of saved hosts cannot be used.
    #[error("{problem}")]
    SavedHosts {
        /// Reason, including the file.
        problem: String,
    },
    /// No command was given for the remote shell.
    #[error("no command given")]
    CommandMissing,
}

impl Error {
    /// Returns the suggested correction in one line, or `None` if the message is sufficient.
    #[must_use]
    pub fn way_out(&self) -> Option<String> {
        let text = match self {
            Self::UnknownOperation { nearest: Some(name), .. } => format!("did you mean {name}?"),
            Self::UnknownOperation { nearest: None, .. } => {
                "run winrm help for a list of operations".to_owned()
            }
            Self::UnknownSwitch { nearest: Some(name), .. } => format!("did you mean -{name}?"),
            Self::UnknownSwitch { nearest: None, .. } => {
                "run winrm help switches for a list of switches".to_owned()
            }
            Self::SwitchNotValid { operation, .. } => format!("run winrm help {operation} for its switches"),
            Self::NamelessSwitch { .. } => "write -name or -name:value".to_owned(),
            Self::ValueMissing { name, placeholder } => format!("write -{name}:{placeholder}"),
            Self::ValueUnexpected { name } => format!("write -{name} alone"),
            Self::UnbalancedQuote { .. } => {
                "put quotation marks at both ends, or write a literal quotation mark as \\\"".to_owned()
            }
            Self::NotOneOf { words, .. } => format!("valid values: {words}"),
            Self::ArgumentAfterSwitch { .. } => "put arguments before the first switch".to_owned(),
            Self::WrongArgumentCount { usage, .. } => format!("usage: {usage}"),
            Self::Rule { way_out, .. } | Self::Endpoint(AddressError { way_out, .. }) => {
                (*way_out).to_owned()
            }
            Self::InputMissing { .. } => {
                "add '@{KEY=\"VALUE\"}', -set:KEY=VALUE or -file:FILE with the XML".to_owned()
            }
            Self::InputUnterminated { .. } | Self::BracesExpanded { .. } | Self::InputSyntax => {
                "use single quotes: '@{KEY=\"VALUE\";KEY2=\"VALUE2\"}'".to_owned()
            }
            Self::BareValueEmpty { key } => format!(
                "use single quotes, and write {key}=\"\" for an empty string or {key}=$null for no value"
            ),
            Self::BadKey { .. } => "use letters, digits and '_', beginning with a letter".to_owned(),
            Self::NotSettable { .. } => {
                "run winrm get to see the properties, or replace the whole XML with -file:FILE".to_owned()
            }
            Self::Locator(error) => return error.way_out().map(str::to_owned),
            Self::AssociationFilter(AssociationError::Object(error)) => {
                return error.way_out().map(str::to_owned);
            }
            Self::AssociationFilter(_) => AssociationFilter::WAY_OUT.to_owned(),
            Self::Fleet { .. } => {
                "write -hosts:NAME,NAME, -hosts:web[01-20], or -hosts:@FILE with one host per line".to_owned()
            }
            Self::BadHostName { .. } => "use up to 64 letters, digits, '-', '_' and '.'".to_owned(),
            Self::SavedHosts { .. } => {
                "run winrm hosts for a list of saved hosts, or winrm help hosts for the file format"
                    .to_owned()
            }
            Self::CommandMissing => "write winrs -r:HOST COMMAND".to_owned(),
            _ => return None,
        };
        Some(text)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::here(Kind::Usage, error.to_string());
        match error.way_out() {
            Some(line) => failure.advise(line),
            None => failure,
        }
    }
}
