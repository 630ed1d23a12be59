//! Faults of runspace pools.

use wsman::{Detail, Fault, ResourceUri, Subcode, code};

use crate::error::PoolError;

/// Name of this plug-in in faults, as on Windows.
const PROVIDER: &str = "microsoft.powershell";
const PATH: &str = "telarchd";

/// Converts a [`PoolError`] into a fault. No other place does.
impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        let code = match error {
            PoolError::TimedOut => return shells::fault::timed_out(),
            PoolError::UnknownPipeline => return shells::fault::unknown_command(),
            PoolError::TooManyPipelines => return shells::fault::too_many_commands(MAX_PIPELINES),
            PoolError::NoRoom { limit } => return shells::fault::no_room_for_output(limit),
            PoolError::Client(_) | PoolError::Invalid(_) => return invalid_parameter(error.to_string()),
            PoolError::NotInstalled => code::FILE_NOT_FOUND,
            PoolError::Directory { .. } => code::DIRECTORY_INVALID,
            PoolError::Start { ref source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => code::FILE_NOT_FOUND,
                std::io::ErrorKind::PermissionDenied => code::ACCESS_DENIED,
                _ => code::INTERNAL_ERROR,
            },
            PoolError::Busy => code::BUSY,
            PoolError::Terminated | PoolError::Closed => code::OPERATION_ABORTED,
            PoolError::Disconnected => code::STREAM_DISCONNECTED,
            PoolError::InUse => code::SHELL_IN_USE,
            PoolError::Ended { .. } | PoolError::NoResponse { .. } | PoolError::Child(_) => {
                code::INTERNAL_ERROR
            }
        };
        let reason = error.to_string();
        Self::new(Subcode::InternalError, code, reason.clone()).with_provider(PROVIDER, PATH, reason)
    }
}

pub(crate) fn invalid_parameter(reason: impl Into<String>) -> Fault {
    let reason = reason.into();
    Fault::new(Subcode::InvalidParameter, code::INVALID_PARAMETER, reason.clone())
        .with_provider(PROVIDER, PATH, reason)
}

/// Returns the fault for a name that no endpoint has. PowerShell shows it as an unknown configuration.
pub(crate) fn unknown_endpoint(uri: &ResourceUri) -> Fault {
    let reason = format!(
        "there is no PowerShell endpoint {uri}; use {}/Microsoft.PowerShell",
        wsman::namespace::POWERSHELL
    );
    Fault::new(Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI, reason)
        .with_detail(Detail::INVALID_RESOURCE_URI)
}

/// Returns the fault for a client that chooses variables or a directory for a process of another account.
pub(crate) fn fixed_environment() -> Fault {
    invalid_parameter(
        "this endpoint runs as another account, so that a client may choose neither environment variables nor the working directory; omit Environment and WorkingDirectory",
    )
}

/// Returns the fault for a client that requires another version of PowerShell remoting, or none.
pub(crate) fn unsupported_version(version: Option<&str>) -> Fault {
    let version: String = version.unwrap_or("no version").chars().take(20).collect();
    let reason = format!(
        "<PSProtocolVersionError ServerProtocolVersion=\"2.3\" ServerBuildVersion=\"{}\">the client requires {} of \
         PowerShell remoting, but this service supports 2.0 to 2.3; use another client</PSProtocolVersionError>",
        env!("CARGO_PKG_VERSION"),
        version.replace(['<', '>', '&'], "?"),
    );
    Fault::new(Subcode::InternalError, code::POWERSHELL_VERSION, reason.clone())
        .with_provider(PROVIDER, PATH, reason)
}

/// Maximum number of pipelines of a pool that are not released, as on Windows.
pub(crate) const MAX_PIPELINES: usize = 1_000;
