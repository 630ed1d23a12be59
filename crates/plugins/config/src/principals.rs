//! Which SIDs the users and groups of this machine have, for those who write security descriptors.
//!
//! An action of our own on `winrm/config/service`: nothing of Windows tells it over WS-Management. What it tells
//! is no secret: `/etc/passwd` and `/etc/group` do, too. As a method, it needs the right to execute.

use sddl::Sid;
use service::{Answer, Call};
use wsman::{Action, Fault, Subcode, code};

use crate::ConfigPlugin;

const NAMESPACE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service";
const ACTION: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/LookUpPrincipals";

/// The most that one request may ask for.
const MOST: usize = 256;

pub(crate) fn is_asked(call: &Call) -> bool {
    matches!(&call.request.head().action, Action::Custom(action) if action.eq_ignore_ascii_case(ACTION))
}

/// Answers each `Name` and each `Sid` that is known with a `Principal`.
pub(crate) fn answer(plugin: &ConfigPlugin, call: &Call) -> Result<Answer, Fault> {
    let asked = call.request.require_body("LookUpPrincipals_INPUT")?;
    let mut reply = call.reply();
    let body = reply.body();
    body.start("p:LookUpPrincipals_OUTPUT").namespace("p", NAMESPACE);
    for (place, child) in asked.children().enumerate() {
        if place >= MOST {
            let reason =
                format!("more than {MOST} names and SIDs are asked for at once: ask again for the others");
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
