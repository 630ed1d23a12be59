//! Users, groups and logon sessions.

mod domain;
mod group;
pub(crate) mod identity;
mod login_profile;
mod membership;
mod path;
mod profile;
mod session;
mod system_account;
mod user;

use std::sync::Arc;

use crate::Machine;
use crate::table::association::relate;
use crate::table::{Binding, bind};

/// Returns the tables of accounts.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, user::UserAccount),
        bind(machine, group::Group),
        bind(machine, system_account::SystemAccount),
        bind(machine, membership::GroupUser),
        bind(machine, identity::Identity),
        bind(machine, profile::UserProfile),
        bind(machine, session::LogonSession),
        relate(machine, &session::LOGGED_ON_USER),
        bind(machine, domain::NtDomain),
        relate(machine, &domain::USER_IN_DOMAIN),
        bind(machine, login_profile::LoginProfile),
    ]
}
