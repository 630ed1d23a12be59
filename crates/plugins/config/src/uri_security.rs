//! The resource `winrm/config/service/security` (MS-WSMV section 2.2.4): security descriptors of single URIs.
//!
//! This service has no instances of it, because security descriptors are part of the plug-ins. An enumeration is
//! empty, and all other requests are rejected.

use service::{Answer, Call, Item};
use wsman::{Action, Fault};

use crate::fault;

const INSTANCE: &str = "security descriptor of a URI";
const URI: &str = "Uri";

pub(crate) fn answer(call: &Call) -> Result<Answer, Fault> {
    match &call.request.head().action {
        Action::Enumerate => {
            fault::refuse_selectors_and_filter(call)?;
            Ok(Answer::items(Vec::<Item>::new().into_iter()))
        }
        Action::Get | Action::Put | Action::Delete => Err(no_such_instance(call)),
        other => Err(fault::action_not_supported(other)),
    }
}

fn no_such_instance(call: &Call) -> Fault {
    let selectors = &call.request.head().selectors;
    if let Some(unknown) = selectors.iter().find(|selector| !selector.name.eq_ignore_ascii_case(URI)) {
        return fault::unexpected_selector(&unknown.name);
    }
    match selectors.text(URI) {
        None => fault::missing_selector(INSTANCE, URI),
        Some(_) => fault::no_such_instance(INSTANCE),
    }
}
