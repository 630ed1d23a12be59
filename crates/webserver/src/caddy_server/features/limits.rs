//! Limits: the size of request bodies in a handler, and timeouts in the server.

use serde_json::{Value, json};

use super::handlers::{has_only, insert, owned, remove};
use crate::caddy_server::groups::{exclusive, kind};
use crate::caddy_server::sites::{Place, Routes, server_pointer};
use crate::error::WebServerError;
use crate::feature::{Feature, Limits};

/// Members of a server with a timeout.
const TIMEOUTS: [&str; 4] = ["idle_timeout", "read_timeout", "read_header_timeout", "write_timeout"];

fn timeouts(limits: &Limits) -> [(&'static str, Option<u32>); 4] {
    let [keep_alive, body, header, send] = TIMEOUTS;
    [
        (keep_alive, limits.keep_alive),
        (body, limits.body_timeout),
        (header, limits.header_timeout),
        (send, limits.send_timeout),
    ]
}

/// Pointers of the values of limits.
pub(super) fn origins(root: &Value, routes: &Routes, place: Option<&Place>) -> Vec<String> {
    let mut pointers = owned(root, routes, Feature::Limits);
    let members =
        place.into_iter().flat_map(|place| TIMEOUTS.map(|name| server_pointer(&place.server) + "/" + name));
    pointers.extend(members.filter(|pointer| root.pointer(pointer).is_some()));
    pointers
}

/// Reads limits: `None` if the type cannot represent them, `Some(None)` without any.
#[allow(clippy::option_option)] // Both cases are documented.
pub(super) fn read(root: &Value, routes: &Routes, place: Option<&Place>) -> Option<Option<Limits>> {
    let mut limits = Limits::default();
    let pointers = owned(root, routes, Feature::Limits);
    match pointers.as_slice() {
        [] => {}
        [pointer] => limits.request_body = Some(read_size(root.pointer(pointer)?)?),
        _ => return None,
    }
    if let Some(place) = place {
        let server = root.pointer(&server_pointer(&place.server))?;
        let [keep_alive, body, header, send] = TIMEOUTS.map(|name| server.get(name).map(seconds));
        // The inner option is empty for a duration that is not a number of seconds.
        limits.keep_alive = keep_alive.map_or(Some(None), |found| found.map(Some))?;
        limits.body_timeout = body.map_or(Some(None), |found| found.map(Some))?;
        limits.header_timeout = header.map_or(Some(None), |found| found.map(Some))?;
        limits.send_timeout = send.map_or(Some(None), |found| found.map(Some))?;
    }
    Some((limits != Limits::default()).then_some(limits))
}

fn read_size(handler: &Value) -> Option<u64> {
    if kind(handler) == "request_body" {
        return handler.get("max_size")?.as_u64().filter(|_| has_only(handler, &["handler", "max_size"]));
    }
    let [_, last] = handler.get("routes")?.as_array()?.as_slice() else { return None };
    last.pointer("/handle/0/max_size")?.as_u64()
}

/// Parses a duration of Caddy: nanoseconds, or text such as `7s`.
fn seconds(value: &Value) -> Option<u32> {
    if let Some(nanoseconds) = value.as_u64() {
        let seconds = nanoseconds.checked_div(1_000_000_000)?;
        return u32::try_from(seconds).ok().filter(|_| nanoseconds.is_multiple_of(1_000_000_000));
    }
    let text = value.as_str()?;
    let (number, factor) = [("s", 1_u32), ("m", 60), ("h", 3_600)]
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.parse::<u32>().ok()?, factor)))?;
    number.checked_mul(factor)
}

/// Sets limits.
pub(super) fn set(
    root: &mut Value,
    routes: &Routes,
    place: Option<&Place>,
    limits: &Limits,
) -> Result<(), WebServerError> {
    if limits.rate.is_some() {
        let reason = "Caddy has no setting for it";
        return Err(WebServerError::impossible("limit the rate of responses", reason));
    }
    let wanted = timeouts(limits);
    match place {
        Some(place) => set_timeouts(root, place, &wanted)?,
        None if wanted.iter().any(|(_, value)| value.is_some()) => {
            let reason = "Caddy has them for a whole server; set them for the site";
            return Err(WebServerError::impossible("set timeouts of a location", reason));
        }
        None => {}
    }
    remove(root, routes, Feature::Limits);
    match limits.request_body.filter(|size| *size != 0) {
        Some(size) => {
            let handler = exclusive(root, Feature::Limits, size_routes(size));
            insert(root, routes, handler)
        }
        None => Ok(()),
    }
}

/// Returns the routes for a maximum size. Caddy reads the body only for applications, so a request with a greater
/// declared size is refused first.
fn size_routes(size: u64) -> Vec<Value> {
    let declared = "{http.request.header.Content-Length}";
    let expression = format!("{declared} != '' && (size({declared}) > 18 || int({declared}) > {size})");
    vec![
        json!({ "match": [{ "expression": expression }], "handle": [{ "handler": "error", "status_code": 413 }] }),
        json!({ "handle": [{ "handler": "request_body", "max_size": size }] }),
    ]
}

fn set_timeouts(
    root: &mut Value,
    place: &Place,
    wanted: &[(&'static str, Option<u32>)],
) -> Result<(), WebServerError> {
    let Some(server) = root.pointer_mut(&server_pointer(&place.server)).and_then(Value::as_object_mut) else {
        return Ok(());
    };
    for (name, value) in wanted {
        let is_same = match (server.get(*name), value) {
            (Some(old), Some(new)) => seconds(old) == Some(*new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if is_same {
            continue;
        }
        if !place.is_alone {
            let reason = format!(
                "the sites of the server {:?} of Caddy share them; edit the configuration as text",
                place.server
            );
            return Err(WebServerError::impossible("set the timeouts of the site", reason));
        }
        match value {
            Some(seconds) => server.insert((*name).to_owned(), json!(format!("{seconds}s"))),
            None => server.remove(*name),
        };
    }
    Ok(())
}
