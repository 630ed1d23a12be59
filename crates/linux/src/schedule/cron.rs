//! Parser for crontab files (crontab(5)).
//!
//! It is as lenient as cron: every line that cron runs is found, even if it looks malformed.

use std::ffi::OsString;

use crate::listing::{Listing, if_present};
use crate::{Error, Machine};

/// A job: a line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Absolute path of the table.
    pub file: String,
    /// User that the command runs as.
    pub owner: String,
    /// The command.
    pub command: String,
    /// Times at which it runs.
    pub time: Time,
    /// The line as written.
    pub text: String,
}

/// Times at which a line is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Hour and minute; `None` if there are several, or no fixed time as for `@reboot`.
    pub at: Option<(u32, u32)>,
    /// Days of the month as bits, the first in the lowest bit; `None` for all.
    pub days_of_month: Option<u32>,
    /// Days of the week as bits, Monday in the lowest bit; `None` for all.
    pub days_of_week: Option<u32>,
}

/// Reads the tables of the system, in a stable order.
///
/// The failure is that of a table that this user may not read, or that is longer than 16 MiB: an administrator must
/// check the rest of it.
pub fn of_system(machine: &Machine) -> Listing<Line> {
    let mut lines = Listing::default();
    read(&mut lines, machine, "etc/crontab", None);
    for file in sorted(&mut lines, machine, "etc/cron.d") {
        // Cron ignores other names, such as backup files of package managers.
        if file.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"_-".contains(&octet)) {
            read(&mut lines, machine, &format!("etc/cron.d/{file}"), None);
        }
    }
    lines
}

/// Reads the tables of users, in a stable order. The failure is as for [`of_system`].
pub fn of_users(machine: &Machine) -> Listing<Line> {
    let mut lines = Listing::default();
    for folder in ["var/spool/cron/crontabs", "var/spool/cron"] {
        for user in sorted(&mut lines, machine, folder) {
            let path = format!("{folder}/{user}");
            // The second folder contains the first.
            if !machine.path(&path).is_dir() {
                read(&mut lines, machine, &path, Some(&user));
            }
        }
    }
    lines
}

/// Adds the lines of a table; without `owner`, each line names its own.
fn read(lines: &mut Listing<Line>, machine: &Machine, path: &str, owner: Option<&str>) {
    let octets = match if_present(path, machine.octets_up_to(path, LONGEST_TABLE + 1)) {
        Ok(octets) => octets,
        Err(error) => return lines.fail(error),
    };
    let file = format!("/{path}");
    let text = String::from_utf8_lossy(&octets);
    lines.found.extend(text.split('\n').filter_map(|line| Line::parse(&file, owner, line)));
    if u64::try_from(octets.len()).is_ok_and(|length| length > LONGEST_TABLE) {
        lines.fail(Error::TooLong { file, limit: LONGEST_TABLE });
    }
}

/// Maximum length read of a table, in bytes. Debian's crontab(1) accepts ten thousand lines of any length.
const LONGEST_TABLE: u64 = 16 << 20;

/// Returns the names in a folder of tables.
fn sorted(lines: &mut Listing<Line>, machine: &Machine, folder: &str) -> Vec<String> {
    let names: Vec<OsString> = if_present(folder, machine.names(folder)).unwrap_or_else(|error| {
        lines.fail(error);
        Vec::new()
    });
    let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort_unstable();
    names
}

impl Line {
    /// Parses a line; `None` if it runs nothing.
    fn parse(file: &str, owner: Option<&str>, line: &str) -> Option<Self> {
        let text = line.trim_matches(BLANKS);
        let (time, rest) = Time::split(text)?;
        let (owner, command) = match owner {
            Some(owner) => (owner, rest),
            None => rest.split_once(BLANKS)?,
        };
        let [file, owner, command, text] =
            [file, owner, command.trim_matches(BLANKS), text].map(str::to_owned);
        (!command.is_empty()).then_some(Self { file, owner, command, time, text })
    }
}

/// Separators for cron; every other character can be part of a command.
const BLANKS: [char; 2] = [' ', '\t'];

