//! `Win32_UserProfile`: home directories of users.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};
use linux::account::User;
use linux::session::Session;

/// Existing home directories.
pub(crate) struct UserProfile;

/// Smallest uid of a person, unless login.defs(5) sets another.
const FIRST_PERSON: u32 = 1_000;

/// Returns whether a user is a system account.
fn is_special(machine: &Machine, user: &User) -> bool {
    let text = machine.text("etc/login.defs").unwrap_or_default();
    let first = text.lines().find_map(|line| line.strip_prefix("UID_MIN")?.trim().parse().ok());
    user.uid < first.unwrap_or(FIRST_PERSON)
}

/// Returns the time of the last login in seconds since 1970 (lastlog(8)): the file has one 292-byte record
/// for each uid.
fn last_sign_in(machine: &Machine, uid: u32) -> Option<i64> {
    const RECORD: u64 = 292;
    let mut seconds = [0; 4];
    let file = File::open(machine.path("var/log/lastlog")).ok()?;
    file.read_exact_at(&mut seconds, u64::from(uid).checked_mul(RECORD)?).ok()?;
    Some(u32::from_ne_bytes(seconds).into()).filter(|seconds| *seconds > 0)
}

impl Table for UserProfile {
    type Row = User;

    const CLASS: &'static str = "Win32_UserProfile";

    const COLUMNS: &'static [(&'static str, Fill<User>)] = &[
        ("HealthStatus", |_, _| 3_u8.into()),
        ("LastUseTime", |machine, user| {
            let seconds = last_sign_in(machine, user.uid);
            seconds.and_then(|seconds| machine.timestamp(seconds.checked_mul(1_000_000)?)).into()
        }),
        ("Loaded", |machine, user| {
            Session::all(machine).unwrap_or_default().iter().any(|session| session.uid == user.uid).into()
        }),
        ("LocalPath", |_, user| user.home.clone().into()),
        ("RoamingConfigured", |_, _| false.into()),
        ("SID", |machine, user| machine.user_sid(user.uid).map(|sid| sid.numeric().to_string()).into()),
        ("Special", |machine, user| is_special(machine, user).into()),
        ("Status", |_, _| 0_u32.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = User>, ProviderError> {
        // Without a SID there is no key, and without a directory there is no profile.
        let has_home = |user: &User| {
            machine.user_sid(user.uid).is_some() && user.home != "/" && machine.path(&user.home).is_dir()
        };
        Ok(machine.users().into_iter().filter(has_home))
    }
}
