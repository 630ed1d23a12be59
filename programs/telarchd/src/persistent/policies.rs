//! Policies of the service, and the watch of their directory.

use std::path::Path;

use config::{Policies, Store};

use crate::folder_watch::FolderWatch;

/// Watches the policy directory of a store.
pub(crate) fn watch_policies(store: &Store) -> FolderWatch {
    FolderWatch::of(store.policy_folder().unwrap_or(Path::new("")).to_owned(), "policies")
}

/// Logs the policies in force and their problems.
pub(crate) fn log_policies(policies: &Policies) {
    tracing::info!(policies = policies.iter().count(), "Policies are in force");
    for demand in policies.iter() {
        let (subject, value) = (&demand.target, &demand.value);
        tracing::debug!(%subject, value, origin = %demand.origin, "Policy");
    }
    for warning in warnings(policies) {
        tracing::warn!(policy = warning, "Ignored a policy");
    }
}

/// Returns descriptions of policies that are unknown or malformed.
pub(crate) fn warnings(policies: &Policies) -> Vec<String> {
    let unknown = policies.unknown().iter();
    let unknown = unknown.map(|one| format!("unknown policy {} ({})", one.name, one.origin));
    let malformed = policies.subscription_managers().filter_map(Result::err);
    let malformed = malformed.map(|reason| format!("SubscriptionManager: {reason}"));
    unknown.chain(malformed).collect()
}
