//! `Win32_UserProfile`: home directories of users.

use std::sync::Arc;

use linux::account::User;
use linux::account::profile::{is_special, last_sign_in};
use linux::session::Session;
use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::table::{Fill, Push, Table, push_listing};

/// Existing home directories.
pub(crate) struct UserProfile;

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

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, User>) -> Result<(), ProviderError> {
        let mut users = machine.users();
        // Without a SID there is no key, and without a directory there is no profile.
        users.found.retain(|user| {
            machine.user_sid(user.uid).is_some() && user.home != "/" && machine.path(&user.home).is_dir()
        });
        push_listing(users, push)
    }
}
