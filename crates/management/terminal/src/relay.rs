//! Relay between the pseudoterminal and the socket of a client.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};

use crate::message::{Decoder, ShellRequest};

/// Descriptors of a relay.
pub(crate) struct RelayParts {
    /// Socket of the client.
    pub(crate) socket: UnixStream,
    /// Socket of the service.
    pub(crate) control: UnixStream,
    /// Master of the pseudoterminal.
    pub(crate) terminal: OwnedFd,
    /// Process descriptor of the shell.
    pub(crate) shell: OwnedFd,
    /// Time without input after which the terminal ends.
    pub(crate) idle_limit: Duration,
}

/// Relay between the pseudoterminal and the socket of a client, until one of both or the shell ends.
pub(crate) struct Relay {
    parts: RelayParts,
    decoder: Decoder,
    /// Input that the terminal has not accepted yet.
    input: Vec<u8>,
    /// Output that the socket has not accepted yet.
    output: Vec<u8>,
    last_input: Instant,
    /// Time of the last byte on the control socket.
    reported: Option<Instant>,
    /// No process holds the terminal any more, or the shell's last output was read.
    is_output_complete: bool,
    /// Time until which the last output of an ended shell may be sent.
    ends: Option<Instant>,
}

/// Events of one wait.
#[derive(Clone, Copy)]
struct Ready {
    socket: PollFlags,
    control: PollFlags,
    terminal: PollFlags,
    shell: PollFlags,
}

impl Relay {
    pub(crate) fn new(parts: RelayParts) -> io::Result<Self> {
        parts.socket.set_nonblocking(true)?;
        parts.control.set_nonblocking(true)?;
        rustix::io::ioctl_fionbio(&parts.terminal, true)?;
        Ok(Self {
            parts,
            decoder: Decoder::default(),
            input: Vec::new(),
            output: Vec::new(),
            last_input: Instant::now(),
            reported: None,
            is_output_complete: false,
            ends: None,
        })
    }

