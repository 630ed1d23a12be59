//! What can be wrong with a command line.

use wording::Failure;
use wording::association::{AssociationError, AssociationFilter};
use wording::endpoint::AddressError;
use wording::failure::Kind;
use wording::locator::LocatorError;

/// A command line that was not understood; says what was wrong and where.
///
/// The second half of the answer, what to do instead, is [`Error::way_out`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first word is no operation.
    #[error("unknown operation {word:?}")]
    UnknownOperation {
        /// As it was typed.
        word: String,
        /// The operation it looks like.
        nearest: Option<&'static str>,
    },
    /// A word with a dash that is no switch.
    #[error("unknown switch -{name}")]
    UnknownSwitch {
        /// As it was typed, up to the colon.
        name: String,
        /// The switch it looks like.
        nearest: Option<&'static str>,
    },
    /// A dash or slash without a name.
    #[error("switch without a name: {text:?}")]
    NamelessSwitch {
        /// As it was typed.
        text: String,
    },
    /// The same switch twice, in any of its spellings.
    #[error("-{name} is given twice")]
    RepeatedSwitch {
        /// The long name.
        name: &'static str,
    },
    /// A switch that means nothing to the operation.
    #[error("-{name} is not valid for {operation}")]
    SwitchNotValid {
        /// The long name.
        name: &'static str,
        /// The operation.
        operation: &'static str,
    },
    /// A switch without the value it needs.
    #[error("-{name} needs a value")]
    ValueMissing {
        /// The long name.
        name: &'static str,
        /// What stands for the value in help.
        placeholder: String,
    },
    /// A value for a switch that takes none.
    #[error("-{name} takes no value")]
    ValueUnexpected {
        /// The long name.
        name: &'static str,
    },
    /// A quotation mark at one end of a value only.
    #[error("the value of -{name} has a quotation mark at one end only")]
    UnbalancedQuote {
        /// The long name.
        name: &'static str,
    },
    /// A value that is none of the words allowed.
    #[error("-{name} does not know {value:?}")]
    NotOneOf {
        /// The long name.
        name: &'static str,
        /// As it was typed.
        value: String,
        /// The words that would have been.
        words: String,
    },
    /// A value that is no whole number, or too small or large.
    #[error("-{name}: {value:?} is not a whole number from {least} to {most}")]
    NotInRange {
        /// The long name.
        name: &'static str,
        /// As it was typed.
        value: String,
        /// The smallest that is allowed.
        least: u64,
        /// The largest that is allowed.
        most: u64,
    },
    /// A value that does not have the form the switch asks for.
    #[error("-{name} must be {form}")]
    BadForm {
        /// The long name.
        name: &'static str,
        /// What it must be.
        form: &'static str,
    },
    /// A word behind the first switch.
    #[error("{word:?} stands behind a switch")]
    WordBehindSwitch {
        /// As it was typed.
        word: String,
    },
    /// Too few or too many words for the operation.
    #[error("{operation} takes {expected}, and {found} were given")]
    WrongWords {
        /// The operation.
        operation: &'static str,
        /// What it takes.
        expected: &'static str,
        /// How many there were.
        found: usize,
        /// The form of the whole command.
        usage: String,
    },
    /// Switches that cannot be given together, or only together with another.
    #[error("{problem}")]
    Rule {
        /// What collides.
        problem: &'static str,
        /// How to say it instead.
        way_out: &'static str,
    },
    /// `@{...}` for an operation without input.
    #[error("{operation} takes no @{{...}}")]
    InputUnexpected {
        /// The operation.
        operation: &'static str,
    },
    /// An operation that changes something, without saying what.
    #[error("{operation} needs the values to change")]
    InputMissing {
        /// The operation.
        operation: &'static str,
    },
    /// `@{...}` that does not have its form; scripts know this text.
    #[error("Syntax Error: input must be of the form {{KEY=\"VALUE\"[;KEY=\"VALUE\"]}}")]
    InputSyntax,
    /// `@{` without its `}`.
    #[error("@{{ is not closed in {text:?}")]
    InputUnterminated {
        /// The word as it arrived.
        text: String,
    },
    /// A word that was `@{...}` before the shell replaced the braces.
    #[error("{text:?} is not @{{...}} any more")]
    BracesLost {
        /// The word as it arrived.
        text: String,
    },
    /// `@{KEY=}`, which may have been a variable, an empty text or `$null`.
    #[error("{key} has no value in @{{...}}")]
    BareValueEmpty {
        /// The key.
        key: String,
    },
    /// The same key twice.
    #[error("{key} is given twice in {{...}}")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key that cannot be the name of an element.
    #[error("{key:?} cannot be the name of a property")]
    BadKey {
        /// The key.
        key: String,
    },
    /// A key of `set` that the resource does not have once, or not as a plain value.
    #[error("{key} {problem}")]
    NotSettable {
        /// The key.
        key: String,
        /// Why it cannot be set.
        problem: &'static str,
    },
    /// An endpoint that is not `[TRANSPORT://]HOST[:PORT][/PREFIX]`.
    #[error(transparent)]
    Endpoint(#[from] AddressError),
    /// A resource that is not `URI?Name=Value`.
    #[error(transparent)]
    Locator(#[from] LocatorError),
    /// An association filter that is not understood.
    #[error(transparent)]
    AssociationFilter(#[from] AssociationError),
    /// `-hosts` does not name hosts.
    #[error("{problem}")]
    Fleet {
        /// Why.
        problem: String,
    },
    /// A name that no host can be saved under.
    #[error("{text:?} cannot be the name of a saved host")]
    BadHostName {
        /// As it was typed.
        text: String,
    },
    /// Saved hosts cannot be looked up.
    #[error("{problem}")]
    SavedHosts {
        /// Why, with the file.
        problem: String,
    },
    /// No command for the remote shell.
    #[error("there is no command to run")]
    CommandMissing,
}

impl From<crate::hosts::HostsError> for Error {
    fn from(error: crate::hosts::HostsError) -> Self {
        Self::SavedHosts { problem: error.to_string() }
    }
}

impl Error {
    /// What to do instead, in one line; none if the message says it already.
    #[must_use]
    pub fn way_out(&self) -> Option<String> {
        let text = match self {
            Self::UnknownOperation { nearest: Some(name), .. } => format!("did you mean {name}?"),
            Self::UnknownOperation { nearest: None, .. } => "winrm help lists the operations".to_owned(),
            Self::UnknownSwitch { nearest: Some(name), .. } => format!("did you mean -{name}?"),
            Self::UnknownSwitch { nearest: None, .. } => "winrm help switches lists them".to_owned(),
            Self::SwitchNotValid { operation, .. } => format!("winrm help {operation} lists those that are"),
            Self::NamelessSwitch { .. } => "write -name or -name:value".to_owned(),
            Self::ValueMissing { name, placeholder } => format!("write -{name}:{placeholder}"),
            Self::ValueUnexpected { name } => format!("write -{name} alone"),
            Self::UnbalancedQuote { .. } => "quote both ends, or write a quotation mark as \\\"".to_owned(),
            Self::NotOneOf { words, .. } => format!("it takes {words}"),
            Self::WordBehindSwitch { .. } => "words come before the first switch".to_owned(),
            Self::WrongWords { usage, .. } => format!("usage: {usage}"),
            Self::Rule { way_out, .. } | Self::Endpoint(AddressError { way_out, .. }) => {
                (*way_out).to_owned()
            }
            Self::InputMissing { .. } => {
                "add '@{KEY=\"VALUE\"}', -set:KEY=VALUE or -file:FILE with the XML".to_owned()
            }
            Self::InputUnterminated { .. } | Self::BracesLost { .. } | Self::InputSyntax => {
                "put it in single quotes: '@{KEY=\"VALUE\";KEY2=\"VALUE2\"}'".to_owned()
            }
            Self::BareValueEmpty { key } => format!(
                "put it in single quotes and write {key}=\"\" for an empty text, {key}=$null for none"
            ),
            Self::BadKey { .. } => "use letters, digits and '_', beginning with a letter".to_owned(),
            Self::NotSettable { .. } => {
                "winrm get shows the properties; -file:FILE puts whole XML".to_owned()
            }
            Self::Locator(error) => return error.way_out().map(str::to_owned),
            Self::AssociationFilter(AssociationError::Object(error)) => {
                return error.way_out().map(str::to_owned);
            }
            Self::AssociationFilter(_) => AssociationFilter::WAY_OUT.to_owned(),
            Self::Fleet { .. } => {
                "write -hosts:NAME,NAME, -hosts:web[01-20], or -hosts:@FILE with a host a line".to_owned()
            }
            Self::BadHostName { .. } => "use letters, digits, '-', '_' and '.', 64 at most".to_owned(),
            Self::SavedHosts { .. } => {
                "winrm hosts lists them; winrm help hosts tells about the file".to_owned()
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
