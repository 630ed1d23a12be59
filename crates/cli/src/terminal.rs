//! Temporary changes of terminal modes.

use std::io;
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// A terminal in raw mode: every key is delivered immediately and without echo. The mode is restored on drop.
pub struct RawTerminal<T: AsFd> {
    _guard: ModeGuard<T>,
}

impl<T: AsFd> RawTerminal<T> {
    /// Switches a terminal to raw mode.
    ///
    /// # Errors
    /// If the file is not a terminal.
    pub fn enable(terminal: T) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(Self { _guard: ModeGuard { terminal, before } })
    }
}

/// A terminal with changed modes, which are restored on drop.
pub struct ModeGuard<T: AsFd> {
    terminal: T,
    before: Termios,
}

impl<T: AsFd> ModeGuard<T> {
    /// Disables local modes. `actions` decides whether pending input is discarded.
    pub fn disable(modes: LocalModes, terminal: T, actions: OptionalActions) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut changed = before.clone();
        changed.local_modes.remove(modes);
        if modes.contains(LocalModes::ICANON) {
            changed.special_codes[SpecialCodeIndex::VMIN] = 1;
            changed.special_codes[SpecialCodeIndex::VTIME] = 0;
        }
        tcsetattr(&terminal, actions, &changed)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for ModeGuard<T> {
    fn drop(&mut self) {
        // An error cannot be reported here; the shell resets its terminal as well.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