impl Time {
    /// Splits the time from the rest of a line; `None` for comments and lines that set a variable.
    fn split(line: &str) -> Option<(Self, &str)> {
        if line.starts_with('@') {
            let (word, rest) = line.split_once(BLANKS)?;
            return Some((Self::named(word), rest.trim_start_matches(BLANKS)));
        }
        // A line that begins like a minute may be a job even if it contains an equals sign. A leading minus
        // sign tells cron not to log the job.
        let line = line.strip_prefix('-').unwrap_or(line);
        if !line.starts_with(|letter: char| letter.is_ascii_digit() || letter == '*' || letter == '~') {
            return None;
        }
        let mut rest = line;
        let mut fields = [""; 5];
        for field in &mut fields {
            let (first, after) = rest.split_once(BLANKS)?;
            // Vixie cron and its derivatives ignore characters after a number.
            *field = first.split(|letter| !is_of_field(letter)).next().unwrap_or_default();
            rest = after.trim_start_matches(BLANKS);
        }
        let [minute, hour, day, _, weekday] = fields;
        // Sunday is 0 and 7 in cron, but the last day in Windows.
        let time = Self {
            at: single(hour, 24).zip(single(minute, 60)),
            days_of_month: bits(day, 1, 31, &[]).and_then(|bits| u32::try_from(bits >> 1).ok()),
            days_of_week: bits(weekday, 0, 7, &WEEKDAYS).and_then(|bits| {
                let sunday = (bits & 1) | ((bits >> 7) & 1);
                u32::try_from(((bits >> 1) & 0x3f) | (sunday << 6)).ok()
            }),
        };
        Some((time, rest))
    }

    fn named(word: &str) -> Self {
        let midnight = Self { at: Some((0, 0)), ..Self::default() };
        match word {
            "@yearly" | "@annually" | "@monthly" => Self { days_of_month: Some(1), ..midnight },
            "@weekly" => Self { days_of_week: Some(1 << 6), ..midnight },
            "@daily" | "@midnight" => midnight,
            _ => Self::default(),
        }
    }
}

/// Returns whether a character can be part of a field.
fn is_of_field(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "*,-/~".contains(letter)
}

/// Parses a field that is a single number below `count`.
fn single(field: &str, count: u32) -> Option<u32> {
    field.parse().ok().filter(|number| *number < count)
}

/// Parses a field to a set of bits; `None` if it matches all values.
fn bits(field: &str, first: u32, last: u32, names: &[&str]) -> Option<u64> {
    if field == "*" {
        return None;
    }
    let number = |text: &str| {
        let by_name = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = by_name.and_then(|place| u32::try_from(place).ok()).or_else(|| text.parse().ok())?;
        (first..=last).contains(&number).then_some(number)
    };
    let mut all = 0_u64;
    for part in field.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (first, last),
            Some((from, to)) => (number(from)?, number(to)?),
            None => (number(range)?, number(range)?),
        };
        let step = step.parse::<usize>().ok().filter(|step| *step > 0)?;
        (from..=to).step_by(step).for_each(|number| all |= 1 << number);
    }
    Some(all)
}

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every second day.
    const BITS: Option<u32> = Some(0x5555_5555);

    #[test]
    fn times_are_parsed_like_cron() {
        let time = |line| {
            Time::split(line).map(|(time, rest)| (time.at, time.days_of_month, time.days_of_week, rest))
        };
        for (line, expected) in [
            ("30 4 * * * x y", Some((Some((4, 30)), None, None, "x y"))),
            ("*/5 * * * * x", Some((None, None, None, "x"))),
            ("0 0 1,15 * 1-5 x", Some((Some((0, 0)), Some(1 | 1 << 14), Some(0b001_1111), "x"))),
            ("0 0 * * 0 x", Some((Some((0, 0)), None, Some(1 << 6), "x"))),
            ("0 0 * * sat,7 x", Some((Some((0, 0)), None, Some(0b110_0000), "x"))),
            ("0 0 1-31/10 * * x", Some((Some((0, 0)), Some(1 | 1 << 10 | 1 << 20 | 1 << 30), None, "x"))),
            ("@weekly x", Some((Some((0, 0)), None, Some(1 << 6), "x"))),
            ("@reboot x", Some((None, None, None, "x"))),
            // Cron runs these lines too.
            ("0!x 5;y */2! *=b *\" \u{a0}", Some((Some((5, 0)), BITS, None, "\u{a0}"))),
            ("0=\"x 5 * * * y", Some((Some((5, 0)), None, None, "y"))),
            ("-0 5 * * *\ty", Some((Some((5, 0)), None, None, "y"))),
            ("PATH=/bin a b c d e", None),
            ("# 0 5 * * * y", None),
            ("MAILTO=root", None),
            ("", None),
        ] {
            assert_eq!(time(line), expected, "{line}");
        }
    }
}
