//! `Win32_NetworkLoginProfile`: settings of accounts for sign-in.

use std::cell::OnceCell;
use std::sync::Arc;

use cim::{DateTime, Interval, Value};
use linux::account::profile::last_sign_in;
use linux::account::{Password, User};
use linux::now;
use sddl::Sid;
use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::table::{Fill, Push, Table, push_listing};

/// Accounts of the machine.
pub(crate) struct LoginProfile;

/// An account, with its password data if the caller may read them.
pub(crate) struct Profile {
    user: User,
    password: OnceCell<Option<Password>>,
}

impl Profile {
    fn password(&self, machine: &Machine) -> Option<&Password> {
        self.password.get_or_init(|| Password::of(machine, &self.user.name)).as_ref()
    }

    /// Returns the flags of the account (`UF_*` of lmaccess.h); `None` if the caller may not know.
    fn flags(&self, machine: &Machine) -> Option<u32> {
        let password = self.password(machine)?;
        let is_disabled = password.is_locked() || self.user.has_no_shell();
        let flags =
            [(is_disabled, 0x2), (password.is_empty(), 0x20), (true, 0x200), (!password.expires(), 0x1_0000)];
        Some(flags.into_iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, flag)| all | flag))
    }
}

/// Length of a day in microseconds.
const DAY: i64 = 86_400 * 1_000_000;

/// Returns the start of a day since 1970.
fn day(machine: &Machine, day: Option<i64>) -> Option<DateTime> {
    machine.timestamp(day?.checked_mul(DAY)?)
}

/// Returns the last part of a SID: the number of the account on Windows.
fn relative_id(sid: Option<Sid>) -> Value {
    sid.and_then(|sid| sid.sub_authorities().last().copied()).into()
}

impl Table for LoginProfile {
    type Row = Profile;

    const CLASS: &'static str = "Win32_NetworkLoginProfile";

    const COLUMNS: &'static [(&'static str, Fill<Profile>)] = &[
        ("AccountExpires", |machine, row| {
            day(machine, row.password(machine).and_then(Password::account_expiry)).into()
        }),
        ("Caption", |_, row| row.user.name.clone().into()),
        ("Comment", |_, row| row.user.other_remarks().into()),
        ("Description", |machine, row| {
            let (user, host) = (&row.user.name, machine.host_name());
            format!("Network login profile settings for {user} on {host}").into()
        }),
        ("Flags", |machine, row| row.flags(machine).into()),
        ("FullName", |_, row| row.user.full_name().to_owned().into()),
        ("HomeDirectory", |_, row| row.user.home.clone().into()),
        ("LastLogon", |machine, row| {
            let seconds = last_sign_in(machine, row.user.uid);
            seconds.and_then(|seconds| machine.timestamp(seconds.checked_mul(1_000_000)?)).into()
        }),
        ("Name", |machine, row| format!("{}\\{}", machine.host_name(), row.user.name).into()),
        ("PasswordAge", |machine, row| {
            let changed = row.password(machine).and_then(Password::changed);
            let age = changed.and_then(|day| u64::try_from(now().checked_sub(day.checked_mul(DAY)?)?).ok());
            age.and_then(Interval::from_micros).map(DateTime::Interval).into()
        }),
        ("PasswordExpires", |machine, row| {
            day(machine, row.password(machine).and_then(Password::expiry)).into()
        }),
        ("PrimaryGroupId", |machine, row| relative_id(machine.group_sid(row.user.gid))),
        // 1 is a user, 2 an administrator.
        ("Privileges", |_, row| if row.user.uid == 0 { 2_u32 } else { 1 }.into()),
        ("UserId", |machine, row| relative_id(machine.user_sid(row.user.uid))),
        ("UserType", |_, _| "Normal Account".into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Profile>,
    ) -> Result<(), ProviderError> {
        push_listing(machine.users().map(|user| Profile { user, password: OnceCell::new() }), push)
    }
}
