//! Requests to the broker: each waits for its answer, though not for ever.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::{Gateway, lock};
use crate::message::{Ask, ContextForm, Denial, Denied, SignedIn, Tell, may_be_so_long};

/// An answer with the descriptor that came with it.
pub(super) type Answer = (Tell, Option<OwnedFd>);

/// Requests by number, each with where its answer goes; none once the broker is gone.
pub(super) type Waiting = Option<HashMap<u64, mpsc::SyncSender<Answer>>>;

/// Reason why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// The broker has ended.
    #[error("the broker process of the service has ended")]
    Gone,
    /// The broker takes too long.
    #[error(
        "the broker process of the service did not answer within {} seconds\n  if passwords are checked by another machine, see whether it answers", .0.as_secs()
    )]
    TimedOut(Duration),
    /// No request is so long.
    #[error("the request is too long")]
    TooLong,
}

impl Gateway {
    /// Sends a request and waits for its answer.
    pub(super) fn ask(&self, ask: &Ask) -> Result<Answer, Unanswered> {
        self.ask_within(ask, longest(ask))
    }

    fn ask_within(&self, ask: &Ask, time: Duration) -> Result<Answer, Unanswered> {
        let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let message = ask.encode(number);
        if !may_be_so_long(&message, message.len()) {
            return Err(Unanswered::TooLong);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        lock(&self.waiting).as_mut().ok_or(Unanswered::Gone)?.insert(number, sender);
        if self.link.send(&message, &[]).is_err() {
            self.forget(number);
            return Err(Unanswered::Gone);
        }
        drop(message);
        match receiver.recv_timeout(time) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Disconnected) => Err(Unanswered::Gone),
            Err(RecvTimeoutError::Timeout) if self.forget(number) => {
                tracing::error!(seconds = time.as_secs(), "The broker did not answer in time");
                Err(Unanswered::TimedOut(time))
            }
            // The answer came at the last moment, and is on its way from the thread that listens.
            Err(RecvTimeoutError::Timeout) => receiver.recv().map_err(|_| Unanswered::Gone),
        }
    }

    /// Passes an answer on. One that comes too late is dropped with everything that the broker keeps for it.
    pub(super) fn deliver(&self, number: u64, answer: Answer) {
        let asker = lock(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&number));
        let undelivered = match asker {
            Some(asker) => asker.send(answer).err().map(|error| error.0),
            None => Some(answer),
        };
        if let Some((told, _descriptor)) = undelivered {
            tracing::debug!("An answer of the broker came too late");
            self.discard(told);
        }
    }

    /// Has the broker forget what it keeps for an answer.
    fn discard(&self, told: Tell) {
        match told {
            Tell::SignedIn(SignedIn { session, .. }) => self.tell(&Ask::End(session)),
            Tell::Done { signed_in, context, .. } => {
                self.tell(&Ask::End(signed_in.session));
                if let ContextForm::Kept { number, .. } = context {
                    self.tell(&Ask::Forget { number });
                }
            }
            Tell::Continue { handshake: number, .. } | Tell::Holder(number) => {
                self.tell(&Ask::Forget { number });
            }
            _ => {}
        }
    }

    /// Waits for an answer no longer; returns `false` if there has been one.
    fn forget(&self, number: u64) -> bool {
        lock(&self.waiting).as_mut().is_none_or(|waiting| waiting.remove(&number).is_some())
    }
}

/// Returns the refusal in an answer, or in the lack of one.
pub(super) fn denied(answer: Result<Answer, Unanswered>) -> Denied {
    match answer {
        Ok((Tell::Denied(denied), _)) => denied,
        Ok((Tell::Host, None)) => Denied::new(
            Denial::Failed,
            "the connection to the user's process was lost: the service has too many files open\n  raise LimitNOFILE of the unit",
        ),
        Ok(_) => Denied::new(Denial::Failed, "the broker process of the service gave the wrong answer"),
        Err(unanswered) => Denied::new(Denial::Failed, unanswered.to_string()),
    }
}