    /// Relays until the end, and closes all descriptors.
    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            let hung_up = PollFlags::HUP | PollFlags::ERR;
            if !ready.control.is_empty() || ready.socket.intersects(hung_up) {
                return Ok(());
            }
            if ready.socket.contains(PollFlags::IN) && !self.read_requests()? {
                return Ok(());
            }
            self.write_input(ready.terminal)?;
            self.read_output(ready.terminal)?;
            if !self.write_output()? {
                return Ok(());
            }
            let now = Instant::now();
            if ready.shell.contains(PollFlags::IN) && self.ends.is_none() {
                self.ends = Some(now + LAST_OUTPUT);
            }
            let has_ended = self.ends.is_some_and(|ends| {
                let has_more = !self.output.is_empty() || !self.is_output_complete;
                !has_more || now >= ends
            });
            if has_ended {
                return Ok(());
            }
            if now.saturating_duration_since(self.last_input) >= self.parts.idle_limit {
                let limit = words(self.parts.idle_limit);
                let _ = write!(self.parts.socket, "\r\ntelarch: {limit} without input\r\n");
                return Ok(());
            }
        }
    }

    /// Waits for the next event. A terminal is not read while output waits for the socket, and the socket is not read
    /// while much input waits for the terminal.
    fn wait(&self) -> io::Result<Ready> {
        let wanted = |is_wanted: bool, flags: PollFlags| if is_wanted { flags } else { PollFlags::empty() };
        let socket = wanted(self.input.len() < MAX_WAITING, PollFlags::IN)
            | wanted(!self.output.is_empty(), PollFlags::OUT);
        let terminal =
            wanted(self.output.is_empty(), PollFlags::IN) | wanted(!self.input.is_empty(), PollFlags::OUT);
        // A terminal without processes is always ready.
        let has_terminal = !self.is_output_complete;
        let RelayParts { socket: client, control, terminal: master, shell, idle_limit } = &self.parts;
        let mut descriptors = vec![PollFd::new(client, socket), PollFd::new(control, PollFlags::IN)];
        if self.ends.is_none() {
            descriptors.push(PollFd::new(shell, PollFlags::IN));
        }
        if has_terminal {
            descriptors.push(PollFd::new(master, terminal));
        }
        let idle = idle_limit.saturating_sub(self.last_input.elapsed());
        let limit = if self.ends.is_some() { idle.min(LAST_PAUSE) } else { idle };
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        match poll(&mut descriptors, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut events = descriptors.iter().map(PollFd::revents);
        let (socket, control) =
            (events.next().unwrap_or(PollFlags::empty()), events.next().unwrap_or(PollFlags::empty()));
        let shell = if self.ends.is_none() { events.next() } else { None };
        let terminal = if has_terminal { events.next() } else { None };
        let nothing = PollFlags::empty();
        Ok(Ready { socket, control, shell: shell.unwrap_or(nothing), terminal: terminal.unwrap_or(nothing) })
    }

    /// Reads requests; returns `false` at the end of the socket.
    fn read_requests(&mut self) -> io::Result<bool> {
        let mut buffer = [0; BUFFER];
        let read = match self.parts.socket.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if is_temporary(&error) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error),
        };
        self.decoder.push(buffer.get(..read).unwrap_or_default());
        while let Some(request) = self.decoder.next().map_err(io::Error::other)? {
            match request {
                ShellRequest::Input(bytes) => {
                    self.input.extend_from_slice(&bytes);
                    self.report();
                }
                ShellRequest::Resize { columns, rows } => {
                    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                    tcsetwinsize(&self.parts.terminal, size)?;
                }
            }
        }
        Ok(true)
    }

    /// Reports input to the service.
    fn report(&mut self) {
        let now = Instant::now();
        self.last_input = now;
        if self.reported.is_none_or(|at| now.saturating_duration_since(at) >= REPORT_INTERVAL) {
            self.reported = Some(now);
            // The service reads at once; a byte more or less does not matter.
            let _ = self.parts.control.write(&[0]);
        }
    }

    fn write_input(&mut self, ready: PollFlags) -> io::Result<()> {
        if self.input.is_empty() || !ready.contains(PollFlags::OUT) {
            return Ok(());
        }
        match rustix::io::write(&self.parts.terminal, &self.input) {
            Ok(written) => _ = self.input.drain(..written.min(self.input.len())),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // No process holds the terminal.
            Err(Errno::IO) => self.input.clear(),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn read_output(&mut self, ready: PollFlags) -> io::Result<()> {
        if !self.output.is_empty() || self.is_output_complete {
            return Ok(());
        }
        if !ready.intersects(PollFlags::IN | PollFlags::HUP) {
            // Processes that the shell has left may hold the terminal, but the output of the shell was read.
            self.is_output_complete = self.ends.is_some();
            return Ok(());
        }
        let mut buffer = [0; BUFFER];
        match rustix::io::read(&self.parts.terminal, &mut buffer) {
            Ok(0) | Err(Errno::IO) => self.is_output_complete = true,
            Ok(read) => self.output.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Sends output; returns `false` at the end of the socket.
    fn write_output(&mut self) -> io::Result<bool> {
        if self.output.is_empty() {
            return Ok(true);
        }
        match self.parts.socket.write(&self.output) {
            Ok(written) => _ = self.output.drain(..written.min(self.output.len())),
            Err(error) if is_temporary(&error) => {}
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

/// Returns a limit for people, in minutes if it is a number of them.
fn words(limit: Duration) -> String {
    match limit.as_secs() {
        seconds if seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Bytes that are read at once.
const BUFFER: usize = 16 << 10;
/// Input that may wait for the terminal.
const MAX_WAITING: usize = 64 << 10;
/// Interval of the reports of input.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// Time for the last output of a shell that has ended.
const LAST_OUTPUT: Duration = Duration::from_secs(10);
/// Time without output after which the output of an ended shell is complete.
const LAST_PAUSE: Duration = Duration::from_millis(100);
