//! Sites and application pools of the IIS of another machine.

use serde_json::Value;
use webserver::{PoolOperation, SiteState};

use crate::call::Admitted;
use crate::console::Console;
use crate::handle_machines::{machine, session};
use crate::handle_web::action;
use crate::machines::{IisRequest, Work};
use crate::problem::Problem;
use crate::reply::Reply;

/// `GET /machines/{machine}/iis`
pub(crate) fn overview(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (session, machine) = (session(request)?, machine(console, request)?);
    let work = Work::Iis { machine: machine.id, request: IisRequest::Overview };
    console.machines.perform(session, work).map(Reply::json)
}

/// `POST /machines/{machine}/iis/sites/{site}/actions/{action}`
pub(crate) fn control_site(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let state = match request.part("action") {
        "start" => SiteState::Started,
        "stop" => SiteState::Stopped,
        _ => return Err(Problem::not_found("action")),
    };
    let site = request.parsed("site", "site")?;
    change(console, request, "site", IisRequest::SetSiteState { site, state })
}

/// `POST /machines/{machine}/iis/pools/{pool}/actions/{action}`
pub(crate) fn control_pool(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let operation: PoolOperation = action(request)?;
    let pool = request.part("pool").to_owned();
    change(console, request, "pool", IisRequest::ControlPool { pool, operation })
}

/// Changes a state. The audit record has the machine, the object and the action.
fn change(console: &Console, request: &Admitted<'_>, kind: &str, iis: IisRequest) -> Result<Reply, Problem> {
    let (session, machine) = (session(request)?, machine(console, request)?);
    let (action, object) = (request.part("action"), request.part(kind));
    let audit = format!("{}: {action} the {kind} {object} of IIS", machine.url).escape_debug().to_string();
    let changed = console.machines.perform(session, Work::Iis { machine: machine.id, request: iis });
    let changed: Value = changed.map_err(|problem| problem.audited(format!("{audit}: failed")))?;
    Ok(Reply::json(changed).audited(audit))
}
