//! Commands with a time limit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::WebServerError;

/// Maximum time of a command.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Maximum size of the output of a command in bytes.
const MAX_OUTPUT: usize = 256 << 10;

/// Runs a command. Returns its status and what it wrote to standard output and standard error.
pub(crate) fn run(command: &mut Command, output: &Path) -> Result<(ExitStatus, String), WebServerError> {
    let file = File::create(output).map_err(WebServerError::disk("create", output))?;
    let second = file.try_clone().map_err(WebServerError::disk("create", output))?;
    let program = PathBuf::from(command.get_program());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(second)
        .spawn()
        .map_err(WebServerError::disk("run", &program))?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(WebServerError::disk("run", &program))? {
            break status;
        }
        if begin.elapsed() > TIME_LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            let reason =
                std::io::Error::new(std::io::ErrorKind::TimedOut, "it did not end within 20 seconds");
            return Err(WebServerError::disk("run", &program)(reason));
        }
        thread::sleep(Duration::from_millis(2));
    };
    let mut text = fs::read(output).map_err(WebServerError::disk("read", output))?;
    text.truncate(MAX_OUTPUT);
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}

/// Returns the first program with this name in the search path or in `/usr/sbin`.
pub(crate) fn find_program(name: &str) -> Result<PathBuf, WebServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    found.ok_or_else(|| WebServerError::not_found("program", &name))
}
