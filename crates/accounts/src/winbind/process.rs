//! The program `ntlm_auth`, kept running.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// Verdict of winbind on a response.
pub(super) enum Answer {
    /// The response is right; this is the session base key.
    Authenticated(Zeroizing<[u8; 16]>),
    /// The response is wrong, or the account may not sign in; the reason in winbind's words.
    Refused(String),
}

/// Reason why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(super) enum HelperError {
    #[error("cannot start {}: {source}\n  install Samba's package winbind", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("ntlm_auth failed recently and is not restarted yet")]
    BackingOff,
    #[error("ntlm_auth timed out")]
    TimedOut,
    #[error("ntlm_auth exited")]
    Ended,
    #[error("cannot communicate with ntlm_auth: {0}")]
    Pipe(#[from] io::Error),
    #[error("unexpected answer from ntlm_auth")]
    Answer,
}

/// The program and its restart delay.
pub(super) struct Helper {
    program: PathBuf,
    running: Option<Running>,
    not_before: Option<Instant>,
    restart_delay: Duration,
}

struct Running {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Helper {
    pub(super) fn new(program: PathBuf) -> Self {
        Self { program, running: None, not_before: None, restart_delay: MIN_RESTART_DELAY }
    }

    /// Sends a request and reads the answer. After an error the next answer could belong to another request, so the
    /// program is killed, and restarted for a later request.
    pub(super) fn ask(&mut self, request: &[u8], deadline: Instant) -> Result<Answer, HelperError> {
        let running = match self.running.take().and_then(Running::if_idle) {
            Some(running) => running,
            // A process that exited while it was idle is replaced without an error.
            None => self.start()?,
        };
        let outcome = { running }.exchange(request, deadline);
        match outcome {
            Ok((running, answer)) => {
                self.running = Some(running);
                self.restart_delay = MIN_RESTART_DELAY;
                Ok(answer)
            }
            Err(error) => {
                self.not_before = Some(Instant::now() + self.restart_delay);
                self.restart_delay = (self.restart_delay * 2).min(MAX_RESTART_DELAY);
                Err(error)
            }
        }
    }

    fn start(&mut self) -> Result<Running, HelperError> {
        let now = Instant::now();
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return Err(HelperError::BackingOff);
        }
        // A program that exits after each answer is not started more often than this either.
        self.not_before = Some(now + MIN_RESTART_DELAY);
        let mut child = Command::new(&self.program)
            .arg("--helper-protocol=ntlm-server-1")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| HelperError::Start { program: self.program.clone(), source })?;
        tracing::debug!(program = %self.program.display(), pid = child.id(), "Started ntlm_auth");
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else { return Err(HelperError::Ended) };
        rustix::io::ioctl_fionbio(&to, true).map_err(io::Error::from)?;
        Ok(Running { child, to, from })
    }
}

impl Running {
    /// Returns the process if it is running and has sent no unexpected output, which could be the answer to an earlier
    /// request.
    fn if_idle(mut self) -> Option<Self> {
        let mut piece = [0; 64];
        while poll(&mut [PollFd::new(&self.from, PollFlags::IN)], Some(&AT_ONCE)) != Ok(0) {
            let count = self.from.read(&mut piece).ok()?;
            // A second end marker of the last answer.
            let is_end = piece.get(..count)?.iter().all(|octet| b".\n".contains(octet));
            if count == 0 || !is_end {
                return None;
            }
        }
        Some(self)
    }

    fn exchange(mut self, request: &[u8], deadline: Instant) -> Result<(Self, Answer), HelperError> {
        self.write(request, deadline)?;
        let answer = self.read(deadline)?;
        let answer = parse_answer(&answer).ok_or(HelperError::Answer)?;
        Ok((self, answer))
    }

    fn write(&mut self, mut rest: &[u8], deadline: Instant) -> Result<(), HelperError> {
        while !rest.is_empty() {
            wait(&PollFd::new(&self.to, PollFlags::OUT), deadline)?;
            match self.to.write(rest) {
                Ok(0) => return Err(HelperError::Ended),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(HelperError::Ended),
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads up to the line `.`. After the answer to a wrong password, Samba's program writes two such lines, and the
    /// second may arrive this late.
    fn read(&mut self, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, HelperError> {
        let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
        while !answer.ends_with(b"\n.\n") {
            wait(&PollFd::new(&self.from, PollFlags::IN), deadline)?;
            let mut piece = Zeroizing::new([0; 512]);
            match self.from.read(piece.as_mut_slice()) {
                Ok(0) => return Err(HelperError::Ended),
                Ok(count) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error.into()),
            }
            while answer.starts_with(b".\n") {
                answer.drain(..2);
            }
            if answer.len() > MAX_ANSWER - piece.len() {
                return Err(HelperError::Answer);
            }
        }
        Ok(answer)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

fn wait(what: &PollFd<'_>, deadline: Instant) -> Result<(), HelperError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(HelperError::TimedOut);
        }
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [what.clone()], Some(&left)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}

/// Parses lines of `NAME: VALUE`. Only the first line of a name counts, and a success must contain a key.
fn parse_answer(answer: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(answer).ok()?;
    // Further lines would belong to the answer to another request.
    if text.lines().skip_while(|line| *line != END).any(|line| line != END) {
        return None;
    }
    match value(text, "Authenticated")? {
        "Yes" => Some(Answer::Authenticated(key(value(text, "User-Session-Key")?)?)),
        "No" => {
            let reason = value(text, "Authentication-Error").unwrap_or("no reason given");
            let reason = reason.chars().filter(|c| !c.is_control()).take(200).collect();
            Some(Answer::Refused(reason))
        }
        _ => None,
    }
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Parses a key of 16 bytes. All zeros is rejected: that is the key of a guest.
fn key(digits: &str) -> Option<Zeroizing<[u8; 16]>> {
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let key = u128::from_str_radix(digits, 16).ok().filter(|number| *number != 0)?;
    Some(Zeroizing::new(key.to_be_bytes()))
}

/// Last line of requests and answers.
const END: &str = ".";
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// Maximum length of an answer in bytes; a typical one has a few hundred.
const MAX_ANSWER: usize = 16 * 1_024;
const MIN_RESTART_DELAY: Duration = Duration::from_secs(1);
const MAX_RESTART_DELAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_success_with_a_key_is_accepted() {
        let digits = "00112233445566778899AABBCCDDEEFF";
        let key_of = |text: &str| match parse_answer(text.as_bytes()) {
            Some(Answer::Authenticated(key)) => Some(u128::from_be_bytes(*key)),
            _ => None,
        };
        let yes = format!("Authenticated: Yes\nUser-Session-Key: {digits}\n.\n");
        assert_eq!(key_of(&yes), Some(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF));
        for text in [
            "Authenticated: Yes\n.\n".to_owned(),
            yes.replace("EEFF", "EE"),
            yes.replace("EEFF", "EEFG"),
            yes.replace("00112233", "+0112233"),
            yes.replace(digits, &"0".repeat(32)),
            yes.replace("Yes", "yes"),
            yes.replace("Authenticated", "authenticated"),
            format!("Authenticated: No\n{yes}"),
            format!("Error: x\nUser-Session-Key: {digits}\n.\n"),
            ".\n".to_owned(),
            format!(".\n{yes}"),
            format!("{yes}{yes}"),
        ] {
            assert_eq!(key_of(&text), None, "{text}");
        }
        let refused = parse_answer(b"Authenticated: No\nAuthentication-Error: Wrong \x07Password\n.\n");
        assert!(matches!(refused, Some(Answer::Refused(reason)) if reason == "Wrong Password"));
    }
}
