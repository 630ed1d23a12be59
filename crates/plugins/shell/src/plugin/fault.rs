//! Faults of commands and shells.

pub(super) use shells::fault::{
    action_not_supported, no_fragments, no_room_for_output, no_shell_selected, no_such_stream,
    shell_access_disabled, timed_out, too_many_commands, undeclared_stream, unknown_command, unknown_shell,
};
use wsman::{Detail, Fault, Subcode, code};

use crate::CommandError;

/// Name of this plug-in in faults, as on Windows.
const PROVIDER: &str = "Shell cmd plugin";
const PATH: &str = "telarchd";

/// Converts a [`CommandError`] into a fault. No other place does.
pub(super) fn from_command_error(error: CommandError) -> Fault {
    let reason = match &error {
        CommandError::Spawn { source, .. } => {
            format!("{error}: {source}; shorten the command line, or check the limits of the user")
        }
        CommandError::Signal { source } => {
            format!("{error}: {source}; end the command as the user that it runs as")
        }
        _ => error.to_string(),
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

pub(super) fn invalid_parameter(reason: impl Into<String>) -> Fault {
    let reason = reason.into();
    Fault::new(Subcode::InvalidParameter, code::INVALID_PARAMETER, reason.clone())
        .with_provider(PROVIDER, PATH, reason)
}

pub(super) fn unknown_dialect(dialect: &str) -> Fault {
    Fault::new(
        Subcode::FilterDialectRequestedUnavailable,
        code::FILTER_DIALECT_UNAVAILABLE,
        format!("unsupported filter dialect {dialect}; use a selector filter"),
    )
}

pub(super) fn filter_required() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        code::SHELL_FILTER_REQUIRED,
        "listing commands requires a shell; add a selector filter with the ShellId",
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

/// Returns the fault for a request to validate an operation that can only be carried out.
pub(super) fn cannot_validate() -> Fault {
    let reason = "only the creation and deletion of shells can be validated without doing it; omit -whatif";
    Fault::new(Subcode::InvalidOptions, code::OPTION_NOT_SUPPORTED, reason).with_detail(Detail::NOT_SUPPORTED)
}
