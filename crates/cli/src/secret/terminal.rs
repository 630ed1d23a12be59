//! Asking for a password without showing what is typed.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions};
use zeroize::Zeroizing;

use super::{MAX_OCTETS, PasswordError, Secret};
use crate::terminal::Quieted;

/// Asks on an open terminal; it shows what is typed again afterwards, whatever the answer was.
///
/// # Errors
/// [`PasswordError::NoTerminal`] if it is none, [`PasswordError::Cancelled`] on Ctrl-C, on Ctrl-D and on
/// an empty answer.
pub fn ask_on<T>(terminal: &T, question: &str) -> Result<Secret, PasswordError>
where
    T: AsFd,
    for<'a> &'a T: Read + Write,
{
    // Without ISIG a Ctrl-C is a character like others, so no signal can end the process while the terminal
    // is silent; without ICANON it arrives at once.
    let modes = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    let silence =
        Quieted::without(modes, terminal, OptionalActions::Flush).map_err(PasswordError::NoTerminal)?;
    let answer = write(terminal, question).and_then(|()| read_answer(terminal));
    // Ending the line that was not shown comes before showing lines again.
    let ended = write(terminal, "\n");
    drop(silence);
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

/// The line that is typed; none for Ctrl-C, Ctrl-D, or nothing at all.
fn read_answer<T>(mut terminal: &T) -> io::Result<Option<Secret>>
where
    for<'a> &'a T: Read,
{
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_OCTETS));
    let mut octet = Zeroizing::new([0]);
    loop {
        match Read::read(&mut terminal, octet.as_mut_slice()) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        match *octet {
            [b'\r' | b'\n'] => break,
            [CTRL_C | CTRL_D] => return Ok(None),
            [CTRL_U] => line.clear(),
            [BACKSPACE | DELETE] => drop_character(&mut line),
            [octet] if line.len() < MAX_OCTETS => line.push(octet),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long")),
        }
    }
    let text =
        std::str::from_utf8(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((!text.is_empty()).then(|| Secret::new(text.to_owned())))
}

/// Takes the last character away, which may be several octets in UTF-8.
fn drop_character(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|octet| octet & 0b1100_0000 == 0b1000_0000) {}
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
    fn backspace_takes_a_whole_character() {
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
