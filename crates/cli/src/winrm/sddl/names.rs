//! Names of the SIDs in a descriptor, resolved by the service.

use std::collections::BTreeMap;

use sddl::{Principal, SecurityDescriptor, Sid};

use crate::format::harmless;
use crate::locator::Locator;
use crate::program::Stop;
use crate::winrm::principals::{self, LookupKey};
use crate::winrm::service_command::Run;

/// Names resolved by the service.
#[derive(Default)]
pub(super) struct Names(BTreeMap<Sid, String>);

impl Names {
    /// Resolves the SIDs in a descriptor. SIDs stay numeric if the service does not support the lookup.
    pub(super) async fn of_service(run: &Run, sddl: &str) -> Self {
        let mut names = Self::default();
        let Ok(descriptor) = SecurityDescriptor::parse(sddl) else { return names };
        let of_dacl = descriptor.dacl().into_iter().flat_map(|dacl| &dacl.aces).map(|ace| ace.principal);
        let of_sacl = descriptor.sacl().into_iter().flat_map(|sacl| &sacl.aces).map(|ace| ace.principal);
        let unnamed = of_dacl.chain(of_sacl).filter_map(|principal| match principal {
            Principal::Sid(sid) if sid.name().is_none() => Some(sid.numeric().to_string()),
            _ => None,
        });
        let unnamed: Vec<String> = unnamed.take(MOST).collect();
        if !unnamed.is_empty() {
            names.look_up(run, LookupKey::Sid, &unnamed).await.unwrap_or_default();
        }
        names
    }

    /// Resolves an alias, a SID, a well-known name, or the name of a user or group on the machine of the service.
    pub(super) async fn find(&mut self, run: &Run, name: &str) -> Option<Principal> {
        let known = Principal::parse(name).ok().or_else(|| Principal::named(name));
        if known.is_some() {
            return known;
        }
        let found = self.look_up(run, LookupKey::Name, &[name.to_owned()]).await.unwrap_or_default();
        found.first().map(|sid| Principal::Sid(*sid))
    }

    /// Returns name and SID for display.
    pub(super) fn describe(&self, principal: Principal) -> String {
        match principal {
            Principal::Sid(sid) => match self.0.get(&sid) {
                Some(name) => format!("{} ({sid})", harmless(name)),
                None => principal.describe(),
            },
            other => other.describe(),
        }
    }

    /// Sends names or SIDs to the service and stores the pairs in its response.
    async fn look_up(&mut self, run: &Run, key: LookupKey, texts: &[String]) -> Result<Vec<Sid>, Stop> {
        let locator = Locator::parse(principals::RESOURCE)?;
        let request = principals::request(locator.resource_uri(), key, texts).into_fragment();
        let answer = run.invoke(&locator, &locator.action_uri(principals::ACTION), &request).await?;
        let found = answer.content().map(principals::found).unwrap_or_default();
        let sids = found.iter().map(|principal| principal.sid).collect();
        self.0.extend(found.into_iter().map(|principal| (principal.sid, principal.name)));
        Ok(sids)
    }
}

/// Maximum number of SIDs in one lookup.
const MOST: usize = 200;
