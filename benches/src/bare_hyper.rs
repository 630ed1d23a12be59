//! Runs the server `bare_hyper` as a child process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use crate::Result;

/// A running `bare_hyper` process; dropping it ends the process.
pub(crate) struct BareHyper {
    child: Child,
    addresses: Vec<SocketAddr>,
}

impl BareHyper {
    /// Starts `bare_hyper` with these answers and one listener for each of them.
    pub(crate) fn start(answers: &[&[u8]]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(std::env::current_exe()?.with_file_name("bare_hyper"));
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
        Ok(*self.addresses.get(number).ok_or("bare_hyper did not listen")?)
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for BareHyper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