/// How long an answer may take.
fn longest(ask: &Ask) -> Duration {
    match ask {
        // The process that sets up the machine has five minutes, and there is one at a time.
        Ask::QuickConfig { .. } => Duration::from_secs(330),
        // Modules of PAM may ask other machines, and more than one. Two minutes is what sshd gives a sign-in by default
        // (LoginGraceTime): a stack of modules that takes longer does not work there either.
        Ask::Password { .. }
        | Ask::Begin { .. }
        | Ask::Step { .. }
        | Ask::Holder { .. }
        | Ask::Consider { .. }
        | Ask::Account { .. }
        | Ask::Renew(_) => Duration::from_secs(120),
        // The session of a host is opened by PAM within 20 seconds; others may wait for the same host.
        Ask::Host(_) => Duration::from_secs(60),
        // Files of this machine, or a computation.
        _ => Duration::from_secs(60),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::link::Link;
    use crate::message::{ContextForm, SessionId};

    /// A gateway, and the link of a broker that answers only when the test does.
    fn connect() -> (Arc<Gateway>, Link) {
        let (link, theirs) = Link::pair().unwrap();
        let connecting = std::thread::spawn(move || Gateway::connect(Link::given(theirs).unwrap(), |_| {}));
        let (number, _) = next(&link);
        link.send(&Tell::Hello(Vec::new()).encode(number), &[]).unwrap();
        (connecting.join().unwrap().unwrap(), link)
    }

    fn next(link: &Link) -> (u64, Ask) {
        Ask::decode(&link.receive().unwrap().unwrap().message).unwrap()
    }

    fn signed_in(number: u8) -> SignedIn {
        let machine = sddl::DomainSid::new([1, 2, 3]);
        let token = sddl::Token::new(machine.account(1_000), [], machine);
        let account = "alice".to_owned();
        SignedIn { session: SessionId([number; 16]), account, mechanism: None, token }
    }

    #[test]
    fn a_broker_that_does_not_answer_is_an_error_after_a_time_and_its_late_answer_leaves_nothing_behind() {
        let (gateway, broker) = connect();
        let asked = gateway.ask_within(&Ask::SidOf("x".to_owned()), Duration::from_millis(5));
        let Err(error @ Unanswered::TimedOut(_)) = asked else { panic!("{asked:?}") };
        assert!(denied(Err(error)).reason.contains("did not answer within"));
        assert_eq!(lock(&gateway.waiting).as_ref().map(HashMap::len), Some(0));
        let (number, _) = next(&broker);
        let late = [
            Tell::SignedIn(signed_in(1)),
            Tell::Done {
                token: None,
                signed_in: signed_in(2),
                context: ContextForm::Kept { number: 3, can_seal: true, largest: None },
            },
            Tell::Continue { handshake: 4, token: Vec::new() },
            Tell::Holder(5),
        ];
        for told in late {
            broker.send(&told.encode(number), &[]).unwrap();
        }
        let heard: Vec<_> = (0..5).map(|_| format!("{:?}", next(&broker).1)).collect();
        let expected = [
            Ask::End(SessionId([1; 16])),
            Ask::End(SessionId([2; 16])),
            Ask::Forget { number: 3 },
            Ask::Forget { number: 4 },
            Ask::Forget { number: 5 },
        ];
        assert_eq!(heard, expected.map(|ask| format!("{ask:?}")));
    }

    #[test]
    fn a_local_connection_whose_descriptor_was_lost_ends_its_session() {
        let (_gateway, broker) = connect();
        let tell = Tell::Local { number: 9, uid: 1_000, signed_in: signed_in(1) };
        broker.send(&tell.encode(0), &[]).unwrap();
        assert!(matches!(next(&broker).1, Ask::End(SessionId(session)) if session == [1; 16]));
        assert!(matches!(next(&broker).1, Ask::LocalClosed { number: 9 }));
    }

    #[test]
    fn what_the_broker_would_end_the_gateway_for_is_not_sent() {
        let (gateway, _broker) = connect();
        let asked = gateway.ask(&Ask::SidOf("x".repeat(1 << 20)));
        assert_eq!(asked.err(), Some(Unanswered::TooLong));
    }
}
