//! Where what goes wrong with commands and shells gets its fault.

use wsman::{Action, Detail, Fault, Subcode, code};

use crate::CommandError;

/// What Windows calls this plug-in in faults.
const PROVIDER: &str = "Shell cmd plugin";
const PATH: &str = "telarchd";

/// The only place where a [`CommandError`] becomes a fault.
pub(super) fn of_command(error: CommandError) -> Fault {
    let reason = match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let code = match error {
        CommandError::TimedOut => return timed_out(),
        CommandError::AlreadyDone => return unknown_command(),
        CommandError::NoSuchDirectory { .. }
        | CommandError::NotADirectory { .. }
        | CommandError::DirectoryForbidden { .. } => code::DIRECTORY_INVALID,
        CommandError::NoSuchProgram { .. } => code::FILE_NOT_FOUND,
        CommandError::ProgramForbidden { .. } => code::ACCESS_DENIED,
        CommandError::EnvironmentName { .. } | CommandError::ContainsNul { .. } => {
            return invalid_parameter(reason);
        }
        CommandError::UnknownCodePage { .. } => {
            return Fault::new(Subcode::InvalidOptions, code::INVALID_OPTION_VALUE, reason)
                .with_detail(Detail::INVALID_VALUE);
        }
        CommandError::Busy => code::BUSY,
        CommandError::Closed => code::OPERATION_ABORTED,
        CommandError::Spawn { source, .. } if is_too_long(&source) => code::NAME_TOO_LONG,
        CommandError::Spawn { .. } | CommandError::Signal { .. } => code::INTERNAL_ERROR,
    };
    Fault::new(Subcode::InternalError, code, reason.clone()).with_provider(PROVIDER, PATH, reason)
}

fn is_too_long(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::ArgumentListTooLong
}

/// Clients ask again when they get this; one of them searches the text for the word OperationTimeout.
fn timed_out() -> Fault {
    Fault::new(
        Subcode::TimedOut,
        code::TIMED_OUT,
        "the command gave no output within the time of OperationTimeout; ask again",
    )
}

pub(super) fn unknown_command() -> Fault {
    unexpected_selectors("the shell has no such command: it has ended and was let go, or never was")
}

pub(super) fn unknown_shell() -> Fault {
    unexpected_selectors("there is no such shell: it was deleted, has expired, or belongs to someone else")
}

fn unexpected_selectors(reason: &str) -> Fault {
    Fault::new(Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS, reason)
        .with_detail(Detail::UNEXPECTED_SELECTORS)
}

pub(super) fn invalid_parameter(reason: impl Into<String>) -> Fault {
    let reason = reason.into();
    Fault::new(Subcode::InvalidParameter, code::INVALID_PARAMETER, reason.clone())
        .with_provider(PROVIDER, PATH, reason)
}

pub(super) fn action_not_supported(action: &Action) -> Fault {
    Fault::new(
        Subcode::ActionNotSupported,
        code::ACTION_NOT_SUPPORTED,
        format!("this shell resource does not support the action {}", action.uri()),
    )
}

pub(super) fn unknown_dialect(dialect: &str) -> Fault {
    Fault::new(
        Subcode::FilterDialectRequestedUnavailable,
        code::FILTER_DIALECT_UNAVAILABLE,
        format!("shells are filtered by selectors only, not by {dialect}"),
    )
}

pub(super) fn filter_required() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        code::SHELL_FILTER_REQUIRED,
        "the commands of a shell are listed with a selector filter that gives its ShellId",
    )
}

pub(super) fn commands_without_references() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        code::SHELL_EPR_UNSUPPORTED,
        "the commands of a shell have no endpoint references: leave EnumerationMode out",
    )
    .with_detail(Detail::ENUMERATION_MODE)
}

pub(super) fn no_fragments() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        code::FRAGMENT_LEVEL_ACCESS,
        "a shell is told of as a whole: leave FragmentTransfer out",
    )
    .with_detail(Detail::FRAGMENT_LEVEL_ACCESS)
}

pub(super) fn undeclared_stream(name: &str) -> Fault {
    Fault::new(
        Subcode::InvalidParameter,
        code::UNDECLARED_STREAM,
        format!("the shell was opened without the input stream {name:?}"),
    )
}

pub(super) fn shell_exists(id: &str) -> Fault {
    Fault::new(Subcode::AlreadyExists, code::ALREADY_EXISTS, format!("there is a shell {id} already"))
}

/// MS-WSMV 2.2.4.42 wants `w:InternalError` here.
pub(super) fn shell_access_disabled() -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::SHELL_ACCESS_DISABLED,
        "remote shells are switched off on this machine: see Winrs/AllowRemoteShellAccess",
    )
}

pub(super) fn too_many_shells(limit: u32) -> Fault {
    Fault::new(
        Subcode::QuotaLimit,
        code::MAX_SHELLS_PER_USER,
        format!(
            "this user has {limit} shells open, as many as Winrs/MaxShellsPerUser allows: close one or raise it"
        ),
    )
}

/// The fault for a user who wants a shell while as many others have one as `Winrs/MaxConcurrentUsers` allows.
#[must_use]
pub fn too_many_users(limit: u32) -> Fault {
    Fault::new(
        Subcode::QuotaLimit,
        code::MAX_SHELL_USERS,
        format!("{limit} users have shells open, as many as Winrs/MaxConcurrentUsers allows"),
    )
}

pub(super) fn too_many_commands(limit: usize) -> Fault {
    Fault::new(
        Subcode::QuotaLimit,
        code::MAX_OPERATIONS_PER_USER,
        format!("the shell runs {limit} commands, as many as one shell may"),
    )
}

/// MS-WSMV 2.2.4.42; the code is what Windows answers whoever starts one process too many.
pub(super) fn too_many_processes(processes: usize, limit: usize) -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::NOT_ENOUGH_QUOTA,
        format!(
            "the shell has {processes} processes and Winrs/MaxProcessesPerShell allows {limit}: end some or raise it"
        ),
    )
}

pub(super) fn no_room_for_output(limit: u32) -> Fault {
    Fault::new(
        Subcode::EncodingLimit,
        code::MAX_ENVELOPE_SIZE_EXCEEDED,
        format!(
            "an answer of {limit} octets has no room for output beside the headers that it repeats: raise MaxEnvelopeSize"
        ),
    )
    .with_detail(Detail::MAX_ENVELOPE_SIZE)
}
