//! Requests to the broker and their responses, each with a timeout.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::Gateway;
use crate::message::{
    BrokerMessage, ContextForm, DenialKind, Denied, GatewayRequest, SignedIn, is_within_limit,
};

/// A response, with the descriptor that was attached to it.
pub(super) type Response = (BrokerMessage, Option<OwnedFd>);

/// Senders of the responses by request number; `None` once the broker has ended.
pub(super) type Waiting = Option<HashMap<u64, mpsc::SyncSender<Response>>>;

/// Reason why a request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// The broker has ended.
    #[error("the broker process of the service has ended")]
    Gone,
    /// The broker did not answer within the timeout.
    #[error(
            "the broker process of the service did not answer within {} seconds\n  if another machine verifies passwords, check that it responds", .0.as_secs()
    )]
    TimedOut(Duration),
    /// The request exceeds the maximum size of its kind.
    #[error("the request is too long")]
    TooLong,
}

impl Gateway {
    /// Sends a request and waits for its response.
    pub(super) fn request(&self, request: &GatewayRequest) -> Result<Response, RequestError> {
        self.request_within(request, timeout(request))
    }

    fn request_within(&self, request: &GatewayRequest, time: Duration) -> Result<Response, RequestError> {
        let number = self.last_request.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let message = request.encode(number);
        if !is_within_limit(&message, message.len()) {
            return Err(RequestError::TooLong);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        self.waiting.lock().as_mut().ok_or(RequestError::Gone)?.insert(number, sender);
        if self.link.send(&message, &[]).is_err() {
            self.cancel(number);
            return Err(RequestError::Gone);
        }
        drop(message);
        match receiver.recv_timeout(time) {
            Ok(response) => Ok(response),
            Err(RecvTimeoutError::Disconnected) => Err(RequestError::Gone),
            Err(RecvTimeoutError::Timeout) if self.cancel(number) => {
                tracing::error!(seconds = time.as_secs(), "The broker did not answer in time");
                Err(RequestError::TimedOut(time))
            }
            // The receiving thread has already taken the sender and is about to send the response.
            Err(RecvTimeoutError::Timeout) => receiver.recv().map_err(|_| RequestError::Gone),
        }
    }

    /// Delivers a response to its request. Releases everything the broker holds for a response that arrives too late.
    pub(super) fn deliver(&self, number: u64, response: Response) {
        let receiver = self.waiting.lock().as_mut().and_then(|waiting| waiting.remove(&number));
        let undelivered = match receiver {
            Some(receiver) => receiver.send(response).err().map(|error| error.0),
            None => Some(response),
        };
        if let Some((response, _descriptor)) = undelivered {
            tracing::debug!("Discarded a late response of the broker");
            self.discard(response);
        }
    }

    /// Releases the sessions and handles in a response that has no receiver.
    fn discard(&self, response: BrokerMessage) {
        match response {
            BrokerMessage::SignedIn(SignedIn { session, .. }) => {
                self.notify(&GatewayRequest::EndSession(session));
            }
            BrokerMessage::HandshakeDone { signed_in, context, .. } => {
                self.notify(&GatewayRequest::EndSession(signed_in.session));
                if let ContextForm::Remote { handle, .. } = context {
                    self.notify(&GatewayRequest::Release { handle });
                }
            }
            BrokerMessage::HandshakeContinues { handshake: handle, .. }
            | BrokerMessage::CertificateHolder(handle) => {
                self.notify(&GatewayRequest::Release { handle });
            }
            _ => {}
        }
    }

    /// Stops waiting for a response; returns `false` if it was already delivered.
    fn cancel(&self, number: u64) -> bool {
        self.waiting.lock().as_mut().is_none_or(|waiting| waiting.remove(&number).is_some())
    }
}

/// Returns the denial in a response, or one that describes why there is no usable response.
pub(super) fn denied(response: Result<Response, RequestError>) -> Denied {
    match response {
        Ok((BrokerMessage::Denied(denied), _)) => denied,
        Ok((BrokerMessage::HostConnected, None)) => Denied::new(
            DenialKind::Failed,
            "the connection to the user's host process was lost: the service has too many open files\n  raise LimitNOFILE in the systemd unit",
        ),
        Ok(_) => {
            Denied::new(DenialKind::Failed, "the broker process of the service sent an unexpected response")
        }
        Err(unanswered) => Denied::new(DenialKind::Failed, unanswered.to_string()),
    }
}

/// Returns the timeout of a request.
fn timeout(request: &GatewayRequest) -> Duration {
    match request {
        // The quickconfig process has a timeout of five minutes, and only one runs at a time.
        GatewayRequest::RunQuickConfig { .. } => Duration::from_secs(330),
        // PAM modules may query other machines. Two minutes is sshd's default for a sign-in (LoginGraceTime), so a PAM
        // stack that takes longer fails there, too.
        GatewayRequest::VerifyPassword { .. }
        | GatewayRequest::BeginHandshake { .. }
        | GatewayRequest::ContinueHandshake { .. }
        | GatewayRequest::VerifyCertificate { .. }
        | GatewayRequest::CheckMapping { .. }
        | GatewayRequest::ResolveAccount { .. }
        | GatewayRequest::RenewSession(_) => Duration::from_secs(120),
        // PAM has 20 seconds to open the session of a host; several requests may wait for the same host.
        GatewayRequest::ConnectHost(_) | GatewayRequest::ConnectRunAsHost { .. } => Duration::from_secs(60),
        // Reads local files or computes.
        _ => Duration::from_secs(60),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::link::Link;
    use crate::message::{ContextForm, SessionId};

    /// Returns a gateway and the broker's end of its link, on which the test plays the broker.
    fn connect() -> (Arc<Gateway>, Link) {
        let (link, theirs) = Link::pair().unwrap();
        let connecting =
            std::thread::spawn(move || Gateway::connect(Link::from_inherited(theirs).unwrap(), |_| {}));
        let (number, _) = next(&link);
        link.send(&BrokerMessage::Schemes(Vec::new()).encode(number), &[]).unwrap();
        (connecting.join().unwrap().unwrap(), link)
    }

    fn next(link: &Link) -> (u64, GatewayRequest) {
        GatewayRequest::decode(&link.receive().unwrap().unwrap().message).unwrap()
    }

    fn signed_in(number: u8) -> SignedIn {
        let machine = sddl::DomainSid::new([1, 2, 3]);
        let token = sddl::Token::new(machine.account(1_000), [], machine);
        let account = "alice".to_owned();
        SignedIn { session: SessionId([number; 16]), account, mechanism: None, token }
    }

    #[test]
    fn a_request_times_out_and_its_late_response_is_released() {
        let (gateway, broker) = connect();
        let result =
            gateway.request_within(&GatewayRequest::LookUpSid("x".to_owned()), Duration::from_millis(5));
        let Err(error @ RequestError::TimedOut(_)) = result else { panic!("{result:?}") };
        assert!(denied(Err(error)).reason.contains("did not answer within"));
        assert_eq!(gateway.waiting.lock().as_ref().map(HashMap::len), Some(0));
        let (number, _) = next(&broker);
        let late = [
            BrokerMessage::SignedIn(signed_in(1)),
            BrokerMessage::HandshakeDone {
                token: None,
                signed_in: signed_in(2),
                context: ContextForm::Remote { handle: 3, can_seal: true, max_message: None },
            },
            BrokerMessage::HandshakeContinues { handshake: 4, token: Vec::new() },
            BrokerMessage::CertificateHolder(5),
        ];
        for response in late {
            broker.send(&response.encode(number), &[]).unwrap();
        }
        let received: Vec<_> = (0..5).map(|_| format!("{:?}", next(&broker).1)).collect();
        let expected = [
            GatewayRequest::EndSession(SessionId([1; 16])),
            GatewayRequest::EndSession(SessionId([2; 16])),
            GatewayRequest::Release { handle: 3 },
            GatewayRequest::Release { handle: 4 },
            GatewayRequest::Release { handle: 5 },
        ];
        assert_eq!(received, expected.map(|request| format!("{request:?}")));
    }

    #[test]
    fn a_local_connection_whose_descriptor_was_lost_ends_its_session() {
        let (_gateway, broker) = connect();
        let event = BrokerMessage::LocalConnected { connection: 9, uid: 1_000, signed_in: signed_in(1) };
        broker.send(&event.encode(0), &[]).unwrap();
        assert!(
            matches!(next(&broker).1, GatewayRequest::EndSession(SessionId(session)) if session == [1; 16])
        );
        assert!(matches!(next(&broker).1, GatewayRequest::ReportLocalClosed { connection: 9 }));
    }

    #[test]
    fn a_request_that_exceeds_its_size_limit_is_not_sent() {
        let (gateway, _broker) = connect();
        let result = gateway.request(&GatewayRequest::LookUpSid("x".repeat(1 << 20)));
        assert_eq!(result.err(), Some(RequestError::TooLong));
    }
}
