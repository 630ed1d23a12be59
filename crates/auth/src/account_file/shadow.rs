//! Users of a Linux machine, to be taken over: the lines of `/etc/shadow` (shadow(5)).
//!
//! ```text
//! alice:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79:19800:0:99999:7:::
//! ```
//!
//! | field | what becomes of it |
//! |---|---|
//! | name | the account's name |
//! | password | the account's password; behind a `!` it is locked: [`Standing::Disabled`] |
//! | day of the last change | the time of the last change; 0 is a [`Skip`] |
//! | least and most days, warning, grace | not looked at |
//! | day of expiry | [`Entry::expires`] |
//!
//! No text of a line is repeated in an error: it may be a hash in the wrong place.

use super::password_hash::{HashError, PasswordHash};
use super::record::{AccountName, FieldError, Standing, UnixTime, shown};
use super::{AtLine, MAX_LINE_OCTETS, MAX_LINES, fields, parse_lines};

/// What a line says.
#[derive(Clone, Debug)]
pub enum Line {
    /// An account that can be taken over.
    Account(Entry),
    /// An account that is left where it is.
    Skipped {
        /// Whose it is.
        name: String,
        /// Why.
        reason: Skip,
    },
}

/// An account that can be taken over.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is called.
    pub name: AccountName,
    /// What its password is compared with.
    pub password: PasswordHash,
    /// [`Standing::Disabled`] if the password is locked.
    pub standing: Standing,
    /// When the password was set, if it is known.
    pub changed: Option<UnixTime>,
    /// From when on the account may no longer sign in, if ever.
    pub expires: Option<UnixTime>,
}

/// Why an account is not taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skip {
    /// The field of the password is empty: it takes none to sign in.
    #[error("it takes no password to sign in")]
    NoPassword,
    /// `*`, `!` or `!!`: no password is right.
    #[error("no password was ever set, as for users that only own files and services")]
    NeverSet,
    /// The day of the last change is 0.
    #[error("its password must be changed before it is used")]
    MustChange,
    /// A hash that cannot be compared with here.
    #[error(transparent)]
    Password(#[from] HashError),
    /// The name is none that an account here can have.
    #[error(transparent)]
    Name(#[from] FieldError),
}

/// Why a text is not in the form of `/etc/shadow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Too much to look at.
    #[error("there are more than {MAX_LINES} lines, or the line is longer than {MAX_LINE_OCTETS} octets")]
    TooLong,
    /// Not nine fields, or no name.
    #[error("it is not NAME:PASSWORD: and seven more fields, as in /etc/shadow")]
    Shape,
    /// A day is no number.
    #[error("the day of the last change or of expiry is not a number of days since 1970")]
    Day,
}

/// Reads a whole file; empty lines and comments do not count.
///
/// # Errors
/// The first line that is wrong, and why: half of a list of accounts is not taken over.
pub fn parse(text: &str) -> Result<Vec<Line>, AtLine<LineError>> {
    parse_lines(text, LineError::TooLong, parse_line)
}

/// Reads one line; none for one that is empty or a comment.
///
/// # Errors
/// [`LineError`].
pub fn parse_line(text: &str) -> Result<Option<Line>, LineError> {
    let Some(fields) = fields(text, LineError::TooLong)? else { return Ok(None) };
    let [name, password, changed, _, _, _, _, expires, _] = fields.as_slice() else {
        return Err(LineError::Shape);
    };
    if name.is_empty() {
        return Err(LineError::Shape);
    }
    let (changed, expires) = (parse_day(changed)?, parse_day(expires)?);
    Ok(Some(match account(name, password) {
        Ok(_) if changed == Some(UnixTime::new(0)) => {
            Line::Skipped { name: shown(name), reason: Skip::MustChange }
        }
        Ok((name, password, standing)) => Line::Account(Entry { name, password, standing, changed, expires }),
        Err(reason) => Line::Skipped { name: shown(name), reason },
    }))
}

fn account(name: &str, password: &str) -> Result<(AccountName, PasswordHash, Standing), Skip> {
    let hash = password.trim_start_matches('!');
    match hash {
        "" if password.is_empty() => return Err(Skip::NoPassword),
        "" | "*" => return Err(Skip::NeverSet),
        _ => {}
    }
    let standing = if hash == password { Standing::Enabled } else { Standing::Disabled };
    Ok((AccountName::parse(name)?, PasswordHash::parse(hash)?, standing))
}

