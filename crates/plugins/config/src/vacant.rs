//! Resources of which there are no instances yet: they can be listed, and each lists nothing.

use service::{Answer, Call, Item};
use wsman::{Action, Fault};

use crate::fault;

/// A resource without instances.
pub(crate) struct Vacant {
    /// Below `winrm/config`, in lower case.
    path: &'static str,
    /// What an instance is called.
    instance: &'static str,
    keys: &'static [&'static str],
}

/// MS-WSMV 2.2.4 names them and their selectors.
const ALL: [Vacant; 1] =
    [Vacant { path: "/service/security", instance: "security descriptor of a URI", keys: &["Uri"] }];

/// The resource of a path below `winrm/config` in lower case.
pub(crate) fn find(path: &str) -> Option<&'static Vacant> {
    ALL.iter().find(|vacant| vacant.path == path)
}

impl Vacant {
    pub(crate) fn answer(&self, call: &Call) -> Result<Answer, Fault> {
        match &call.request.head().action {
            Action::Enumerate => {
                fault::refuse_selectors_and_filter(call)?;
                Ok(Answer::items(Vec::<Item>::new().into_iter()))
            }
            Action::Get | Action::Put | Action::Delete => Err(self.no_such_instance(call)),
            other => Err(fault::action_not_supported(other)),
        }
    }

    fn no_such_instance(&self, call: &Call) -> Fault {
        let selectors = &call.request.head().selectors;
        let is_key = |name: &str| self.keys.iter().any(|key| key.eq_ignore_ascii_case(name));
        if let Some(unknown) = selectors.iter().find(|selector| !is_key(&selector.name)) {
            return fault::unexpected_selector(&unknown.name);
        }
        match self.keys.iter().find(|key| selectors.text(key).is_none()) {
            Some(missing) => fault::missing_selector(self.instance, missing),
            None => fault::no_such_instance(self.instance),
        }
    }
}
