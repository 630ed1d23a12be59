//! Import of Samba accounts from `smbpasswd` lines, as `pdbedit -L -w` prints them (smbpasswd(5)).
//!
//! ```text
//! alice:1000:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[U          ]:LCT-65F2C3A1:
//! ```
//!
//! | field | use |
//! |---|---|
//! | name | account name |
//! | uid | ignored; accounts get RIDs of their own |
//! | LAN Manager hash | never imported |
//! | NT hash | sealed by the caller, for NTLM |
//! | flags | [`Entry`], or the reason to [`Skip`] the account |
//! | time of the last change | time of the last password change |
//!
//! Error messages contain no text of the line, because it may be a misplaced hash.

use std::fmt;

use zeroize::Zeroizing;

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
#[derive(Clone)]
pub struct Entry {
    /// Account name.
    pub name: AccountName,
    /// MD4 of the password in UTF-16LE (MS-NLMP 3.3.1): equivalent to the password for NTLM, and useless for anything
    /// else.
    pub nt_hash: Zeroizing<[u8; 16]>,
    /// [`EnabledState::Disabled`] if flag `D` (disabled) or `L` (locked) is set.
    pub state: EnabledState,
    /// Time of the last password change, if known.
    pub changed: Option<UnixTime>,
}

/// Reason why an account is not imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skip {
    /// Flag `N`, or the hash of the empty password: signing in requires no password.
    #[error("no password is required to sign in")]
    NoPassword,
    /// Flag `W` or `S`: a domain member or domain controller.
    #[error("machine account")]
    Machine,
    /// Flag `I`: a trust account of another domain.
    #[error("trust account of a domain")]
    Domain,
    /// Flag `U` is missing.
    #[error("not a user account")]
    NotAUser,
    /// The NT hash is missing.
    #[error("no NT hash; the password was never set")]
    NoHash,
    /// The account name is not allowed here.
    #[error(transparent)]
    Name(#[from] FieldError),
}

/// Reason why a line is not in `smbpasswd` format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The text exceeds the limits.
    #[error("more than {MAX_LINES} lines, or line longer than {MAX_LINE_OCTETS} bytes")]
    TooLong,
    /// Fields are missing or in excess.
    #[error("expected NAME:UID:LMHASH:NTHASH:[FLAGS]:LCT-TIME:, as printed by pdbedit -L -w")]
    Shape,
    /// A hash is neither 32 hexadecimal digits nor a placeholder for none.
    #[error("hash is not 32 hexadecimal digits")]
    Hash,
    /// The flags are not known letters in brackets.
    #[error("flags are not known letters in square brackets")]
    Flags,
    /// The time is malformed.
    #[error("time of the last change is not LCT- and eight hexadecimal digits")]
    Time,
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
    let ([name, uid, lan_manager, nt, flags], rest) = fields.split_first_chunk().ok_or(LineError::Shape)?;
    if uid.is_empty() || !uid.bytes().all(|c| c.is_ascii_digit()) {
        return Err(LineError::Shape);
    }
    parse_hash(lan_manager)?;
    let nt_hash = parse_hash(nt)?;
    let flags = Flags::parse(flags)?;
    let changed = match rest {
        [] | [""] => None,
        [time] | [time, ""] => Some(parse_time(time)?),
        _ => return Err(LineError::Shape),
    };
    Ok(Some(match account(name, nt_hash, &flags, changed) {
        Ok(entry) => Line::Account(entry),
        Err(reason) => Line::Skipped { name: shown(name), reason },
    }))
}

fn account(
    name: &str,
    nt_hash: Option<Zeroizing<[u8; 16]>>,
    flags: &Flags<'_>,
    changed: Option<UnixTime>,
) -> Result<Entry, Skip> {
    if let Some(reason) = flags.skip_reason() {
        return Err(reason);
    }
    let name = AccountName::parse(name)?;
    let nt_hash = nt_hash.ok_or(Skip::NoHash)?;
    if *nt_hash == EMPTY_PASSWORD_HASH {
        return Err(Skip::NoPassword);
    }
    Ok(Entry { name, nt_hash, state: flags.state(), changed })
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nt_hash: _, state, changed } = self;
        f.debug_struct("Entry")
            .field("name", name)
            .field("state", state)
            .field("changed", changed)
            .finish_non_exhaustive()
    }
}

