//! Groups of a Windows domain in access tokens.

use auth::Identity;
use sddl::{DomainSid, Sid};

/// Returns the SIDs that a directory has proven for an identity, as far as they are those of a domain.
///
/// SIDs of this machine and well-known ones, such as administrators, are omitted: a domain decides about its own groups
/// only.
pub fn directory_groups(identity: &Identity, machine: DomainSid) -> impl Iterator<Item = Sid> {
    let sids = identity.directory().iter().filter_map(|bytes| Sid::decode(bytes).ok());
    sids.filter(move |sid| sid.domain().is_some_and(|domain| domain != machine))
}
