//! The terminal while it behaves otherwise than usual.

use std::io;
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// A terminal that hands on every key as it is typed, and moves no cursor by itself; put back when dropped.
pub struct Raw<T: AsFd> {
    _terminal: Quieted<T>,
}

impl<T: AsFd> Raw<T> {
    /// Makes it so.
    ///
    /// # Errors
    /// When it is no terminal.
    pub fn of(terminal: T) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(Self { _terminal: Quieted { terminal, before } })
    }
}

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
