//! The IIS of another machine, which the connector reaches.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use webserver::{CimCall, CimFailure, CimObject, FilePath, Iis, WebAdministration, WebServer};

use crate::call::{Admitted, Body};
use crate::console::Console;
use crate::handle_machines::{machine, session};
use crate::machines::{IisRequest, Machines, Work};
use crate::problem::Problem;

/// Operations on the IIS of a machine in the session of a user.
pub(crate) struct MachineIis {
    machines: Arc<Machines>,
    session: String,
    /// Identifier of the machine.
    machine: String,
    url: String,
}

impl MachineIis {
    /// Returns the IIS of the machine that the path of a request names. Nothing is sent.
    pub(crate) fn of_request(console: &Console, request: &Admitted<'_>) -> Result<Self, Problem> {
        let (session, machine) = (session(request)?.to_owned(), machine(console, request)?);
        let machines = Arc::clone(&console.machines);
        Ok(Self { machines, session, machine: machine.id, url: machine.url })
    }

    /// Returns the URL of the machine.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn perform<T: DeserializeOwned>(&self, request: IisRequest) -> Result<T, CimFailure> {
        let work = Work::Iis { machine: self.machine.clone(), request };
        let answer = self.machines.perform(&self.session, work);
        let answer = answer.map_err(|problem| CimFailure::Failed(problem.detail))?;
        serde_json::from_value(answer).map_err(|error| CimFailure::Invalid(error.to_string()))
    }
}

impl WebAdministration for MachineIis {
    fn machine(&self) -> &str {
        host(&self.url)
    }

    fn enumerate(&self, class: &str) -> Result<Vec<CimObject>, CimFailure> {
        self.perform::<Result<_, _>>(IisRequest::Enumerate { class: class.to_owned() })?
    }

    fn call(&self, calls: &[CimCall]) -> Vec<Result<CimObject, CimFailure>> {
        match self.perform::<Vec<_>>(IisRequest::Call { calls: calls.to_vec() }) {
            Ok(results) if results.len() == calls.len() => results,
            Ok(_) => failures(calls, &CimFailure::Invalid("results are missing".to_owned())),
            Err(failure) => failures(calls, &failure),
        }
    }
}

/// Returns a failure for each call.
fn failures(calls: &[CimCall], failure: &CimFailure) -> Vec<Result<CimObject, CimFailure>> {
    calls.iter().map(|_| Err(failure.clone())).collect()
}

/// Returns the web server of a request: the IIS of the machine that the path names, or else that of this machine.
pub(crate) fn web_server(console: &Console, request: &Admitted<'_>) -> Result<Arc<dyn WebServer>, Problem> {
    if request.part("machine").is_empty() {
        return console.web().cloned();
    }
    let connection = MachineIis::of_request(console, request)?;
    let history = console.directory.iis_history(connection.machine());
    Ok(Arc::new(Iis::open(Box::new(connection), &history)?))
}

/// Returns the body of a change of a web server. For a machine with IIS, folders may be written as Windows does.
pub(crate) fn change_body(request: &Admitted<'_>) -> Result<Body, Problem> {
    let body = request.body()?;
    if request.part("machine").is_empty() {
        return Ok(body);
    }
    let mut value = body.into_value();
    convert_folders(&mut value);
    Ok(Body::new(value))
}

/// Converts the members `root` and `folder` at any depth.
fn convert_folders(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(convert_folders),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "root" || name == "folder" => {
                        *text = FilePath::form_of_windows(text);
                    }
                    member => convert_folders(member),
                }
            }
        }
        _ => {}
    }
}

/// Returns the host name or the address of a URL.
fn host(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{convert_folders, host};

    #[test]
    fn folders_of_windows_are_converted_at_any_depth() {
        let mut value = json!({ "root": r"D:\shop", "changes": [{ "location": { "folder": "%Temp%\\a", "path": "C:" } }] });
        convert_folders(&mut value);
        let expected = json!({ "root": "/D:/shop", "changes": [{ "location": { "folder": "/%Temp%/a", "path": "C:" } }] });
        assert_eq!(value, expected);
    }

    #[test]
    fn the_history_belongs_to_the_host_of_a_machine() {
        for (url, name) in [
            ("https://web1.example:5986", "web1.example"),
            ("https://web1.example", "web1.example"),
            ("http://192.0.2.7:5985/wsman", "192.0.2.7"),
            ("https://[2001:db8::7]:5986", "[2001:db8::7]"),
            ("https://[2001:db8::7]", "[2001:db8::7]"),
        ] {
            assert_eq!(host(url), name);
        }
    }
}
