//! Home directories.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::Machine;
use crate::account::User;

/// Smallest uid of a person, unless login.defs(5) sets another.
const FIRST_PERSON: u32 = 1_000;

/// Returns whether a user is a system account.
pub fn is_special(machine: &Machine, user: &User) -> bool {
    let text = machine.text("etc/login.defs").unwrap_or_default();
    let first = text.lines().find_map(|line| line.strip_prefix("UID_MIN")?.trim().parse().ok());
    user.uid < first.unwrap_or(FIRST_PERSON)
}

/// Returns the time of the last login in seconds since 1970 (lastlog(8)): the file has one 292-byte record
/// for each uid.
pub fn last_sign_in(machine: &Machine, uid: u32) -> Option<i64> {
    const RECORD: u64 = 292;
    let mut seconds = [0; 4];
    let file = File::open(machine.path("var/log/lastlog")).ok()?;
    file.read_exact_at(&mut seconds, u64::from(uid).checked_mul(RECORD)?).ok()?;
    Some(u32::from_ne_bytes(seconds).into()).filter(|seconds| *seconds > 0)
}
