//! Messages that controllers answer without a session (IPMI 2.0, 13.14 and 22.13), used for discovery.

use crate::lan15;
use crate::message::{Answer, SequenceNumber};
use crate::wire::Frame;
use crate::{Command, CompletionCode, ProtoError};

/// Returns the datagram of a command that needs no session.
#[must_use]
pub fn ask<C: Command>(command: &C) -> Vec<u8> {
    lan15::in_clear(&command.request().encode(SequenceNumber::FIRST))
}

/// Decodes the response to it: the reply, or the completion code with which the controller rejected the
/// command.
///
/// # Errors
/// If the datagram is not a valid response to this command. The sender is not authenticated.
pub fn answer<C: Command>(
    command: &C,
    datagram: &[u8],
) -> Result<Result<C::Reply, CompletionCode>, ProtoError> {
    let Frame::Lan15(packet) = Frame::decode(datagram)? else {
        return Err(ProtoError::Unexpected { what: "the format of a packet outside of sessions", value: 6 });
    };
    let answer = Answer::decode(packet.in_clear()?)?;
    let request = command.request();
    if (answer.net_fn, answer.command) != (request.net_fn, request.command) {
        return Err(ProtoError::Unexpected {
            what: "the command of an answer",
            value: answer.command.into(),
        });
    }
    match answer.response.code {
        CompletionCode::OK => command.reply(&answer.response.data).map(Ok),
        code => Ok(Err(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Privilege;
    use crate::command::capabilities::{Detail, GetAuthenticationCapabilities, GetCipherSuites};

    #[test]
    fn a_request_is_not_decoded_as_a_response() {
        let command =
            GetAuthenticationCapabilities { privilege: Privilege::Administrator, detail: Detail::Ipmi20 };
        let sent = ask(&command);
        // Same bytes as ipmitool sends, except for the message tag.
        assert_eq!(sent.get(..5), Some(&[6, 0, 0xff, 7, 0][..]));
        assert!(answer(&command, &sent).is_err());
        assert!(
            answer(&command, &[]).is_err() && answer(&GetCipherSuites::here(0), &[6, 0, 0xff, 6]).is_err()
        );
    }
}
