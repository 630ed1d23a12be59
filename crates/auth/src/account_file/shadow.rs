//! Import of the users of a Linux machine from `/etc/shadow` lines (shadow(5)).
//!
//! ```text
//! alice:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79:19800:0:99999:7:::
//! ```
//!
//! | field | use |
//! |---|---|
//! | name | account name |
//! | password | password hash; a leading `!` (locked) becomes [`EnabledState::Disabled`] |
//! | day of the last change | time of the last password change; 0 is a reason to [`Skip`] the account |
//! | minimum and maximum age, warning, inactivity | ignored |
//! | day of expiry | [`Entry::expires`] |
//!
//! Error messages contain no text of the line, because it may be a misplaced hash.

use super::password_hash::{HashError, PasswordHash};
use super::record::{AccountName, EnabledState, FieldError, UnixTime, shown};
use super::{AtLine, MAX_LINE_OCTETS, MAX_LINES, fields, parse_lines};

/// A parsed line.
#[derive(Clone, Debug)]
pub enum Line {
    /// An account that can be imported.
    Account(Entry),
    /// An account that is not imported.
    Skipped {
        /// Account name.
        name: String,
        /// Reason.
        reason: Skip,
    },
}

/// An account that can be imported.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Account name.
    pub name: AccountName,
    /// Password hash.
    pub password: PasswordHash,
    /// [`EnabledState::Disabled`] if the password is locked.
    pub state: EnabledState,
    /// Time of the last password change, if known.
    pub changed: Option<UnixTime>,
    /// Time from which the account may no longer sign in; `None` for never.
    pub expires: Option<UnixTime>,
}

/// Reason why an account is not imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skip {
    /// The password field is empty: signing in requires no password.
    #[error("no password is required to sign in")]
    NoPassword,
    /// `*`, `!` or `!!`: no password is accepted.
    #[error("no password was ever set, as usual for system users")]
    NeverSet,
    /// The day of the last change is 0, so the password must be changed first.
    #[error("the password must be changed before it is used")]
    MustChange,
    /// The password hash is not supported here.
    #[error(transparent)]
    Password(#[from] HashError),
    /// The account name is not allowed here.
    #[error(transparent)]
    Name(#[from] FieldError),
}

/// Reason why a line is not in `/etc/shadow` format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The text exceeds the limits.
    #[error("more than {MAX_LINES} lines, or line longer than {MAX_LINE_OCTETS} bytes")]
    TooLong,
    /// There are not nine fields, or the name is empty.
    #[error("expected NAME:PASSWORD: and seven more fields, as in /etc/shadow")]
    Shape,
    /// A day is not a number.
    #[error("day of the last change or of expiry is not a number of days since 1970")]
    Day,
}

/// Parses a whole file; empty lines and comments are ignored.
///
/// # Errors
/// [`LineError`] for the first invalid line; an incomplete list is not imported.
pub fn parse(text: &str) -> Result<Vec<Line>, AtLine<LineError>> {
    parse_lines(text, LineError::TooLong, parse_line)
}

/// Parses one line; `None` for an empty line or a comment.
///
/// # Errors
/// [`LineError`] if the line is malformed.
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
        Ok((name, password, state)) => Line::Account(Entry { name, password, state, changed, expires }),
        Err(reason) => Line::Skipped { name: shown(name), reason },
    }))
}

fn account(name: &str, password: &str) -> Result<(AccountName, PasswordHash, EnabledState), Skip> {
    let hash = password.trim_start_matches('!');
    match hash {
        "" if password.is_empty() => return Err(Skip::NoPassword),
        "" | "*" => return Err(Skip::NeverSet),
        _ => {}
    }
    let state = if hash == password { EnabledState::Enabled } else { EnabledState::Disabled };
    Ok((AccountName::parse(name)?, PasswordHash::parse(hash)?, state))
}

/// Parses a number of days since 1970; `None` for an empty field.
fn parse_day(text: &str) -> Result<Option<UnixTime>, LineError> {
    const MAX_DIGITS: usize = 9;
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_DIGITS || !text.bytes().all(|c| c.is_ascii_digit()) {
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
    fn a_user_is_imported_with_the_password() {
        let entry = account(&line(HASH));
        assert_eq!((entry.name.as_str(), entry.state), ("alice", EnabledState::Enabled));
        assert_eq!((entry.changed, entry.expires), (Some(UnixTime::new(19_800 * 86_400)), None));
        assert!(entry.password.verify(&Secret::new("correct horse".to_owned())));
        let entry = account(&format!("alice:{HASH}:::::14:20000:\r"));
        assert_eq!((entry.changed, entry.expires), (None, Some(UnixTime::new(20_000 * 86_400))));
    }

    #[test]
    fn a_locked_password_disables_the_account() {
        for locked in [format!("!{HASH}"), format!("!!{HASH}")] {
            assert_eq!(account(&line(&locked)).state, EnabledState::Disabled, "{locked}");
        }
    }

    #[test]
    fn users_without_a_usable_password_are_skipped() {
        let name = FieldError::Name { name: "al ice".to_owned() };
        let scheme = HashError::Scheme { scheme: "1".to_owned() };
        for (text, expected_name, skip) in [
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
                    assert_eq!((name.as_str(), reason), (expected_name, skip));
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn malformed_lines_are_rejected_without_quoting_them() {
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
    fn one_malformed_line_rejects_the_file() {
        let text = format!("root:*:19800:0:99999:7:::\n\n{}\n", line(HASH));
        assert_eq!(parse(&text).unwrap().len(), 2);
        let error = parse(&format!("{text}bob:x\n")).unwrap_err();
        assert_eq!(error, AtLine { line: 4, reason: LineError::Shape });
        assert_eq!(
            error.to_string(),
            "line 4: expected NAME:PASSWORD: and seven more fields, as in /etc/shadow"
        );
    }
}
