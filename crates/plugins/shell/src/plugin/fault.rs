//! Faults of commands and shells.

use wsman::{Action, Detail, Fault, Subcode, code};

use crate::CommandError;

/// Name of this plug-in in faults, as on Windows.
const PROVIDER: &str = "Shell cmd plugin";
const PATH: &str = "telarchd";

/// Converts a [`CommandError`] into a fault. No other place does.
pub(super) fn from_command_error(error: CommandError) -> Fault {
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

/// Returns the fault after which clients send the next Receive. One client searches its text for "OperationTimeout".
fn timed_out() -> Fault {
    Fault::new(
        Subcode::TimedOut,
        code::TIMED_OUT,
        "no output of the command within OperationTimeout; send another Receive",
    )
}

pub(super) fn unknown_command() -> Fault {
    unexpected_selectors("unknown command: it has ended and was released, or never existed")
}

pub(super) fn unknown_shell() -> Fault {
    unexpected_selectors("unknown shell: it was deleted, has expired, or belongs to another user")
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
        format!("unsupported filter dialect {dialect}; shells support selector filters only"),
    )
}

pub(super) fn filter_required() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        code::SHELL_FILTER_REQUIRED,
        "listing commands requires a selector filter with the ShellId",
    )
}

pub(super) fn commands_without_references() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        code::SHELL_EPR_UNSUPPORTED,
        "commands have no endpoint references; omit EnumerationMode",
    )
    .with_detail(Detail::ENUMERATION_MODE)
}

pub(super) fn no_fragments() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        code::FRAGMENT_LEVEL_ACCESS,
        "shells do not support fragment-level access; omit FragmentTransfer",
    )
    .with_detail(Detail::FRAGMENT_LEVEL_ACCESS)
}

pub(super) fn undeclared_stream(name: &str) -> Fault {
    Fault::new(
        Subcode::InvalidParameter,
        code::UNDECLARED_STREAM,
        format!("undeclared input stream \"{name}\"; declare it in InputStreams when opening the shell"),
    )
}

/// Returns the fault for output of a stream that the shell does not have.
pub(super) fn no_such_stream(name: &str) -> Fault {
    let name: String = name.chars().take(60).collect();
    Fault::new(
        Subcode::InvalidParameter,
        code::INVALID_DESIRED_STREAMS,
        format!(
            "no such stream \"{name}\"; request streams that were named in OutputStreams when the shell was opened"
        ),
    )
}

pub(super) fn shell_exists(id: &str) -> Fault {
    Fault::new(Subcode::AlreadyExists, code::ALREADY_EXISTS, format!("shell {id} already exists"))
}

/// Returns the fault for disabled remote shells (MS-WSMV 2.2.4.42, subcode `w:InternalError`).
pub(super) fn shell_access_disabled() -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::SHELL_ACCESS_DISABLED,
        "remote shells are disabled on this machine; see Winrs/AllowRemoteShellAccess",
    )
}

pub(super) fn too_many_shells(limit: u32) -> Fault {
    Fault::new(
        Subcode::QuotaLimit,
        code::MAX_SHELLS_PER_USER,
        format!(
            "this user already has {limit} shells, the limit of Winrs/MaxShellsPerUser; \
             list them with winrm shells -mine and close them with winrm shells -mine -kill, or raise the limit"
        ),
    )
}

/// Returns the fault for a user who opens a first shell while `Winrs/MaxConcurrentUsers` other users have shells.
#[must_use]
pub fn too_many_users(limit: u32) -> Fault {
    Fault::new(
        Subcode::QuotaLimit,
        code::MAX_SHELL_USERS,
        format!(
            "{limit} other users have shells, the limit of Winrs/MaxConcurrentUsers; \
             try again later, let them close their shells with winrm shells -mine -kill, or raise the limit"
        ),
    )
}

pub(super) fn too_many_commands(limit: usize) -> Fault {
    Fault::new(
        Subcode::QuotaLimit,
        code::MAX_OPERATIONS_PER_USER,
        format!("the shell already has {limit} commands, the limit of one shell; release some"),
    )
}

/// Returns the fault for too many processes (MS-WSMV 2.2.4.42), with the code that Windows uses.
pub(super) fn too_many_processes(processes: usize, limit: usize) -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::NOT_ENOUGH_QUOTA,
        format!(
            "the shell has {processes} processes, but Winrs/MaxProcessesPerShell is {limit}; end some or raise the limit"
        ),
    )
}

pub(super) fn no_room_for_output(limit: u32) -> Fault {
    Fault::new(
        Subcode::EncodingLimit,
        code::MAX_ENVELOPE_SIZE_EXCEEDED,
        format!(
            "a response of {limit} bytes has no room for output after its headers; raise MaxEnvelopeSize"
        ),
    )
    .with_detail(Detail::MAX_ENVELOPE_SIZE)
}

/// Returns the fault for a request to validate an operation that can only be carried out.
pub(super) fn cannot_validate() -> Fault {
    let reason = "only the creation and deletion of shells can be validated without doing it";
    Fault::new(Subcode::InvalidOptions, code::OPTION_NOT_SUPPORTED, reason).with_detail(Detail::NOT_SUPPORTED)
}
