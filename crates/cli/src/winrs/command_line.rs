//! From the words a local shell made back to one line for the remote shell.

/// One word is a whole line already; of several, those that need quotes get them.
pub(super) fn join(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => protected(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")),
    }
}

/// Puts a word into double quotes if the remote shell would take it for several.
fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '\n']) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    let mut backslashes = 0;
    for c in word.chars() {
        // Programs read a backslash as itself, but for those right before a quotation mark.
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

/// `cmd /c` takes the outer quotation marks off a line that begins with one, so such a line gets a pair
/// to lose. A service that runs another shell does the same.
fn protected(line: String) -> String {
    if line.starts_with('"') { format!("\"{line}\"") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_the_line_that_was_meant() {
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
