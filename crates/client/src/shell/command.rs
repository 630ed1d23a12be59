//! Running command: output, exit code and signals.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;

use tokio::time::Instant;
use wsman::shell::{CommandState, Receive, Received, Signal, SignalCode, option};
use wsman::{OptionSet, ShellVerb};

use super::{Channel, Stdin, ignoring_gone, in_background};
use crate::error::Error;
use crate::session::Retry;
use crate::timeouts::Timeouts;

/// Running command in a shell. Dropping it before [`Command::finish`] terminates it in the background.
pub struct Command {
    channel: Channel,
    streams: Vec<String>,
    timeouts: Timeouts,
    /// Received output that was not returned yet.
    ready: VecDeque<Output>,
    /// Pending Receive request. It survives a cancelled `next_output`, because the service sends output only once.
    receiving: Option<PendingReceive>,
    exit_code: Option<i32>,
    is_finished: bool,
}

/// Receive request on its way.
pub(super) type PendingReceive = Pin<Box<dyn Future<Output = Result<Received, Error>> + Send>>;

/// Output of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Part of standard output.
    Stdout(Vec<u8>),
    /// Part of standard error.
    Stderr(Vec<u8>),
    /// Part of another stream.
    Stream {
        /// Name of the stream.
        name: String,
        /// Data.
        octets: Vec<u8>,
    },
    /// The command has ended, and there is no more output.
    Done {
        /// Exit code.
        exit_code: i32,
    },
}

impl Command {
    pub(super) fn new(channel: Channel, streams: Vec<String>, timeouts: Timeouts) -> Self {
        Self {
            channel,
            streams,
            timeouts,
            ready: VecDeque::new(),
            receiving: None,
            exit_code: None,
            is_finished: false,
        }
    }

    /// Identifier of the command, assigned by the service.
    #[must_use]
    pub fn id(&self) -> &str {
        self.channel.command_id()
    }

    /// Waits for the next output, for as long as the command runs.
    ///
    /// After [`Output::Done`], every call returns `Done`. The future is cancellation-safe.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails.
    pub async fn next_output(&mut self) -> Result<Output, Error> {
        loop {
            if let Some(output) = self.ready.pop_front() {
                return Ok(output);
            }
            if let Some(exit_code) = self.exit_code {
                return Ok(Output::Done { exit_code });
            }
            let receiving = self.receiving.get_or_insert_with(|| {
                Box::pin(receive(self.channel.clone(), self.streams.clone(), self.timeouts))
            });
            let started = Instant::now();
            let received = receiving.await;
            self.receiving = None;
            self.take(received?);
            if self.ready.is_empty() && self.exit_code.is_none() {
                self.timeouts.wait_before_retry(started).await?;
            }
        }
    }

    /// Returns a handle for standard input, which can be used concurrently.
    #[must_use]
    pub fn input(&self) -> Stdin {
        Stdin::new(self.channel.clone(), self.timeouts)
    }

    /// Returns a handle for signals, which can be used while another task waits for output.
    #[must_use]
    pub fn signaller(&self) -> Signaller {
        Signaller { channel: self.channel.clone() }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// [`Error`] if the request fails; [`Error::is_gone`] if the command has ended.
    pub fn signal(&self, code: SignalCode) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        // The future must not borrow the command, whose pending request only one task may poll.
        let signaller = self.signaller();
        async move { signaller.signal(code).await }
    }

    /// Terminates the command if it is running, and releases its resources on the service.
    ///
    /// # Errors
    /// [`Error`] if the request fails; succeeds if the command no longer exists.
    pub async fn finish(mut self) -> Result<(), Error> {
        let finished = self.channel.clone().terminate().await;
        self.is_finished = true;
        finished
    }

    fn take(&mut self, received: Received) {
        for piece in received.streams {
            let is_ours =
                piece.command_id.is_none_or(|id| id.eq_ignore_ascii_case(self.channel.command_id()));
            if piece.octets.is_empty() || !is_ours {
                continue;
            }
            self.ready.push_back(match piece.name.as_str() {
                "stdout" => Output::Stdout(piece.octets),
                "stderr" => Output::Stderr(piece.octets),
                _ => Output::Stream { name: piece.name, octets: piece.octets },
            });
        }
        if let Some(CommandState::Done { exit_code }) = received.state {
            self.exit_code = Some(exit_code);
        }
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        // A pending Receive would delay the termination.
        drop(mem::take(&mut self.receiving));
        if !self.is_finished {
            in_background(self.channel.clone().terminate());
        }
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Handle for sending signals to a command.
#[derive(Clone, Debug)]
pub struct Signaller {
    channel: Channel,
}

impl Signaller {
    /// Sends a signal.
    ///
    /// # Errors
    /// [`Error`] if the request fails; [`Error::is_gone`] if the command has ended.
    pub async fn signal(&self, code: SignalCode) -> Result<(), Error> {
        self.channel.signal(code).await.map(drop)
    }
}

impl Channel {
    /// Sends a signal to the command.
    pub(super) async fn signal(&self, code: SignalCode) -> Result<wsman::Response, Error> {
        let signal = Signal { command_id: self.command_id.clone(), code };
        let retry = match code {
            SignalCode::Terminate => Retry::Safe,
            // A program may handle each interrupt.
            _ => Retry::Unsafe,
        };
        let timeouts = self.session.timeouts();
        self.ask(ShellVerb::Signal, OptionSet::new(), retry, &timeouts, |body| signal.write(body)).await
    }

    /// Terminates the command if it is running, and releases it.
    pub(super) async fn terminate(self) -> Result<(), Error> {
        ignoring_gone(self.signal(SignalCode::Terminate).await)
    }
}

/// Sends Receive until there is output or the command has ended.
pub(super) async fn receive(
    channel: Channel,
    streams: Vec<String>,
    timeouts: Timeouts,
) -> Result<Received, Error> {
    let receive = Receive { command_id: channel.command_id.clone(), streams };
    loop {
        let started = Instant::now();
        let options = OptionSet::new().with(option::KEEP_ALIVE, "TRUE");
        let answer = channel
            .ask(ShellVerb::Receive, options, Retry::Unsafe, &timeouts, |body| receive.write(body))
            .await;
        let answer = match answer {
            Err(error) if error.is_operation_timeout() => {
                timeouts.wait_before_retry(started).await?;
                continue;
            }
            answer => answer?,
        };
        let Some(response) = answer.content_named("ReceiveResponse") else {
            return Err(channel.session.missing("a ReceiveResponse", &answer));
        };
        let received = Received::parse(response);
        return received.map_err(|fault| channel.session.unreadable(response, &fault));
    }
}
