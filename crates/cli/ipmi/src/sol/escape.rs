//! Escape sequences on the console: `~` at the beginning of a line, as in ssh(1).

/// State of the parser of escape sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escapes {
    #[default]
    LineStart,
    InLine,
    /// After `~` at the beginning of a line.
    Escaped,
}

/// Input input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Characters for the machine.
    Characters(Vec<u8>),
    Break,
    End,
    Help,
}

impl Escapes {
    /// Parses typed characters, which continue earlier ones.
    pub(super) fn read(&mut self, typed: &[u8]) -> Vec<Input> {
        let (mut all, mut plain) = (Vec::new(), Vec::new());
        for character in typed {
            let command = match (*self, character) {
                (Self::LineStart, b'~') => {
                    *self = Self::Escaped;
                    continue;
                }
                (Self::Escaped, b'.') => Input::End,
                (Self::Escaped, b'B') => Input::Break,
                (Self::Escaped, b'?') => Input::Help,
                (before, character) => {
                    if before == Self::Escaped && *character != b'~' {
                        plain.push(b'~');
                    }
                    plain.push(*character);
                    *self = if matches!(character, b'\r' | b'\n') { Self::LineStart } else { Self::InLine };
                    continue;
                }
            };
            *self = Self::LineStart;
            if !plain.is_empty() {
                all.push(Input::Characters(std::mem::take(&mut plain)));
            }
            all.push(command);
        }
        if !plain.is_empty() {
            all.push(Input::Characters(plain));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_escapes_at_the_beginning_of_a_line_only() {
        let plain = |text: &str| Input::Characters(text.as_bytes().to_vec());
        let read = |text: &str| Escapes::default().read(text.as_bytes());
        assert_eq!(read("cd ~.\r~."), [plain("cd ~.\r"), Input::End]);
        assert_eq!(read("~~.ssh"), [plain("~.ssh")]);
        assert_eq!(read("~x~B"), [plain("~x~B")]);
        assert_eq!(read("~B~?~."), [Input::Break, Input::Help, Input::End]);
        let mut escapes = Escapes::default();
        assert_eq!((escapes.read(b"ls\r~"), escapes.read(b".")), (vec![plain("ls\r")], vec![Input::End]));
    }
}
