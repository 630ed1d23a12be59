//! Application pools: their state, and operations on them.

use super::configuration::{call, enumerate, failed};
use super::instance::{CimCall, CimFailure, CimObject, WebAdministration};
use super::section::{boolean, is_displayable};
use crate::application_pool::{ApplicationPool, PoolOperation, PoolState};
use crate::engine::process::{TIME_LIMIT, wait_until};
use crate::error::WebServerError;

const CLASS: &str = "ApplicationPool";

/// Lists the application pools, sorted by name.
pub(super) fn list(iis: &dyn WebAdministration) -> Result<Vec<ApplicationPool>, WebServerError> {
    let (found, applications) = (enumerate(iis, CLASS)?, enumerate(iis, "Application")?);
    let mut pools: Vec<ApplicationPool> =
        found.iter().filter_map(|instance| pool(instance, &applications)).collect();
    pools.sort_by(|one, other| one.name.cmp(&other.name));
    let calls: Vec<CimCall> = pools.iter().map(|pool| method(&pool.name, "GetState")).collect();
    for (pool, result) in pools.iter_mut().zip(iis.call(&calls)) {
        pool.state = result.map_or(PoolState::Unknown, |result| state(&result));
    }
    Ok(pools)
}

/// Performs an operation and waits until the pool has the new state.
pub(super) fn control(
    iis: &dyn WebAdministration,
    name: &str,
    operation: PoolOperation,
) -> Result<ApplicationPool, WebServerError> {
    let pool = find(iis, name)?;
    let (word, target) = match operation {
        PoolOperation::Start => ("Start", PoolState::Started),
        PoolOperation::Stop => ("Stop", PoolState::Stopped),
        PoolOperation::Recycle => ("Recycle", PoolState::Started),
    };
    if pool.state == target && operation != PoolOperation::Recycle {
        return Ok(pool);
    }
    if pool.state != PoolState::Started && operation == PoolOperation::Recycle {
        let reason = "it is not started; start it first";
        return Err(WebServerError::impossible(
            format!("recycle the application pool {}", pool.name),
            reason,
        ));
    }
    let attempted = format!("{} the application pool {}", word.to_lowercase(), pool.name);
    call(iis, method(&pool.name, word)).map_err(|failure| failed(iis, &attempted, &failure))?;
    if !wait_until(TIME_LIMIT, || has_state(iis, &pool.name, target)) {
        let reason = "it does not reach the new state; see the event log System of the machine".to_owned();
        return Err(failed(iis, &attempted, &CimFailure::Failed(reason)));
    }
    Ok(ApplicationPool { state: target, ..pool })
}

fn find(iis: &dyn WebAdministration, name: &str) -> Result<ApplicationPool, WebServerError> {
    let found = list(iis)?.into_iter().find(|pool| pool.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| WebServerError::not_found("application pool", &name))
}

fn has_state(iis: &dyn WebAdministration, pool: &str, target: PoolState) -> bool {
    call(iis, method(pool, "GetState")).is_ok_and(|result| state(&result) == target)
}

fn method(pool: &str, method: &'static str) -> CimCall {
    CimCall::method(CLASS, &[("Name", pool)], method, CimObject::new(CLASS))
}

fn state(result: &CimObject) -> PoolState {
    match result.text("ReturnValue") {
        Some("0") => PoolState::Starting,
        Some("1") => PoolState::Started,
        Some("2") => PoolState::Stopping,
        Some("3") => PoolState::Stopped,
        _ => PoolState::Unknown,
    }
}

/// Returns a pool without its state; `None` if its name cannot be shown.
fn pool(instance: &CimObject, applications: &[CimObject]) -> Option<ApplicationPool> {
    let name = printable(instance, "Name").filter(|name| !name.is_empty())?;
    let members =
        applications.iter().filter(|application| application.text("ApplicationPool") == Some(&name));
    let members = members.filter_map(|application| {
        Some(format!("{}{}", printable(application, "SiteName")?, printable(application, "Path")?))
    });
    Some(ApplicationPool {
        applications: members.collect(),
        state: PoolState::Unknown,
        auto_start: instance.text("AutoStart").and_then(boolean).unwrap_or(true),
        runtime: printable(instance, "ManagedRuntimeVersion").unwrap_or_default(),
        name,
    })
}

fn printable(instance: &CimObject, name: &str) -> Option<String> {
    instance.text(name).filter(|text| is_displayable(text)).map(str::to_owned)
}
