//! Execution of firewall programs.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use crate::Error;
use crate::error::one_line;

/// Search path for programs; the `PATH` of the caller is ignored.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// Maximum output in bytes; rule sets may be large.
const MAX_OUTPUT: u64 = 64 << 20;
const RUN_LIMIT: Duration = Duration::from_secs(30);

/// Runs a program with this input and returns its output.
///
/// # Errors
/// [`Error`] if it cannot be run, exceeds the time limit or fails.
pub(crate) async fn run(program: &'static str, arguments: &[&str], input: &str) -> Result<String, Error> {
    let file = PATH.split(':').map(|folder| format!("{folder}/{program}"));
    let file = file.into_iter().find(|file| std::fs::exists(file).unwrap_or(false));
    let file = file.ok_or_else(|| start_error(program)(io::ErrorKind::NotFound.into()))?;
    let mut command = Command::new(file);
    command.args(arguments).env_clear().envs([("PATH", PATH), ("LC_ALL", "C.UTF-8")]);
    command.current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(start_error(program))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let running = async {
        let write = async {
            if let Some(mut stdin) = stdin {
                // A program that does not read all input reports an error at its end.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let (mut printed, mut errors) = (Vec::new(), Vec::new());
        let read = async {
            if let Some(stdout) = stdout {
                stdout.take(MAX_OUTPUT).read_to_end(&mut printed).await?;
            }
            Ok::<_, io::Error>(())
        };
        let complain = async {
            if let Some(stderr) = stderr {
                stderr.take(1 << 16).read_to_end(&mut errors).await?;
            }
            Ok::<_, io::Error>(())
        };
        let ((), read, complained) = tokio::join!(write, read, complain);
        read.and(complained).map_err(start_error(program))?;
        let status = child.wait().await.map_err(start_error(program))?;
        if !status.success() {
            let said =
                String::from_utf8_lossy(if errors.is_empty() { &printed } else { &errors }).into_owned();
            if rustix::process::geteuid().as_raw() != 0 && said.contains("not permitted")
                || said.contains("be root")
            {
                return Err(Error::Access);
            }
            return Err(Error::Program { program, reason: one_line(&said) });
        }
        String::from_utf8(printed).map_err(|_| Error::Unintelligible(program))
    };
    timeout(RUN_LIMIT, running).await.unwrap_or(Err(Error::Silent(program)))
}

/// Returns a conversion of I/O errors for `map_err`.
fn start_error(program: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Start { program, source }
}

/// Returns whether a program is installed.
pub(crate) fn is_installed(program: &str) -> bool {
    PATH.split(':').any(|folder| std::fs::exists(format!("{folder}/{program}")).unwrap_or(false))
}