/// Letters between the brackets.
struct Flags<'a>(
    /// INVARIANT: only letters of [`FLAGS`].
    &'a str,
);

impl<'a> Flags<'a> {
    fn parse(text: &'a str) -> Result<Self, LineError> {
        let letters =
            text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(LineError::Flags)?;
        let letters = letters.trim_end_matches(' ');
        if letters.chars().all(|letter| FLAGS.contains(letter)) {
            Ok(Self(letters))
        } else {
            Err(LineError::Flags)
        }
    }

    fn skip_reason(&self) -> Option<Skip> {
        let letters = self.0;
        if letters.contains(['W', 'S']) {
            Some(Skip::Machine)
        } else if letters.contains('I') {
            Some(Skip::Domain)
        } else if letters.contains('N') {
            Some(Skip::NoPassword)
        } else if !letters.contains('U') || letters.contains(['M', 'T']) {
            Some(Skip::NotAUser)
        } else {
            None
        }
    }

    fn state(&self) -> EnabledState {
        if self.0.contains(['D', 'L']) { EnabledState::Disabled } else { EnabledState::Enabled }
    }
}

/// Parses a hash; `None` for the placeholders `XXXX…` and `NO PASSWORDXXXX…`.
fn parse_hash(text: &str) -> Result<Option<Zeroizing<[u8; 16]>>, LineError> {
    let filler = text.strip_prefix("NO PASSWORD").unwrap_or(text);
    if text.len() == HASH_DIGITS && filler.bytes().all(|c| matches!(c, b'X' | b'*')) {
        return Ok(None);
    }
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    let mut hash = Zeroizing::new([0; 16]);
    for octet in hash.iter_mut() {
        let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
            return Err(LineError::Hash);
        };
        *octet = u8::try_from(high * 16 + low).map_err(|_| LineError::Hash)?;
    }
    if digits.next().is_some() { Err(LineError::Hash) } else { Ok(Some(hash)) }
}

fn parse_time(text: &str) -> Result<UnixTime, LineError> {
    let digits = text.strip_prefix("LCT-").filter(|digits| digits.len() == 8).ok_or(LineError::Time)?;
    if !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(LineError::Time);
    }
    u64::from_str_radix(digits, 16).map(UnixTime::new).map_err(|_| LineError::Time)
}

