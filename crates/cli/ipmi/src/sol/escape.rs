//! What somebody types for this program, rather than for the machine: `~` at the beginning of a line, as ssh has it.

/// Tells the two apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escapes {
    #[default]
    LineStart,
    InLine,
    /// Behind `~`.
    Escaped,
}

/// What is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// For the machine.
    Characters(Vec<u8>),
    Break,
    End,
    Help,
}

impl Escapes {
    /// What these characters mean, behind those that were typed before.
    pub(super) fn read(&mut self, typed: &[u8]) -> Vec<Typed> {
        let (mut all, mut plain) = (Vec::new(), Vec::new());
        for character in typed {
            let meant = match (*self, character) {
                (Self::LineStart, b'~') => {
                    *self = Self::Escaped;
                    continue;
                }
                (Self::Escaped, b'.') => Typed::End,
                (Self::Escaped, b'B') => Typed::Break,
                (Self::Escaped, b'?') => Typed::Help,
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
                all.push(Typed::Characters(std::mem::take(&mut plain)));
            }
            all.push(meant);
        }
        if !plain.is_empty() {
            all.push(Typed::Characters(plain));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_means_something_at_the_beginning_of_a_line_only() {
        let plain = |text: &str| Typed::Characters(text.as_bytes().to_vec());
        let read = |text: &str| Escapes::default().read(text.as_bytes());
        assert_eq!(read("cd ~.\r~."), [plain("cd ~.\r"), Typed::End]);
        assert_eq!(read("~~.ssh"), [plain("~.ssh")]);
        assert_eq!(read("~x~B"), [plain("~x~B")]);
        assert_eq!(read("~B~?~."), [Typed::Break, Typed::Help, Typed::End]);
        let mut escapes = Escapes::default();
        assert_eq!((escapes.read(b"ls\r~"), escapes.read(b".")), (vec![plain("ls\r")], vec![Typed::End]));
    }
}
