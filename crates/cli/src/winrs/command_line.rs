//! Joins the arguments split by the local shell into one command line for the remote shell.

/// Joins arguments; a single argument is the complete line, several are quoted where necessary.
pub(super) fn join(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => protected(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")),
    }
}

/// Puts a word in double quotes if it is empty or contains white space.
fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '\n']) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    let mut backslashes = 0;
    for c in word.chars() {
        // A backslash is literal, except directly before a quotation mark.
        match c {
            '\\' => backslashes += 1,
            '"' => {
                out.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        out.push(c);
    }
    out.extend(std::iter::repeat_n('\\', backslashes));
    out.push('"');
    out
}

/// Adds a pair of quotation marks to a line that begins with one, because `cmd /c` removes the outer pair.
/// Services that run other shells behave the same way.
fn protected(line: String) -> String {
    if line.starts_with('"') { format!("\"{line}\"") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_joined_with_quotation_marks() {
        for (words, line) in [
            (&["ipconfig", "/all"][..], "ipconfig /all"),
            (&["netdom", "join", "x", "/domain:d"], "netdom join x /domain:d"),
            (&["dir", r"C:\Program Files"], r#"dir "C:\Program Files""#),
            (&[r#"dir "C:\Program Files""#], r#"dir "C:\Program Files""#),
            (&["a  b"], "a  b"),
            (&["echo", ""], "echo \"\""),
            (&["echo", r#"say "hi" now"#], r#"echo "say \"hi\" now""#),
            (&["echo", r"a b\"], r#"echo "a b\\""#),
            (&["echo", r#"a \"b"#], r#"echo "a \\\"b""#),
            (&[r"C:\Program Files\x.exe", "/a"], r#"""C:\Program Files\x.exe" /a""#),
            (&[], ""),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(join(&words), line, "of {words:?}");
        }
    }
}
