//! Runs the servers `bare_hyper` and `bare_axum` as child processes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Result;
use crate::process::built_beside;

/// A running server that only sends prepared answers; dropping it ends the process.
pub(crate) struct BareServer {
    child: Child,
    addresses: Vec<SocketAddr>,
}

impl BareServer {
    /// Starts `bare_hyper` with these answers and one listener for each of them.
    pub(crate) fn hyper(answers: &[&[u8]]) -> Result<Self> {
        Self::start(command("bare_hyper")?, answers)
    }

    /// Starts `bare_axum` with these answers and one listener with TLS for each of them. The certificate and its key are
    /// files in PEM.
    pub(crate) fn axum(certificate: &Path, key: &Path, answers: &[&[u8]]) -> Result<Self> {
        let mut command = command("bare_axum")?;
        command.arg(certificate).arg(key);
        Self::start(command, answers)
    }

    fn start(mut command: Command, answers: &[&[u8]]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for (number, answer) in answers.iter().enumerate() {
            let file = folder.path().join(number.to_string());
            std::fs::File::create(&file)?.write_all(answer)?;
            command.arg(file);
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut bare = Self { child, addresses: Vec::new() };
        let mut ports = String::new();
        let stdout = bare.child.stdout.take().ok_or("it has no standard output")?;
        BufReader::new(stdout).read_line(&mut ports)?;
        for port in ports.split_whitespace() {
            bare.addresses.push((Ipv4Addr::LOCALHOST, port.parse()?).into());
        }
        Ok(bare)
    }

    /// Returns the address that serves the answer with this index.
    pub(crate) fn address(&self, number: usize) -> Result<SocketAddr> {
        Ok(*self.addresses.get(number).ok_or("the server did not listen")?)
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

fn command(name: &str) -> Result<Command> {
    Ok(Command::new(built_beside(name)?))
}

impl Drop for BareServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
