//! Execution of programs.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::lines::Lines;

/// Maximum number of bytes stored of each output stream; the rest is dropped.
pub const MAX_OUTPUT: usize = 1 << 20;

/// Maximum output in bytes of a system program. Longer output is an error, because a truncated list would
/// hide entries.
const LONGEST_TOLD: usize = 64 << 20;

/// Result of a program.
#[derive(Debug)]
pub struct Ending {
    /// Exit code, or 128 plus the signal number; `None` if the time limit was exceeded.
    pub code: Option<i32>,
    /// Standard output.
    pub output: Vec<u8>,
    /// Standard error.
    pub errors: Vec<u8>,
}

/// Result of a system program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a system program in the C locale, without the caller's environment, and only from system directories.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if the program does not exist, [`io::ErrorKind::TimedOut`] if it was killed
/// after the time limit, [`io::ErrorKind::FileTooLarge`] if its output is too long, and other errors of
/// starting it.
pub fn of_system<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
    limit: Duration,
) -> io::Result<Ended> {
    told_by(program, command_of_system(program).args(arguments), limit, LONGEST_TOLD)
}

/// Runs a system program with possibly long output: `each` is called for every line, and no line is stored.
///
/// # Errors
/// As for [`of_system`].
pub fn lines_of_system<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
    limit: Duration,
    each: impl FnMut(&str),
) -> io::Result<Ended> {
    let mut lines = Lines::new(each);
    let mut errors = Prefix::new(MAX_OUTPUT);
    let command = &mut command_of_system(program);
    let code = run_to(command.args(arguments), limit, &mut |octets| lines.take(octets), &mut errors)?;
    let left_out = lines.end();
    if left_out > 0 {
        tracing::warn!(program, left_out, "Skipped overlong lines of a program");
    }
    ended(program, code, Vec::new(), errors.octets)
}

fn told_by(program: &str, command: &mut Command, limit: Duration, most: usize) -> io::Result<Ended> {
    let ending = run_up_to(command, limit, most)?;
    if ending.output.len() >= most {
        let problem = format!("output of {program} exceeds {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    ended(program, ending.code, ending.output, ending.errors)
}

fn ended(program: &str, code: Option<i32>, output: Vec<u8>, errors: Vec<u8>) -> io::Result<Ended> {
    Ok(Ended {
        code: code.ok_or_else(|| {
            io::Error::new(io::ErrorKind::TimedOut, format!("{program} did not finish in time"))
        })?,
        stdout: text(output),
        stderr: text(errors),
    })
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8_lossy(&octets).into_owned()
}

/// Returns the command of a system program. Environment, `PATH` and working directory of this process have no
/// influence on it.
pub fn command_of_system(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    command
}

/// Runs a program without input, in its own process group, which is killed after the time limit.
///
/// Returns when the program ends, even if its child processes keep the streams open, and after the time limit
/// even if the program cannot be killed because it runs as another user.
///
/// # Errors
/// Errors of starting the program.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Ending> {
    run_up_to(command, limit, MAX_OUTPUT)
}

/// Runs a program with another limit than [`MAX_OUTPUT`] for each stream.
///
/// # Errors
/// As for [`run`].
fn run_up_to(command: &mut Command, limit: Duration, most: usize) -> io::Result<Ending> {
    let (mut output, mut errors) = (Prefix::new(most), Prefix::new(most));
    let code = run_to(command, limit, &mut |octets| output.take(octets), &mut errors)?;
    Ok(Ending { code, output: output.octets, errors: errors.octets })
}

/// Runs a program and passes on its output; `None` if the time limit was exceeded.
fn run_to(
    command: &mut Command,
    limit: Duration,
    output: &mut dyn FnMut(&[u8]),
    errors: &mut Prefix,
) -> io::Result<Option<i32>> {
    let begun = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let result = listen(&mut child, begun, limit, output, errors);
    if !matches!(result, Ok(true))
        && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
        // The process may have ended meanwhile, so errors other than EPERM are ignored.
        && kill_process_group(group, Signal::KILL) == Err(Errno::PERM)
    {
        // A process that runs as another user, as with sudo, cannot be killed. A thread reaps it, so that the
        // caller does not wait.
        std::thread::Builder::new().stack_size(64 << 10).spawn(move || child.wait())?;
        return result.map(|_| None);
    }
    let status = child.wait()?;
    let has_ended = result?;
    Ok(has_ended.then(|| code(status)))
}

/// Returns the exit code in the convention of shells.
fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(-1)
}

