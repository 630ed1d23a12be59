//! Password prompt without echo.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions};
use zeroize::Zeroizing;

use super::{MAX_BYTES, PasswordError, Secret};
use crate::terminal::ModeGuard;

/// Prompts for a password on an open terminal. Echo is restored afterwards in any case.
///
/// # Errors
/// [`PasswordError::NoTerminal`] if the file is not a terminal or cannot be read, [`PasswordError::Cancelled`] on
/// Ctrl-C, Ctrl-D or an empty line.
pub fn ask_on<T>(terminal: &T, question: &str) -> Result<Secret, PasswordError>
where
    T: AsFd,
    for<'a> &'a T: Read + Write,
{
    // Without ISIG, Ctrl-C is an ordinary character, so no signal can end the process while echo is off.
    // Without ICANON, the character arrives immediately.
    let modes = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    let no_echo =
        ModeGuard::disable(modes, terminal, OptionalActions::Flush).map_err(PasswordError::NoTerminal)?;
    let answer = write(terminal, question).and_then(|()| read_answer(terminal));
    // Print the line break before echo is restored.
    let ended = write(terminal, "\n");
    drop(no_echo);
    ended.map_err(PasswordError::NoTerminal)?;
    answer.map_err(PasswordError::NoTerminal)?.ok_or(PasswordError::Cancelled)
}

fn write<T>(mut terminal: &T, text: &str) -> io::Result<()>
where
    for<'a> &'a T: Write,
{
    Write::write_all(&mut terminal, text.as_bytes())?;
    Write::flush(&mut terminal)
}

/// Reads one line; returns `None` for Ctrl-C, Ctrl-D or an empty line.
fn read_answer<T>(mut terminal: &T) -> io::Result<Option<Secret>>
where
    for<'a> &'a T: Read,
{
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    let mut byte = Zeroizing::new([0]);
    loop {
        match Read::read(&mut terminal, byte.as_mut_slice()) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        match *byte {
            [b'\r' | b'\n'] => break,
            [CTRL_C | CTRL_D] => return Ok(None),
            [CTRL_U] => line.clear(),
            [BACKSPACE | DELETE] => drop_character(&mut line),
            [byte] if line.len() < MAX_BYTES => line.push(byte),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long")),
        }
    }
    let text =
        std::str::from_utf8(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((!text.is_empty()).then(|| Secret::new(text.to_owned())))
}

/// Removes the last UTF-8 character.
fn drop_character(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
}

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const CTRL_U: u8 = 0x15;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7F;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backspace_removes_a_whole_character() {
        let mut line = "aü€".as_bytes().to_vec();
        drop_character(&mut line);
        assert_eq!(line, "aü".as_bytes());
        drop_character(&mut line);
        assert_eq!(line, b"a");
        drop_character(&mut line);
        drop_character(&mut line);
        assert!(line.is_empty());
    }
}
