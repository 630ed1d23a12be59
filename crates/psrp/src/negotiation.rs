//! Negotiation of versions (MS-PSRP 3.1.5.4.1 and 3.2.5.4.1).

use crate::clixml::Version;
use crate::error::PsrpError;
use crate::record::SessionCapability;

/// Oldest version of the protocol: Windows 7.
const OLDEST: Version = Version::new(2, 0);
/// First version without session keys: PowerShell 7.6.
const WITHOUT_SESSION_KEYS: Version = Version::new(2, 4);

/// Returns the version of the protocol that a client uses after the answer of the server.
pub(crate) fn accept_server(
    ours: &SessionCapability,
    theirs: &SessionCapability,
) -> Result<Version, PsrpError> {
    require_same_major(ours, theirs)?;
    if theirs.protocol < OLDEST || theirs.protocol > ours.protocol {
        return Err(version("protocol version", theirs.protocol, ours.protocol));
    }
    Ok(theirs.protocol)
}

/// Returns the version that a server answers with: the client's if the server knows it, otherwise its own.
pub(crate) fn answer_client(
    ours: &SessionCapability,
    theirs: &SessionCapability,
) -> Result<Version, PsrpError> {
    require_same_major(ours, theirs)?;
    if theirs.protocol < OLDEST {
        return Err(version("protocol version", theirs.protocol, ours.protocol));
    }
    Ok(ours.protocol.min(theirs.protocol))
}

/// Returns whether the ends exchange a session key, or leave text to the connection.
pub(crate) fn has_session_keys(protocol: Version) -> bool {
    protocol < WITHOUT_SESSION_KEYS
}

fn require_same_major(ours: &SessionCapability, theirs: &SessionCapability) -> Result<(), PsrpError> {
    for (what, theirs, ours) in [
        ("protocol version", theirs.protocol, ours.protocol),
        ("PowerShell version", theirs.powershell, ours.powershell),
        ("serialization version", theirs.serialization, ours.serialization),
    ] {
        if theirs.major != ours.major {
            return Err(version(what, theirs, ours));
        }
    }
    Ok(())
}

fn version(what: &'static str, theirs: Version, ours: Version) -> PsrpError {
    PsrpError::Version { what, theirs: theirs.to_string(), ours: ours.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(minor: u32) -> SessionCapability {
        SessionCapability::new(Version::new(2, minor))
    }

    #[test]
    fn both_ends_use_the_older_version() {
        for (client, server, used) in [(3, 3, 3), (3, 2, 2), (1, 3, 1), (4, 3, 3)] {
            let answer = answer_client(&capability(server), &capability(client)).unwrap();
            assert_eq!(answer, Version::new(2, used));
            assert_eq!(accept_server(&capability(client), &SessionCapability::new(answer)), Ok(answer));
        }
    }

    #[test]
    fn other_versions_are_refused() {
        let ours = capability(3);
        assert!(accept_server(&ours, &capability(4)).is_err(), "the server answered a newer version");
        for theirs in [
            SessionCapability { protocol: Version::new(3, 0), ..capability(3) },
            SessionCapability { powershell: Version::new(3, 0), ..capability(3) },
            SessionCapability { serialization: Version::new(2, 0), ..capability(3) },
        ] {
            assert!(accept_server(&ours, &theirs).is_err() && answer_client(&ours, &theirs).is_err());
        }
    }
}