/// Reads both streams until the program ends or the time limit is exceeded. Returns which.
fn listen(
    child: &mut Child,
    begun: Instant,
    limit: Duration,
    take: &mut dyn FnMut(&[u8]),
    content: &mut Prefix,
) -> io::Result<bool> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::Other)?;
    let ending = pidfd_open(pid, PidfdFlags::empty())?;
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let (mut output, mut errors) = (Stream::new(output)?, Stream::new(errors)?);
    loop {
        let Some(rest) = limit.checked_sub(begun.elapsed()) else { return Ok(false) };
        let rest = Timespec {
            tv_sec: i64::try_from(rest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(rest.subsec_nanos()),
        };
        let mut wanted = vec![PollFd::new(&ending, PollFlags::IN)];
        wanted.extend(
            output.descriptor().into_iter().map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::IN)),
        );
        wanted.extend(
            errors.descriptor().into_iter().map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::IN)),
        );
        match poll(&mut wanted, Some(&rest)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let has_ended = wanted.first().is_some_and(|ending| !ending.revents().is_empty());
        output.read(take)?;
        errors.read(&mut |octets| content.take(octets))?;
        if has_ended {
            return Ok(true);
        }
    }
}

/// The first bytes of a stream, up to a maximum.
struct Prefix {
    octets: Vec<u8>,
    most: usize,
}

impl Prefix {
    fn new(most: usize) -> Self {
        Self { octets: Vec::new(), most }
    }

    fn take(&mut self, octets: &[u8]) {
        let room = self.most.saturating_sub(self.octets.len());
        self.octets.extend(octets.iter().take(room));
    }
}

/// A non-blocking stream.
struct Stream<R> {
    /// The stream; `None` after its end.
    from: Option<R>,
}

impl<R: Read + AsFd> Stream<R> {
    fn new(from: R) -> io::Result<Self> {
        fcntl_setfl(&from, fcntl_getfl(&from)? | OFlags::NONBLOCK)?;
        Ok(Self { from: Some(from) })
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().map(AsFd::as_fd)
    }

