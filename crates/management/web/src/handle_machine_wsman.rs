//! The WS-Management service of another machine: its configuration and its shells.

use serde_json::Value;

use crate::call::Admitted;
use crate::console::Console;
use crate::handle_machines::{machine, session};
use crate::machines::{Work, WsManRequest};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::typed_body::typed;
use crate::wsman_change::WsManChange;

/// `GET /machines/{machine}/wsman`
pub(crate) fn configuration(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    perform(console, request, WsManRequest::Read).map(Reply::json)
}

/// `POST /machines/{machine}/wsman/changes`
pub(crate) fn change(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let change: WsManChange = typed(request)?;
    let audit = audit(console, request, &change.to_string())?;
    let is_preview = request.dry_run()?;
    let made = perform(console, request, WsManRequest::Change { change, is_preview });
    let made = made.map_err(|problem| problem.audited(format!("{audit}: failed")))?;
    Ok(Reply::json(made).audited(audit))
}

/// `DELETE /machines/{machine}/wsman/shells/{shell}`: ends a shell with its processes.
pub(crate) fn end_shell(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let shell = request.part("shell").to_owned();
    let audit = audit(console, request, &format!("end the shell {shell}"))?;
    let ended = perform(console, request, WsManRequest::EndShell { shell });
    ended.map_err(|problem| problem.audited(format!("{audit}: failed")))?;
    Ok(Reply::empty().audited(audit))
}

fn perform(console: &Console, request: &Admitted<'_>, wsman: WsManRequest) -> Result<Value, Problem> {
    let (session, machine) = (session(request)?, machine(console, request)?);
    console.machines.perform(session, Work::WsMan { machine: machine.id, request: wsman })
}

/// Returns the text for the audit log: the machine and the action.
fn audit(console: &Console, request: &Admitted<'_>, action: &str) -> Result<String, Problem> {
    Ok(format!("{}: {action}", machine(console, request)?.url).escape_debug().to_string())
}
