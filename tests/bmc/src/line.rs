//! A serial line: the end of the simulated machine, whose console its controller has.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Device at the serial port of a machine.
#[derive(Debug)]
pub struct SerialLine {
    machine: File,
    /// The other end stays open, so that nothing is lost before the controller opens it.
    _controller: OwnedFd,
    path: String,
}

impl SerialLine {
    pub(crate) fn new() -> Self {
        let machine = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a line");
        grantpt(&machine).and_then(|()| unlockpt(&machine)).expect("its other end");
        let path = ptsname(&machine, Vec::new()).expect("its name").into_string().expect("a path");
        let controller =
            open(path.as_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end");
        let mut raw = tcgetattr(&controller).expect("its modes");
        raw.make_raw();
        tcsetattr(&controller, OptionalActions::Now, &raw).expect("its modes");
        Self { machine: machine.into(), _controller: controller, path }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Waits until the machine has received a text, and returns all that it has received.
    pub fn receive_until(&mut self, text: &str) -> String {
        let mut all = Vec::new();
        while !String::from_utf8_lossy(&all).contains(text) {
            let mut some = [0; 256];
            let length = self.machine.read(&mut some).expect("the line is there");
            all.extend(some.iter().take(length));
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The machine says something.
    pub fn say(&mut self, text: &str) {
        self.machine.write_all(text.as_bytes()).expect("the line is there");
    }
}