const HASH_DIGITS: usize = 32;
/// NT hash of the empty password: MD4 of the empty string (RFC 1320 A.5).
const EMPTY_PASSWORD_HASH: [u8; 16] = 0x31D6_CFE0_D16A_E931_B73C_59D7_E0C0_89C0_u128.to_be_bytes();
/// Known flags: user, disabled, no password, never expires, workstation, server, domain, locked, home directory
/// required, temporary duplicate, MNS logon.
const FLAGS: &str = "UDNXWSILHTM";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LINE: &str = "alice:1000:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[U          ]:LCT-65F2C3A1:";

    fn with(from: &str, to: &str) -> String {
        LINE.replacen(from, to, 1)
    }

    fn account(text: &str) -> Entry {
        match parse_line(text) {
            Ok(Some(Line::Account(entry))) => entry,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_user_is_imported_with_the_nt_hash() {
        let entry = account(LINE);
        assert_eq!((entry.name.as_str(), entry.state), ("alice", EnabledState::Enabled));
        assert_eq!(entry.nt_hash.first_chunk(), Some(&[0x88, 0x46, 0xF7, 0xEA]));
        assert_eq!(entry.changed, Some(UnixTime::new(0x65F2_C3A1)));
        for text in [
            with("8846F7EAEE8FB117AD06BDD830B7586C", "8846f7eaee8fb117ad06bdd830b7586c"),
            with("[U          ]", "[UX         ]"),
            with("[U          ]", "[U]"),
            with(&"X".repeat(32), &"0".repeat(32)),
            with("586C:[", "586C:[") + "\r",
        ] {
            assert_eq!(account(&text).nt_hash, entry.nt_hash, "{text}");
        }
        assert_eq!(account(&with("LCT-65F2C3A1:", "")).changed, None);
        assert_eq!(account(&with("A1:", "A1")).changed, entry.changed);
    }

    #[test]
    fn disabled_and_locked_accounts_are_imported_as_disabled() {
        for flags in ["[UD         ]", "[DU         ]", "[UL         ]", "[UDX        ]"] {
            assert_eq!(account(&with("[U          ]", flags)).state, EnabledState::Disabled, "{flags}");
        }
    }

    #[test]
    fn accounts_that_are_not_users_are_skipped() {
        let name = FieldError::Name { name: "node 7".to_owned() };
        for (text, expected_name, skip) in [
            (with("alice", "node7$").replace("[U", "[W"), "node7$", Skip::Machine),
            (with("[U", "[S"), "alice", Skip::Machine),
            (with("[U", "[I"), "alice", Skip::Domain),
            (with("[U ", "[UN"), "alice", Skip::NoPassword),
            (with("[U ", "[ND"), "alice", Skip::NoPassword),
            (
                with("8846F7EAEE8FB117AD06BDD830B7586C", "31d6cfe0d16ae931b73c59d7e0c089c0"),
                "alice",
                Skip::NoPassword,
            ),
            (with("[U", "[ "), "alice", Skip::NotAUser),
            (with("[U ", "[UT"), "alice", Skip::NotAUser),
            (with("8846F7EAEE8FB117AD06BDD830B7586C", &"X".repeat(32)), "alice", Skip::NoHash),
            (
                with("8846F7EAEE8FB117AD06BDD830B7586C", "NO PASSWORDXXXXXXXXXXXXXXXXXXXXX"),
                "alice",
                Skip::NoHash,
            ),
            (with("alice", "node 7"), "node 7", Skip::Name(name)),
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
            (with(":[U          ]:LCT-65F2C3A1:", ""), LineError::Shape),
            (with(":1000:", "::"), LineError::Shape),
            (with(":1000:", ":-1:"), LineError::Shape),
            (format!("{LINE}more"), LineError::Shape),
            (with("586C", "586"), LineError::Hash),
            (with("586C", "586CC"), LineError::Hash),
            (with("586C", "586G"), LineError::Hash),
            (with("586C", "58é"), LineError::Hash),
            (with("XX:", "X:"), LineError::Hash),
            (with("[U ", "U "), LineError::Flags),
            (with(" ]", " "), LineError::Flags),
            (with("[U ", "[UQ"), LineError::Flags),
            (with("[U ", "[u "), LineError::Flags),
            (with("[U ", "[ U"), LineError::Flags),
            (with("LCT-", "LCT"), LineError::Time),
            (with("LCT-65F2C3A1", "LCT-+5F2C3A1"), LineError::Time),
            (with("C3A1", "C3A11"), LineError::Time),
            ("x".repeat(MAX_LINE_OCTETS + 1), LineError::TooLong),
        ] {
            let found = parse_line(&text);
            assert_eq!(found.as_ref().err(), Some(&error), "{text}");
            assert!(!error.to_string().contains("8846"), "{error}");
        }
    }

    #[test]
    fn one_malformed_line_rejects_the_file() {
        let text = format!("# smbpasswd\n\n{LINE}\n{}\n", with("alice", "bob"));
        assert_eq!(parse(&text).unwrap().len(), 2);
        let error = parse(&format!("{LINE}\n{}", with("LCT-", ""))).unwrap_err();
        assert_eq!(error, AtLine { line: 2, reason: LineError::Time });
        let error = parse(&"\n".repeat(MAX_LINES + 1)).unwrap_err();
        assert_eq!(error, AtLine { line: MAX_LINES + 1, reason: LineError::TooLong });
    }

    #[test]
    fn debug_output_contains_no_hash() {
        let shown = format!("{:?}", parse(LINE).unwrap());
        assert!(shown.contains("alice") && !shown.contains("136") && !shown.contains("88"), "{shown}");
    }
}
