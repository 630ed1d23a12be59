//! Command lines of the event tools of Windows: words, and options as `/name:value` or `-name:value`, case-insensitive.

use std::collections::VecDeque;

/// Names of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionName {
    /// Short name, by which a program asks for the option.
    pub short: &'static str,
    /// Long name.
    pub long: &'static str,
}

impl OptionName {
    /// Names an option.
    #[must_use]
    pub const fn new(short: &'static str, long: &'static str) -> Self {
        Self { short, long }
    }

    fn is(&self, name: &str) -> bool {
        self.short.eq_ignore_ascii_case(name) || self.long.eq_ignore_ascii_case(name)
    }
}

/// Invalid command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl UsageError {
    /// Returns the error of an option with an invalid value.
    #[must_use]
    pub fn value(option: &str, problem: impl std::fmt::Display) -> Self {
        Self(format!("Invalid value for option {option}: {problem}"))
    }
}

/// Words and options behind a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    positional: VecDeque<String>,
    /// Short names and values, in the order of the command line.
    options: Vec<(&'static str, String)>,
    requests_help: bool,
}

impl Words {
    /// Splits the words behind a command, which has these options.
    ///
    /// A word that begins with a slash may also be a path: it is an option if its name is known, or if it has a value and
    /// no further slash before it.
    ///
    /// # Errors
    /// [`UsageError`] for an unknown option.
    pub fn parse(words: &[String], known: &[OptionName]) -> Result<Self, UsageError> {
        let mut all = Self::default();
        for word in words {
            if is_help(word) {
                all.requests_help = true;
                continue;
            }
            let Some(option) = word.strip_prefix('/').or_else(|| word.strip_prefix('-')) else {
                all.positional.push_back(word.clone());
                continue;
            };
            let (name, value) = option.split_once(':').unwrap_or((option, ""));
            let is_option = word.starts_with('-') || option.contains(':') && !name.contains('/');
            match known.iter().find(|option| option.is(name)) {
                Some(option) => all.options.push((option.short, value.to_owned())),
                None if is_option => {
                    return Err(UsageError(format!("Invalid option {name}. Option is not supported.")));
                }
                None => all.positional.push_back(word.clone()),
            }
        }
        Ok(all)
    }

    /// Returns whether a word requests help.
    #[must_use]
    pub fn requests_help(&self) -> bool {
        self.requests_help
    }

    /// Removes and returns the next word that is not an option. `argument` is its name in the error.
    ///
    /// # Errors
    /// [`UsageError`] if the word is missing.
    pub fn take(&mut self, argument: &str) -> Result<String, UsageError> {
        let word = self.positional.pop_front();
        word.ok_or_else(|| UsageError(format!("Required argument {argument} is missing.")))
    }

    /// Removes and returns all further words that are not options.
    pub fn take_all(&mut self) -> Vec<String> {
        self.positional.drain(..).collect()
    }

    /// Checks that no further word is given.
    ///
    /// # Errors
    /// [`UsageError`] with the next word.
    pub fn require_end(&self) -> Result<(), UsageError> {
        match self.positional.front() {
            Some(word) => Err(UsageError(format!("Too many arguments are specified: {word}"))),
            None => Ok(()),
        }
    }

    /// Returns the short names of the options that are given, in order.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        self.options.iter().map(|(name, _)| *name)
    }

    /// Returns the value of an option, which is empty if it has none. The last one counts.
    #[must_use]
    pub fn text(&self, short: &str) -> Option<&str> {
        self.options.iter().rev().find(|(name, _)| *name == short).map(|(_, value)| value.as_str())
    }

    /// Returns the value of an option that is `true` or `false`; without a value it is `true`.
    ///
    /// # Errors
    /// [`UsageError`] for another value.
    pub fn switch(&self, short: &str) -> Result<Option<bool>, UsageError> {
        match self.text(short) {
            None => Ok(None),
            Some("") => Ok(Some(true)),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(value) => Err(UsageError::value(short, value)),
        }
    }

    /// Returns the value of an option as `parse` understands it.
    ///
    /// # Errors
    /// [`UsageError`] with the error of `parse`.
    pub fn parsed<T, E: std::fmt::Display>(
        &self,
        short: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, UsageError> {
        self.text(short).map(parse).transpose().map_err(|error| UsageError::value(short, error))
    }
}

/// Returns whether a word requests help.
#[must_use]
pub fn is_help(word: &str) -> bool {
    ["/?", "-?", "/h", "-h", "--help"].iter().any(|help| word.eq_ignore_ascii_case(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [OptionName; 3] =
        [OptionName::new("e", "Enabled"), OptionName::new("d", "Description"), OptionName::new("q", "Query")];

    fn parse(words: &[&str]) -> Result<Words, UsageError> {
        Words::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), &KNOWN)
    }

    #[test]
    fn options_have_two_names_and_two_prefixes_in_any_case() {
        let mut words = parse(&["id", "/E", "-description:a:b", "/QUERY:*", "/q:x"]).unwrap();
        assert_eq!(words.switch("e"), Ok(Some(true)));
        assert_eq!((words.text("d"), words.text("q"), words.text("c")), (Some("a:b"), Some("x"), None));
        assert_eq!(words.given().collect::<Vec<_>>(), ["e", "d", "q", "q"]);
        assert_eq!(words.take("name").unwrap(), "id");
        words.require_end().unwrap();
        assert_eq!(words.take("name").unwrap_err().to_string(), "Required argument name is missing.");
    }

    #[test]
    fn paths_are_no_options() {
        let words = parse(&["/etc/x.xml", "/x.xml", "/home/a:b"]).unwrap();
        assert_eq!(words.clone().take_all(), ["/etc/x.xml", "/x.xml", "/home/a:b"]);
        assert!(words.require_end().is_err());
    }

    #[test]
    fn unknown_options_and_values_are_refused() {
        for words in [["-x"], ["/x:1"], ["--e"]] {
            assert!(parse(&words).is_err(), "{words:?}");
        }
        assert!(parse(&["/e:maybe"]).unwrap().switch("e").is_err());
        let parsed = parse(&["/d:7x"]).unwrap().parsed("d", str::parse::<u8>);
        assert!(parsed.unwrap_err().to_string().starts_with("Invalid value for option d: "));
        assert!(parse(&["id", "-?"]).unwrap().requests_help());
    }
}