/// None for an empty field, which stands for never.
fn parse_day(text: &str) -> Result<Option<UnixTime>, LineError> {
    const MOST_DIGITS: usize = 9;
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MOST_DIGITS || !text.bytes().all(|c| c.is_ascii_digit()) {
        return Err(LineError::Day);
    }
    let days: u64 = text.parse().map_err(|_| LineError::Day)?;
    Ok(Some(UnixTime::new(days * 86_400)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Secret;

    const HASH: &str = "$y$j75$LdJMENpBABJJ3hIHjB1Bi.$rfA07bT0O97FNWV5Cb8oFDnoGBJLXwSI4w/PIpLfyy2";

    fn line(password: &str) -> String {
        format!("alice:{password}:19800:0:99999:7:::")
    }

    fn account(text: &str) -> Entry {
        match parse_line(text) {
            Ok(Some(Line::Account(entry))) => entry,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_user_is_taken_over_with_the_password() {
        let entry = account(&line(HASH));
        assert_eq!((entry.name.as_str(), entry.standing), ("alice", Standing::Enabled));
        assert_eq!((entry.changed, entry.expires), (Some(UnixTime::new(19_800 * 86_400)), None));
        assert!(entry.password.verify(&Secret::new("correct horse".to_owned())));
        let entry = account(&format!("alice:{HASH}:::::14:20000:\r"));
        assert_eq!((entry.changed, entry.expires), (None, Some(UnixTime::new(20_000 * 86_400))));
    }

    #[test]
    fn a_locked_password_is_that_of_a_disabled_account() {
        for locked in [format!("!{HASH}"), format!("!!{HASH}")] {
            assert_eq!(account(&line(&locked)).standing, Standing::Disabled, "{locked}");
        }
    }

    #[test]
    fn users_without_a_password_that_can_be_used_are_left_with_a_reason() {
        let name = FieldError::Name { name: "al ice".to_owned() };
        let scheme = HashError::Scheme { scheme: "1".to_owned() };
        for (text, whose, skip) in [
            (line(""), "alice", Skip::NoPassword),
            (line("*"), "alice", Skip::NeverSet),
            (line("!"), "alice", Skip::NeverSet),
            (line("!!"), "alice", Skip::NeverSet),
            (line("!*"), "alice", Skip::NeverSet),
            (line(HASH).replace("19800", "0"), "alice", Skip::MustChange),
            (line("$1$salt$J5T8Q2VYVJ9sQ1wqv0dXE."), "alice", Skip::Password(scheme)),
            (line(&HASH.replace("fyy2", "fyy")), "alice", Skip::Password(HashError::Malformed)),
            (line(HASH).replace("alice", "al ice"), "al ice", Skip::Name(name)),
        ] {
            match parse_line(&text) {
                Ok(Some(Line::Skipped { name, reason })) => {
                    assert_eq!((name.as_str(), reason), (whose, skip));
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_line_of_shadow_is_refused_without_repeating_it() {
        for (text, error) in [
            ("alice".to_owned(), LineError::Shape),
            (format!("alice:{HASH}"), LineError::Shape),
            (format!("{}:", line(HASH)), LineError::Shape),
            (line(HASH).replace("alice", ""), LineError::Shape),
            (line(HASH).replace("19800", "-1"), LineError::Day),
            (line(HASH).replace("19800", "1e3"), LineError::Day),
            (line(HASH).replace("19800", "1234567890"), LineError::Day),
            (format!("alice:{HASH}:::::x:y:"), LineError::Day),
            (line(&"x".repeat(MAX_LINE_OCTETS)), LineError::TooLong),
        ] {
            assert_eq!(parse_line(&text).err(), Some(error), "{text}");
            assert!(!error.to_string().contains('$'), "{error}");
        }
    }

    #[test]
    fn a_file_is_taken_over_whole_or_not_at_all() {
        let text = format!("root:*:19800:0:99999:7:::\n\n{}\n", line(HASH));
        assert_eq!(parse(&text).unwrap().len(), 2);
        let error = parse(&format!("{text}bob:x\n")).unwrap_err();
        assert_eq!(error, AtLine { line: 4, reason: LineError::Shape });
        assert_eq!(
            error.to_string(),
            "line 4: it is not NAME:PASSWORD: and seven more fields, as in /etc/shadow"
        );
    }
}
