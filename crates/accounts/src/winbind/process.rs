//! The program `ntlm_auth`, kept running.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// What winbind says about a response.
pub(super) enum Answer {
    /// It is right; this is the key of the sign-in.
    Authenticated(Zeroizing<[u8; 16]>),
    /// It is wrong, or the account may not sign in: the reason in winbind's words.
    Refused(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HelperError {
    #[error("{} cannot be started: {source}\n  it is part of Samba's package winbind", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("the program failed a moment ago and is not started again yet")]
    Resting,
    #[error("the program does not answer in time")]
    TimedOut,
    #[error("the program has ended")]
    Ended,
    #[error("the program cannot be talked to: {0}")]
    Pipe(#[from] io::Error),
    #[error("what the program answers is not understood")]
    Answer,
}

/// The program, and when it may be started.
pub(super) struct Helper {
    program: PathBuf,
    running: Option<Running>,
    not_before: Option<Instant>,
    rest: Duration,
}

struct Running {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Helper {
    pub(super) fn new(program: PathBuf) -> Self {
        Self { program, running: None, not_before: None, rest: SHORTEST_REST }
    }

    /// Writes a request and reads its answer. After an error nobody knows whose answer would come next, so the
    /// program is ended, and started again with the next request that comes late enough.
    pub(super) fn ask(&mut self, request: &[u8], deadline: Instant) -> Result<Answer, HelperError> {
        let running = match self.running.take().and_then(Running::at_rest) {
            Some(running) => running,
            // It may have ended since: that is nobody's fault, and no reason to refuse.
            None => self.start()?,
        };
        let asked = { running }.exchange(request, deadline);
        match asked {
            Ok((running, answer)) => {
                self.running = Some(running);
                self.rest = SHORTEST_REST;
                Ok(answer)
            }
            Err(error) => {
                self.not_before = Some(Instant::now() + self.rest);
                self.rest = (self.rest * 2).min(LONGEST_REST);
                Err(error)
            }
        }
    }

    fn start(&mut self) -> Result<Running, HelperError> {
        let now = Instant::now();
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return Err(HelperError::Resting);
        }
        // Also one that ends by itself after each answer is started no more often than this.
        self.not_before = Some(now + SHORTEST_REST);
        let failed = |source| HelperError::Start { program: self.program.clone(), source };
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
            .map_err(failed)?;
        tracing::debug!(program = %self.program.display(), pid = child.id(), "Started");
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else { return Err(HelperError::Ended) };
        rustix::io::ioctl_fionbio(&to, true).map_err(io::Error::from)?;
        Ok(Running { child, to, from })
    }
}

impl Running {
    /// None if it has ended, or says something unasked: then nobody knows whose answer would come next.
    fn at_rest(mut self) -> Option<Self> {
        let mut piece = [0; 64];
        while poll(&mut [PollFd::new(&self.from, PollFlags::IN)], Some(&AT_ONCE)) != Ok(0) {
            let count = self.from.read(&mut piece).ok()?;
            // A second end of the answer before.
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
        let answer = understand(&answer).ok_or(HelperError::Answer)?;
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

    /// Reads up to the line that is a dot. After the answer to a wrong password Samba's program writes two of them,
    /// and the second may come as late as this.
    fn read(&mut self, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, HelperError> {
        let mut answer = Zeroizing::new(Vec::with_capacity(MOST_ANSWER));
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
            if answer.len() > MOST_ANSWER - piece.len() {
                return Err(HelperError::Answer);
            }
        }
        Ok(answer)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; either way nothing of it stays.
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

/// Reads lines of `NAME: VALUE`; only the first of a name counts, and whoever is let in must have a key.
fn understand(answer: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(answer).ok()?;
    // What follows the end would be the answer to another request.
    if text.lines().skip_while(|line| *line != END).any(|line| line != END) {
        return None;
    }
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    match value("Authenticated")? {
        "Yes" => Some(Answer::Authenticated(key(value("User-Session-Key")?)?)),
        "No" => {
            let reason = value("Authentication-Error").unwrap_or("without a reason");
            let reason = reason.chars().filter(|c| !c.is_control()).take(200).collect();
            Some(Answer::Refused(reason))
        }
        _ => None,
    }
}

/// Sixteen octets that are not all zero, which would be the key of a guest.
fn key(digits: &str) -> Option<Zeroizing<[u8; 16]>> {
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let key = u128::from_str_radix(digits, 16).ok().filter(|number| *number != 0)?;
    Some(Zeroizing::new(key.to_be_bytes()))
}

/// The last line of requests and answers.
const END: &str = ".";
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// Of a few hundred octets, all in all.
const MOST_ANSWER: usize = 16 * 1_024;
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_yes_with_a_key_lets_anybody_in() {
        let digits = "00112233445566778899AABBCCDDEEFF";
        let key_of = |text: &str| match understand(text.as_bytes()) {
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
        let refused = understand(b"Authenticated: No\nAuthentication-Error: Wrong \x07Password\n.\n");
        assert!(matches!(refused, Some(Answer::Refused(reason)) if reason == "Wrong Password"));
    }
}
