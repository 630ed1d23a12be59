//! A running command: its output, its end, and signals to it.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;

use tokio::time::Instant;
use wsman::shell::{CommandState, Receive, Received, Signal, SignalCode, option};
use wsman::{OptionSet, ShellVerb};

use super::{Channel, Stdin, ignoring_gone, in_background};
use crate::error::Error;
use crate::patience::Patience;
use crate::session::Repeat;

/// A command in a shell. Dropping it before [`Command::finish`] ends it in the background, if it can.
pub struct Command {
    channel: Channel,
    streams: Vec<String>,
    patience: Patience,
    /// What came and was not asked for yet.
    ready: VecDeque<Output>,
    /// The request under way. It stays here when nobody waits any more: the service gives output only once.
    receiving: Option<Receiving>,
    exit_code: Option<i32>,
    is_finished: bool,
}

type Receiving = Pin<Box<dyn Future<Output = Result<Received, Error>> + Send>>;

/// What a command gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// A piece of its output.
    Stdout(Vec<u8>),
    /// A piece of its error output.
    Stderr(Vec<u8>),
    /// A piece of another stream.
    Stream {
        /// The stream's name.
        name: String,
        /// The octets.
        octets: Vec<u8>,
    },
    /// It has ended, and there is no further output.
    Done {
        /// What it returned.
        exit_code: i32,
    },
}

impl Command {
    pub(super) fn new(channel: Channel, streams: Vec<String>, patience: Patience) -> Self {
        Self {
            channel,
            streams,
            patience,
            ready: VecDeque::new(),
            receiving: None,
            exit_code: None,
            is_finished: false,
        }
    }

    /// The identifier the service gave it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.channel.command_id()
    }

    /// Waits for the next piece of output, for as long as the command takes.
    ///
    /// After [`Output::Done`] it is `Done` again and again. Nothing is lost if the future is dropped before
    /// it is ready, as `tokio::select!` does.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn next_output(&mut self) -> Result<Output, Error> {
        loop {
            if let Some(output) = self.ready.pop_front() {
                return Ok(output);
            }
            if let Some(exit_code) = self.exit_code {
                return Ok(Output::Done { exit_code });
            }
            let receiving = self.receiving.get_or_insert_with(|| {
                Box::pin(receive(self.channel.clone(), self.streams.clone(), self.patience))
            });
            let asked = Instant::now();
            let received = receiving.await;
            self.receiving = None;
            self.take(received?);
            if self.ready.is_empty() && self.exit_code.is_none() {
                self.patience.before_asking_again(asked).await?;
            }
        }
    }

    /// A handle for its input, to be used by whoever has something to say, at the same time.
    #[must_use]
    pub fn input(&self) -> Stdin {
        Stdin::new(self.channel.clone(), self.patience)
    }

    /// A handle for signals, to be used while somebody waits for output.
    #[must_use]
    pub fn signaller(&self) -> Signaller {
        Signaller { channel: self.channel.clone() }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_gone`] if the command has ended.
    pub fn signal(&self, code: SignalCode) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        // The command itself, whose request for output only one may wait for, must not travel along.
        let signaller = self.signaller();
        async move { signaller.signal(code).await }
    }

    /// Lets go of the command: ends it if it still runs, and frees what the service keeps of it.
    ///
    /// # Errors
    /// [`Error`]; a command that is gone already is none.
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
        // A request for output that is under way would hold up the end.
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

/// Sends signals to a command.
#[derive(Clone, Debug)]
pub struct Signaller {
    channel: Channel,
}

impl Signaller {
    /// Sends a signal.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_gone`] if the command has ended.
    pub async fn signal(&self, code: SignalCode) -> Result<(), Error> {
        self.channel.signal(code).await.map(drop)
    }
}

impl Channel {
    async fn signal(&self, code: SignalCode) -> Result<wsman::Response, Error> {
        let signal = Signal { command_id: self.command_id.clone(), code };
        let repeat = match code {
            SignalCode::Terminate => Repeat::Harmless,
            // Programs make something of being interrupted twice.
            _ => Repeat::Harmful,
        };
        let patience = self.session.patience();
        self.ask(ShellVerb::Signal, OptionSet::new(), repeat, &patience, |body| signal.write(body)).await
    }

    async fn terminate(self) -> Result<(), Error> {
        ignoring_gone(self.signal(SignalCode::Terminate).await)
    }
}

/// Asks for output until there is some.
async fn receive(channel: Channel, streams: Vec<String>, patience: Patience) -> Result<Received, Error> {
    let receive = Receive { command_id: channel.command_id.clone(), streams };
    loop {
        let asked = Instant::now();
        let options = OptionSet::new().with(option::KEEP_ALIVE, "TRUE");
        let answer = channel
            .ask(ShellVerb::Receive, options, Repeat::Harmful, &patience, |body| receive.write(body))
            .await;
        let answer = match answer {
            Err(error) if error.is_operation_timeout() => {
                patience.before_asking_again(asked).await?;
                continue;
            }
            answer => answer?,
        };
        let Some(response) = answer.content_named("ReceiveResponse") else {
            return Err(channel.session.lacking("a ReceiveResponse", &answer));
        };
        let received = Received::parse(response);
        return received.map_err(|fault| channel.session.unreadable(response, &fault));
    }
}
