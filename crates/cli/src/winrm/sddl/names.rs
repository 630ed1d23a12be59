//! What the SIDs of a descriptor are called on the machine of the service.

use std::collections::BTreeMap;

use sddl::{Principal, SecurityDescriptor, Sid};
use xml::Writer;

use crate::format::harmless;
use crate::locator::Locator;
use crate::program::Stop;
use crate::winrm::run::Run;

/// Names that the service has told.
#[derive(Default)]
pub(super) struct Names(BTreeMap<Sid, String>);

impl Names {
    /// Asks for the names in a descriptor. A service that does not know the question leaves the numbers.
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
            names.learn(run, "Sid", &unnamed).await.unwrap_or_default();
        }
        names
    }

    /// Finds whoever is called so: an alias, a SID, a well-known name, or a name of the service's machine.
    pub(super) async fn find(&mut self, run: &Run, name: &str) -> Option<Principal> {
        let known = Principal::parse(name).ok().or_else(|| Principal::named(name));
        if known.is_some() {
            return known;
        }
        let found = self.learn(run, "Name", &[name.to_owned()]).await.unwrap_or_default();
        found.first().map(|sid| Principal::Sid(*sid))
    }

    /// Name and SID for people.
    pub(super) fn describe(&self, principal: Principal) -> String {
        match principal {
            Principal::Sid(sid) => match self.0.get(&sid) {
                Some(name) => format!("{} ({sid})", harmless(name)),
                None => principal.describe(),
            },
            other => other.describe(),
        }
    }

    async fn learn(&mut self, run: &Run, element: &str, texts: &[String]) -> Result<Vec<Sid>, Stop> {
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
            let text = |name: &str| principal.children().find(|child| child.name() == name).map(|c| c.text());
            if let (Some(name), Some(sid)) = (text("Name"), text("Sid"))
                && let Ok(sid) = Sid::parse(sid.trim())
            {
                self.0.insert(sid, name.trim().to_owned());
                found.push(sid);
            }
        }
        Ok(found)
    }
}

/// The most names that are asked for at once.
const MOST: usize = 200;
