//! The terminal while it behaves otherwise than usual.

use std::io;
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// A terminal without some of its modes; put back when dropped.
pub(crate) struct Quieted<T: AsFd> {
    terminal: T,
    before: Termios,
}

impl<T: AsFd> Quieted<T> {
    /// Takes modes away; what was typed before counts only if `actions` says so.
    pub(crate) fn without(modes: LocalModes, terminal: T, actions: OptionalActions) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(modes);
        if modes.contains(LocalModes::ICANON) {
            quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
            quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        }
        tcsetattr(&terminal, actions, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for Quieted<T> {
    fn drop(&mut self) {
        // Nobody could be told that this failed; the shell resets its terminal too.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
