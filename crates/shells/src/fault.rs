//! Faults that shells of all kinds return.

use wsman::{Action, Code, Detail, Fault, Subcode, code};

/// Returns the fault for a shell that does not exist or belongs to another user.
#[must_use]
pub fn unknown_shell() -> Fault {
    unexpected_selectors(
        "unknown shell: it was deleted, has expired, or belongs to another user; open a new one",
    )
}

/// Returns the fault for a command that does not exist.
#[must_use]
pub fn unknown_command() -> Fault {
    unexpected_selectors("unknown command: it has ended and was released, or never existed; start it again")
}

fn unexpected_selectors(reason: &str) -> Fault {
    Fault::new(Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS, reason)
        .with_detail(Detail::UNEXPECTED_SELECTORS)
}

/// Returns the fault for a request without the selector `ShellId`.
#[must_use]
pub fn no_shell_selected() -> Fault {
    const MISSING: Code = code::INSUFFICIENT_SELECTORS;
    Fault::new(Subcode::InvalidSelectors, MISSING, "the request names no shell; add the selector ShellId")
        .with_detail(Detail::INSUFFICIENT_SELECTORS)
}

/// Returns the fault for a Receive without output in time, after which clients send the next Receive. One client
/// searches its text for "OperationTimeout".
#[must_use]
pub fn timed_out() -> Fault {
    Fault::new(
        Subcode::TimedOut,
        code::TIMED_OUT,
        "no output of the command within OperationTimeout; send another Receive",
    )
}

/// Returns the fault for an action that shells do not support.
#[must_use]
pub fn action_not_supported(action: &Action) -> Fault {
    Fault::new(
        Subcode::ActionNotSupported,
        code::ACTION_NOT_SUPPORTED,
        format!(
            "this shell resource does not support the action {}; check Action and ResourceURI",
            action.uri()
        ),
    )
}

/// Returns the fault for a request about a fragment of a shell.
#[must_use]
pub fn no_fragments() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        code::FRAGMENT_LEVEL_ACCESS,
        "shells do not support fragment-level access; omit FragmentTransfer",
    )
    .with_detail(Detail::FRAGMENT_LEVEL_ACCESS)
}

/// Returns the fault for input to a stream that the shell was not opened with.
#[must_use]
pub fn undeclared_stream(name: &str) -> Fault {
    Fault::new(
        Subcode::InvalidParameter,
        code::UNDECLARED_STREAM,
        format!("undeclared input stream \"{name}\"; declare it in InputStreams when opening the shell"),
    )
}

/// Returns the fault for output of a stream that the shell does not have.
#[must_use]
pub fn no_such_stream(name: &str) -> Fault {
    let name: String = name.chars().take(60).collect();
    Fault::new(
        Subcode::InvalidParameter,
        code::INVALID_DESIRED_STREAMS,
        format!(
            "no such stream \"{name}\"; request streams that were named in OutputStreams when the shell was opened"
        ),
    )
}

/// Returns the fault for an identifier that is in use.
#[must_use]
pub fn shell_exists(id: &str) -> Fault {
    Fault::new(
        Subcode::AlreadyExists,
        code::ALREADY_EXISTS,
        format!("shell {id} already exists; omit ShellId, or choose another one"),
    )
}

/// Returns the fault for disabled remote shells (MS-WSMV 2.2.4.42, subcode `w:InternalError`).
#[must_use]
pub fn shell_access_disabled() -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::SHELL_ACCESS_DISABLED,
        "remote shells are disabled on this machine; set Winrs/AllowRemoteShellAccess to true",
    )
}

/// Returns the fault for a user with too many shells.
#[must_use]
pub fn too_many_shells(limit: u32) -> Fault {
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

/// Returns the fault for a shell with too many commands.
#[must_use]
pub fn too_many_commands(limit: usize) -> Fault {
    Fault::new(
        Subcode::QuotaLimit,
        code::MAX_OPERATIONS_PER_USER,
        format!("the shell already has {limit} commands, the limit of one shell; release some"),
    )
}

/// Returns the fault for too many processes (MS-WSMV 2.2.4.42), with the code that Windows uses.
#[must_use]
pub fn too_many_processes(processes: usize, limit: usize) -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::NOT_ENOUGH_QUOTA,
        format!(
            "the shell has {processes} processes, but Winrs/MaxProcessesPerShell is {limit}; end some or raise the limit"
        ),
    )
}

/// Returns the fault for a client that accepts too small responses.
#[must_use]
pub fn no_room_for_output(limit: u32) -> Fault {
    Fault::new(
        Subcode::EncodingLimit,
        code::MAX_ENVELOPE_SIZE_EXCEEDED,
        format!(
            "a response of {limit} bytes has no room for output after its headers; raise MaxEnvelopeSize"
        ),
    )
    .with_detail(Detail::MAX_ENVELOPE_SIZE)
}
