//! Commands in tables of cron (crontab(5)), written so that every cron makes the same of them.
//!
//! A percent sign ends the line unless a backslash stands before it. Whether two backslashes are one crons do not
//! agree about: they are for that of Debian, and two for cronie. So where a backslash stands before either, a shell
//! first makes the command of octal numbers.

use std::fmt::Write as _;

/// The longest command that a table may have, in octets: with a longer one Debian's cron refuses the whole file.
const LONGEST: usize = 998;

const BEFORE: &str = "eval \"$(printf \\%b '";
const AFTER: &str = "')\"";

/// A command as it stands in a table; `None` if it is too long there.
pub(super) fn written(command: &str) -> Option<String> {
    let plain = command.replace('%', "\\%");
    // A command that somebody has made of numbers is not to be read as one that was written so here.
    let is_plain = !command.contains("\\\\") && !command.contains("\\%") && read(&plain) == command;
    let written = if is_plain { plain } else { in_numbers(command) };
    (written.len() <= LONGEST).then_some(written)
}

/// The command that was [`written`] so.
pub(super) fn read(written: &str) -> String {
    match written.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER)) {
        Some(numbers) => {
            let letter =
                |text: String, (letter, number): &(char, &str)| text.replace(number, &letter.to_string());
            NUMBERS.iter().fold(numbers.to_owned(), letter)
        }
        None => written.replace("\\%", "%"),
    }
}

fn in_numbers(command: &str) -> String {
    let mut written = BEFORE.to_owned();
    for letter in command.chars() {
        match NUMBERS.iter().find(|(special, _)| *special == letter) {
            Some((_, number)) => written.push_str(number),
            None => written.push(letter),
        }
    }
    let _ = write!(written, "{AFTER}");
    written
}

/// What may not stand in such a text itself, as printf(1) has its octal numbers; the backslash is the last one read.
const NUMBERS: [(char, &str); 3] = [('%', "\\0045"), ('\'', "\\0047"), ('\\', "\\0134")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_as_it_was_written() {
        for (command, expected) in [
            ("/bin/report 100%", "/bin/report 100\\%"),
            ("grep 'a\\.b' x", "grep 'a\\.b' x"),
            ("printf '\\%'", "eval \"$(printf \\%b 'printf \\0047\\0134\\0045\\0047')\""),
            ("a\\\\b", "eval \"$(printf \\%b 'a\\0134\\0134b')\""),
            ("echo \\\\0045 \\", "eval \"$(printf \\%b 'echo \\0134\\01340045 \\0134')\""),
            (
                "eval \"$(printf %b 'reboot')\"",
                "eval \"$(printf \\%b 'eval \"$(printf \\0045b \\0047reboot\\0047)\"')\"",
            ),
        ] {
            assert_eq!(written(command).as_deref(), Some(expected));
            assert_eq!(read(expected), command);
        }
    }

    #[test]
    fn no_backslash_stands_before_another_or_escapes_one() {
        for command in ["\\\\", "\\\\%", "\\%\\%", "%\\\\\\%'", "\\\\\\\\"] {
            let written = written(command).expect("it is short");
            assert!(!written.contains("\\\\"), "{written}");
            assert!(!written.replace("\\%", "").contains('%'), "{written}");
        }
    }

    #[test]
    fn what_is_longer_than_cron_takes_is_not_written() {
        assert!(written(&"x".repeat(LONGEST)).is_some());
        assert_eq!(written(&"x".repeat(LONGEST + 1)), None);
        assert_eq!(written(&"%".repeat(LONGEST)), None);
    }
}