    /// Reads the available bytes, up to a limit.
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut octets = [0; 16 << 10];
        for _ in 0..64 {
            let Some(from) = &mut self.from else { return Ok(()) };
            match from.read(&mut octets) {
                Ok(0) => self.from = None,
                Ok(count) => take(octets.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Ending {
        run(Command::new("sh").args(["-c", script]), limit).expect("there is a shell")
    }

    /// Returns the result with the shortest time limit in which the program can begin on this machine.
    fn killed<T>(attempt: impl Fn(Duration) -> Option<T>) -> T {
        let limits = [300, 3_000, 60_000].map(Duration::from_millis);
        limits.into_iter().find_map(attempt).expect("it begins in time")
    }

    fn has_written(ending: &Ending) -> bool {
        !ending.output.is_empty()
    }

    #[test]
    fn system_programs_get_a_clean_environment() {
        let ended = of_system("sh", ["-c", "echo $HOME$LC_ALL; exit 3"], LONG).expect("a shell");
        assert_eq!((ended.code, &*ended.stdout), (3, "C\n"));
        let late = of_system("sleep", ["1000"], Duration::from_millis(20)).expect_err("it takes too long");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let missing = of_system("no-such-program", [""; 0], LONG).expect_err("there is none");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn incomplete_program_output_is_an_error() {
        let zeros = |count: usize| {
            let mut command = command_of_system("head");
            told_by("head", command.args(["-c", &count.to_string(), "/dev/zero"]), LONG, 3 * MAX_OUTPUT)
        };
        assert_eq!(zeros(2 * MAX_OUTPUT).expect("it fits").stdout.len(), 2 * MAX_OUTPUT);
        assert_eq!(zeros(3 * MAX_OUTPUT).expect_err("it is cut").kind(), io::ErrorKind::FileTooLarge);
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn program_output_is_read_completely() {
        let ending = shell("echo out; echo err >&2; exit 3", LONG);
        assert_eq!(
            (ending.code, ending.output.as_slice(), ending.errors.as_slice()),
            (Some(3), &b"out\n"[..], &b"err\n"[..])
        );
        assert_eq!(shell("kill -TERM $$", LONG).code, Some(143));
    }

    #[test]
    fn excessive_output_is_truncated() {
        let ending = shell("head -c 5000000 /dev/zero; echo end >&2", LONG);
        assert_eq!((ending.code, ending.output.len()), (Some(0), MAX_OUTPUT));
        assert_eq!(ending.errors, b"end\n");
    }

    #[test]
    fn all_lines_of_a_verbose_program_are_read() {
        let (mut count, mut last) = (0_u32, String::new());
        let ended = lines_of_system("seq", ["1000000"], LONG, |line| {
            count += 1;
            line.clone_into(&mut last);
        });
        assert_eq!((count, &*last), (1_000_000, "1000000"));
        assert_eq!(
            ended.expect("it is there"),
            Ended { code: 0, stdout: String::new(), stderr: String::new() }
        );
    }

    #[test]
    fn slow_program_is_killed_with_its_children() {
        let ending = killed(|limit| Some(shell("sleep 1000 & echo $!; wait", limit)).filter(has_written));
        assert_eq!(ending.code, None);
        let child: i32 = String::from_utf8(ending.output).expect("text").trim().parse().expect("a number");
        // The child may have ended already; otherwise it was told to and ends soon.
        if let Ok(child) = pidfd_open(Pid::from_raw(child).expect("it is one"), PidfdFlags::empty()) {
            let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
            let ended =
                poll(&mut [PollFd::new(&child, PollFlags::IN)], Some(&limit)).expect("it can be watched");
            assert_eq!(ended, 1, "it still runs");
        }
    }

    #[test]
    fn child_holding_the_streams_does_not_delay_the_result() {
        // Longer than the child runs, so the time limit does not end the call.
        let ending = shell("sleep 1000 & echo $!", 100 * LONG);
        assert_eq!(ending.code, Some(0));
        let child: i32 = String::from_utf8(ending.output).expect("text").trim().parse().expect("a number");
        let child = Pid::from_raw(child).expect("it is one");
        rustix::process::kill_process(child, Signal::KILL).expect("it still runs");
    }

    #[test]
    fn program_of_another_user_does_not_block_after_the_time_limit() {
        use std::os::unix::fs::PermissionsExt as _;

        use rustix::fs::Uid;
        use rustix::thread::set_thread_res_uid;
        if !rustix::process::geteuid().is_root() {
            skips::skip!("only root can make a program that runs as root for others");
            return;
        }
        let folder = tempfile::tempdir().expect("there is room");
        let open = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(), open(0o755)).expect("it is ours");
        let (become_root, number) = (folder.path().join("setpriv"), folder.path().join("number"));
        std::fs::copy("/usr/bin/setpriv", &become_root).expect("there is setpriv");
        std::fs::set_permissions(&become_root, open(0o4755)).expect("it is ours");
        let script = format!("echo $$ > {}; exec sleep 1000", number.display());
        let run_as_nobody = |limit| {
            let (become_root, script) = (become_root.clone(), script.clone());
            let nobody = std::thread::spawn(move || {
                let nobody = Uid::from_raw(65_534);
                set_thread_res_uid(nobody, nobody, nobody).expect("this thread was root's");
                let mut command = Command::new(become_root);
                let command = command.args(["--reuid=0", "--clear-groups", "sh", "-c", &script]);
                run(command, limit).map(|ending| ending.code)
            });
            let ended = nobody.join().expect("no panic").expect("it begins");
            let number = std::fs::read_to_string(&number).ok().filter(|number| number.ends_with('\n'))?;
            Some((ended, number))
        };
        let (ended, number) = killed(run_as_nobody);
        let sleeping = Pid::from_raw(number.trim().parse().expect("a number")).expect("it is one");
        rustix::process::kill_process(sleeping, Signal::KILL).expect("it still runs");
        assert_eq!(ended, None);
    }
}
