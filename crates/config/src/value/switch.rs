use super::{Kind, Value, malformed};
use crate::Reason;
use std::borrow::Cow;

impl Value for bool {
    const KIND: Kind = Kind::Switch;

    fn parse(text: &str) -> Result<Self, Reason> {
        match text.trim() {
            // `xs:boolean` allows the digits; Python clients send `True`.
            "1" => Ok(true),
            "0" => Ok(false),
            word if word.eq_ignore_ascii_case("true") => Ok(true),
            word if word.eq_ignore_ascii_case("false") => Ok(false),
            word => Err(malformed(word, "true or false")),
        }
    }

    fn show(&self) -> Cow<'_, str> {
        if *self { "true" } else { "false" }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_boolean_are_read_and_nothing_else() {
        for yes in ["true", "True", " TRUE ", "1"] {
            assert_eq!(bool::parse(yes), Ok(true), "{yes:?}");
        }
        for no in ["false", "FALSE", "0\n"] {
            assert_eq!(bool::parse(no), Ok(false), "{no:?}");
        }
        for wrong in ["", "yes", "2", "tru e", "on"] {
            assert!(bool::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
