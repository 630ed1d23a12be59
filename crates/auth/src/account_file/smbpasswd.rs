//! Accounts of Samba, to be taken over: the lines of `smbpasswd`, as `pdbedit -L -w` prints them (smbpasswd(5)).
//!
//! ```text
//! alice:1000:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[U          ]:LCT-65F2C3A1:
//! ```
//!
//! | field | what becomes of it |
//! |---|---|
//! | name | the account's name |
//! | uid | not looked at: accounts get RIDs of their own |
//! | LAN Manager hash | never taken over |
//! | NT hash | sealed by the caller, for NTLM |
//! | flags | [`Entry`], or the [`Skip`] that stands in its way |
//! | time of the last change | the time of the last change |
//!
//! No text of a line is repeated in an error: it may be a hash in the wrong place.

use std::fmt;

use zeroize::Zeroizing;

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
#[derive(Clone)]
pub struct Entry {
    /// What it is called.
    pub name: AccountName,
    /// MD4 of the password in UTF-16LE (MS-NLMP 3.3.1): as good as the password for NTLM, and of no use for anything
    /// else.
    pub nt_hash: Zeroizing<[u8; 16]>,
    /// The flags `D` (disabled) and `L` (locked) become [`Standing::Disabled`].
    pub standing: Standing,
    /// When the password was set, if it is known.
    pub changed: Option<UnixTime>,
}

/// Why an account is not taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skip {
    /// Flag `N`, or the hash of nothing: it takes no password to sign in.
    #[error("it has no password")]
    NoPassword,
    /// Flag `W` or `S`: a machine of a domain.
    #[error("it belongs to a machine, not to a user")]
    Machine,
    /// Flag `I`: another domain.
    #[error("it belongs to a trusted domain, not to a user")]
    Domain,
    /// Neither of these, nor `U`.
    #[error("it is not the account of a user")]
    NotAUser,
    /// The NT hash is not there.
    #[error("it has no NT hash: its password was never set")]
    NoHash,
    /// The name is none that an account here can have.
    #[error(transparent)]
    Name(#[from] FieldError),
}

/// Why a text is not in the form of `smbpasswd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Too much to look at.
    #[error("there are more than {MAX_LINES} lines, or the line is longer than {MAX_LINE_OCTETS} octets")]
    TooLong,
    /// Fields are missing.
    #[error("it is not NAME:UID:LMHASH:NTHASH:[FLAGS]:LCT-TIME:, as pdbedit -L -w prints it")]
    Shape,
    /// A hash is neither 32 hexadecimal digits nor what stands for none.
    #[error("a hash is not 32 hexadecimal digits")]
    Hash,
    /// The flags are not letters in brackets, or unknown.
    #[error("the flags are not known letters in square brackets")]
    Flags,
    /// The time is not one.
    #[error("the time of the last change is not LCT- and eight hexadecimal digits")]
    Time,
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
    let skipped = |reason| Ok(Some(Line::Skipped { name: shown(name), reason }));
    if let Some(reason) = flags.skip() {
        return skipped(reason);
    }
    match (AccountName::parse(name), nt_hash) {
        (Err(reason), _) => skipped(Skip::Name(reason)),
        (Ok(_), None) => skipped(Skip::NoHash),
        (Ok(_), Some(nt_hash)) if *nt_hash == OF_NOTHING => skipped(Skip::NoPassword),
        (Ok(name), Some(nt_hash)) => {
            Ok(Some(Line::Account(Entry { name, nt_hash, standing: flags.standing(), changed })))
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nt_hash: _, standing, changed } = self;
        f.debug_struct("Entry")
            .field("name", name)
            .field("standing", standing)
            .field("changed", changed)
            .finish_non_exhaustive()
    }
}

/// The letters between the brackets.
struct Flags<'a>(
    /// INVARIANT: letters of [`FLAGS`] only.
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

    fn skip(&self) -> Option<Skip> {
        let has = |letters: &[char]| self.0.contains(letters);
        if has(&['W', 'S']) {
            Some(Skip::Machine)
        } else if has(&['I']) {
            Some(Skip::Domain)
        } else if has(&['N']) {
            Some(Skip::NoPassword)
        } else if !has(&['U']) || has(&['M', 'T']) {
            Some(Skip::NotAUser)
        } else {
            None
        }
    }

    fn standing(&self) -> Standing {
        if self.0.contains(['D', 'L']) { Standing::Disabled } else { Standing::Enabled }
    }
}

/// None for the texts that stand for no hash: `XXXX…`, and `NO PASSWORDXXXX…`.
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
/// The NT hash of the empty password: MD4 of nothing (RFC 1320, A.5).
const OF_NOTHING: [u8; 16] = 0x31D6_CFE0_D16A_E931_B73C_59D7_E0C0_89C0_u128.to_be_bytes();
/// User, disabled, no password, never expires, workstation, server, domain, locked, home needed, duplicate, MNS.
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
    fn a_user_is_taken_over_with_the_nt_hash() {
        let entry = account(LINE);
        assert_eq!((entry.name.as_str(), entry.standing), ("alice", Standing::Enabled));
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
    fn accounts_that_cannot_sign_in_stay_so() {
        for flags in ["[UD         ]", "[DU         ]", "[UL         ]", "[UDX        ]"] {
            assert_eq!(account(&with("[U          ]", flags)).standing, Standing::Disabled, "{flags}");
        }
    }

    #[test]
    fn accounts_of_others_than_users_are_left_with_a_reason() {
        let name = FieldError::Name { name: "node 7".to_owned() };
        for (text, whose, skip) in [
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
                    assert_eq!((name.as_str(), reason), (whose, skip));
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_line_of_smbpasswd_is_refused_without_repeating_it() {
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
    fn a_file_is_taken_over_whole_or_not_at_all() {
        let text = format!("# smbpasswd\n\n{LINE}\n{}\n", with("alice", "bob"));
        assert_eq!(parse(&text).unwrap().len(), 2);
        let error = parse(&format!("{LINE}\n{}", with("LCT-", ""))).unwrap_err();
        assert_eq!(error, AtLine { line: 2, reason: LineError::Time });
        let error = parse(&"\n".repeat(MAX_LINES + 1)).unwrap_err();
        assert_eq!(error, AtLine { line: MAX_LINES + 1, reason: LineError::TooLong });
    }

    #[test]
    fn no_hash_shows_in_debug() {
        let shown = format!("{:?}", parse(LINE).unwrap());
        assert!(shown.contains("alice") && !shown.contains("136") && !shown.contains("88"), "{shown}");
    }
}
