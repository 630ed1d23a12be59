//! Commands in crontab files (crontab(5)), written so that every implementation of cron reads them alike.
//!
//! A percent sign ends the command unless a backslash precedes it. Implementations differ on two backslashes:
//! Debian's cron reduces them to one, cronie keeps both. A command with a backslash before either character
//! is therefore written with octal escapes, which a shell decodes first.

use std::fmt::Write as _;

/// Maximum length of a command in a table, in bytes; Debian's cron rejects files with longer commands as a
/// whole.
const LONGEST: usize = 998;

const BEFORE: &str = "eval \"$(printf \\%b '";
const AFTER: &str = "')\"";

/// Encodes a command for a table; `None` if it becomes too long.
pub fn written(command: &str) -> Option<String> {
    let plain = command.replace('%', "\\%");
    // A command that looks like the encoded form is encoded too, so that reading returns it unchanged.
    let is_plain = !command.contains("\\\\") && !command.contains("\\%") && read(&plain) == command;
    let written = if is_plain { plain } else { in_numbers(command) };
    (written.len() <= LONGEST).then_some(written)
}

/// Decodes a command that was encoded by [`written`].
pub fn read(written: &str) -> String {
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

/// Characters that need octal escapes for printf(1). Decoding goes in this order, so the backslash must be
/// last.
const NUMBERS: [(char, &str); 3] = [('%', "\\0045"), ('\'', "\\0047"), ('\\', "\\0134")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_commands_parse_to_the_same_words() {
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
    fn device_paths_contain_no_double_backslash() {
        for command in ["\\\\", "\\\\%", "\\%\\%", "%\\\\\\%'", "\\\\\\\\"] {
            let written = written(command).expect("it is short");
            assert!(!written.contains("\\\\"), "{written}");
            assert!(!written.replace("\\%", "").contains('%'), "{written}");
        }
    }

    #[test]
    fn overlong_command_is_rejected() {
        assert!(written(&"x".repeat(LONGEST)).is_some());
        assert_eq!(written(&"x".repeat(LONGEST + 1)), None);
        assert_eq!(written(&"%".repeat(LONGEST)), None);
    }
}
