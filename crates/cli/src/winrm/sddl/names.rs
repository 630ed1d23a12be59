//! Names of the SIDs in a descriptor, resolved by the service.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sddl::{Principal, SecurityDescriptor, Sid};
use xml::{Element, Writer};

use crate::format::harmless;
use crate::locator::Locator;
use crate::program::Stop;
use crate::winrm::run::Run;

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
            names.look_up(run, "Sid", &unnamed).await.unwrap_or_default();
        }
        names
    }

    /// Resolves an alias, a SID, a well-known name, or the name of a user or group on the machine of the service.
    pub(super) async fn find(&mut self, run: &Run, name: &str) -> Option<Principal> {
        let known = Principal::parse(name).ok().or_else(|| Principal::named(name));
        if known.is_some() {
            return known;
        }
        let found = self.look_up(run, "Name", &[name.to_owned()]).await.unwrap_or_default();
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
    async fn look_up(&mut self, run: &Run, element: &str, texts: &[String]) -> Result<Vec<Sid>, Stop> {
        let locator = Locator::parse("winrm/config/service")?;
        let mut writer = Writer::new();
        writer.start("p:LookUpPrincipals_INPUT").namespace("p", locator.resource_uri());
        for text in texts {
            writer.element(&format!("p:{element}"), text);
        }
        let action = locator.action_uri("LookUpPrincipals");
        let answer = run.invoke(&locator, &action, &writer.into_fragment()).await?;
        let mut found = Vec::new();
        for principal in answer.content().into_iter().flat_map(|content| content.children()) {
            if let (Some(name), Some(sid)) = (child_text(principal, "Name"), child_text(principal, "Sid"))
                && let Ok(sid) = Sid::parse(sid.trim())
            {
                self.0.insert(sid, name.trim().to_owned());
                found.push(sid);
            }
        }
        Ok(found)
    }
}

fn child_text<'a>(element: Element<'a>, name: &str) -> Option<Cow<'a, str>> {
    element.children().find(|child| child.name() == name).map(|child| child.text())
}

/// Maximum number of SIDs in one lookup.
const MOST: usize = 200;
