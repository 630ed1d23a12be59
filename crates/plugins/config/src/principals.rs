//! SIDs of local users and groups, for clients that edit security descriptors.
//!
//! This is an action of this service on `winrm/config/service`; Windows has none over WS-Management. The information
//! is public, as in `/etc/passwd` and `/etc/group`. As a method, it requires the right to execute.

use sddl::Sid;
use service::{Answer, Call};
use wsman::{Action, Fault, Subcode, code};

use crate::ConfigPlugin;

const NAMESPACE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service";
const ACTION: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/LookUpPrincipals";

/// Maximum number of names and SIDs in one request.
const MAX_NAMES: usize = 256;

pub(crate) fn is_requested(call: &Call) -> bool {
    matches!(&call.request.head().action, Action::Custom(action) if action.eq_ignore_ascii_case(ACTION))
}

/// Returns a `Principal` for each `Name` and each `Sid` that exists.
pub(crate) fn answer(plugin: &ConfigPlugin, call: &Call) -> Result<Answer, Fault> {
    let input = call.request.require_body("LookUpPrincipals_INPUT")?;
    let mut reply = call.reply();
    let body = reply.body();
    body.start("p:LookUpPrincipals_OUTPUT").namespace("p", NAMESPACE);
    for (place, child) in input.children().enumerate() {
        if place >= MAX_NAMES {
            let reason =
                format!("more than {MAX_NAMES} names and SIDs in one request; send several requests");
            return Err(Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason));
        }
        let text = child.text();
        let text = text.trim();
        let principals = plugin.principals.as_deref();
        let found = principals.and_then(|principals| match child.name() {
            "Name" => Some((text.to_owned(), principals.sid_of(text)?)),
            "Sid" => {
                let sid = Sid::parse(text).ok()?;
                Some((principals.name_of(sid)?, sid))
            }
            _ => None,
        });
        if let Some((name, sid)) = found {
            body.start("p:Principal");
            body.element("p:Name", &name).element("p:Sid", &sid.numeric().to_string());
            body.end();
        }
    }
    body.end();
    call.finish(reply)
}
