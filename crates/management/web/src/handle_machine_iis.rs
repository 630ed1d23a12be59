//! States of sites and application pools of the IIS of another machine.

use serde::Serialize;
use serde_json::json;
use webserver::{IisControl, PoolOperation, SiteState, WebServerError};

use crate::call::Admitted;
use crate::console::Console;
use crate::handle_web::action;
use crate::machine_iis::MachineIis;
use crate::problem::Problem;
use crate::reply::Reply;

/// `GET /machines/{machine}/iis`
pub(crate) fn overview(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let connection = MachineIis::of_request(console, request)?;
    Ok(Reply::json(json!(IisControl::new(&connection).overview()?)))
}

/// `POST /machines/{machine}/iis/sites/{site}/actions/{action}`
pub(crate) fn control_site(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let state = match request.part("action") {
        "start" => SiteState::Started,
        "stop" => SiteState::Stopped,
        _ => return Err(Problem::not_found("action")),
    };
    let site = request.parsed("site", "site")?;
    change(console, request, "site", |iis| iis.set_site_state(&site, state))
}

/// `POST /machines/{machine}/iis/pools/{pool}/actions/{action}`
pub(crate) fn control_pool(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let operation: PoolOperation = action(request)?;
    change(console, request, "pool", |iis| iis.control_application_pool(request.part("pool"), operation))
}

/// Changes a state. The audit record has the machine, the object and the action.
fn change<T: Serialize>(
    console: &Console,
    request: &Admitted<'_>,
    kind: &str,
    operate: impl FnOnce(IisControl<'_>) -> Result<T, WebServerError>,
) -> Result<Reply, Problem> {
    let connection = MachineIis::of_request(console, request)?;
    let (action, object) = (request.part("action"), request.part(kind));
    let audit = format!("{}: {action} the {kind} {object} of IIS", connection.url());
    let audit = audit.escape_debug().to_string();
    let changed = operate(IisControl::new(&connection));
    let changed = changed.map_err(|error| Problem::from(error).audited(format!("{audit}: failed")))?;
    Ok(Reply::json(json!(changed)).audited(audit))
}
