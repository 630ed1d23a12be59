//! Words for the rights in a namespace.

use wmi::Rights;

/// Rights that a user of another machine needs to read and to call methods.
pub(crate) const USUAL: Rights = Rights::ENABLE.union(Rights::METHOD_EXECUTE).union(Rights::REMOTE_ENABLE);

/// Parses words separated by commas or spaces: those of `--rights`, or the names of the rights as they are shown. Case
/// is ignored.
pub(crate) fn parse(list: &str) -> Result<Rights, String> {
    let words = list.split([',', ' ']).filter(|word| !word.is_empty());
    let rights = words.map(right).collect::<Result<Rights, _>>()?;
    if rights.is_empty() { Err(format!("no rights are given; expected {}", expected())) } else { Ok(rights) }
}

fn right(word: &str) -> Result<Rights, String> {
    if word.eq_ignore_ascii_case("all") {
        return Ok(Rights::all());
    }
    let named = WORDS.iter().find(|(own, _)| own.eq_ignore_ascii_case(word)).map(|(_, right)| *right);
    let shown = || Rights::all().iter_names().find(|(own, _)| own.eq_ignore_ascii_case(word));
    named
        .or_else(|| shown().map(|(_, right)| right))
        .ok_or_else(|| format!("unknown right \"{word}\"; expected {}", expected()))
}

fn expected() -> String {
    WORDS.iter().map(|(word, _)| format!("{word}, ")).collect::<String>() + "or all"
}

const WORDS: [(&str, Rights); 10] = [
    ("enable", Rights::ENABLE),
    ("methods", Rights::METHOD_EXECUTE),
    ("full-write", Rights::FULL_WRITE_REP),
    ("partial-write", Rights::PARTIAL_WRITE_REP),
    ("provider-write", Rights::WRITE_PROVIDER),
    ("remote-enable", Rights::REMOTE_ENABLE),
    ("subscribe", Rights::SUBSCRIBE),
    ("publish", Rights::PUBLISH),
    ("read-security", Rights::READ_CONTROL),
    ("edit-security", Rights::WRITE_DAC),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_shown_names_are_parsed() {
        assert_eq!(parse("enable,methods, Remote-Enable"), Ok(USUAL));
        assert_eq!(parse("ENABLE, METHOD_EXECUTE, REMOTE_ENABLE"), Ok(USUAL));
        assert_eq!(parse("all"), Ok(Rights::all()));
        assert_eq!(parse(&Rights::all().to_string()), Ok(Rights::all()));
        let all = WORDS.iter().map(|(_, right)| *right).collect::<Rights>();
        assert_eq!(all, Rights::all());
        for wrong in ["", ",", "read", "enable,wirte"] {
            assert!(parse(wrong).unwrap_err().contains("enable, methods,"), "{wrong}");
        }
    }
}
