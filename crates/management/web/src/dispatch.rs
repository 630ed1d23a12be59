//! The path of a request: address, host, route, credentials, origin, rights, handler, logs.

use std::time::{Duration, Instant};

use management::{AuditRecord, AuditResult, LoggedRequest, Timestamp};

use crate::access::{require_own_origin, require_own_page, require_rights, require_session_secret};
use crate::assets;
use crate::call::{Admitted, Call};
use crate::caller::Caller;
use crate::client_checks::ClientChecks;
use crate::console::Console;
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::route::{BYTES, Route};
use crate::route_search::{Found, find};

impl Console {
    /// Answers a request. This blocks on files, processes and password hashes.
    pub(crate) fn answer(&self, call: &Call) -> Reply {
        let begin = Instant::now();
        let mut caller = None;
        let reply = self.dispatch(call, &mut caller).unwrap_or_else(|problem| failure(&problem));
        self.record(call, caller.as_ref(), &reply);
        self.log(call, caller.as_ref(), &reply, begin.elapsed());
        without_content_for_head(call, reply)
    }

    /// Answers a reading request from memory, if that is possible. `None` means that [`answer`](Self::answer) must answer
    /// the request.
    pub(crate) fn answer_quickly(&self, call: &Call) -> Option<Reply> {
        let begin = Instant::now();
        let Ok(Routed::Operation(operation)) = route(&self.checks, call) else { return None };
        let handler = operation.route.quick?;
        let request = admit(call, operation, self.quick_caller(call)).ok()?;
        let reply = handler(self, &request)?;
        self.log(call, request.caller.as_ref(), &reply, begin.elapsed());
        Some(without_content_for_head(call, reply))
    }

    /// Finds the route, admits the caller and calls the handler.
    fn dispatch(&self, call: &Call, admitted: &mut Option<Caller>) -> Result<Reply, Problem> {
        match route(&self.checks, call)? {
            Routed::Answered(reply) => Ok(reply),
            Routed::Operation(operation) => self.perform(call, operation, admitted),
        }
    }

    /// Admits the caller of an operation, and calls its handler.
    pub(crate) fn perform(
        &self,
        call: &Call,
        operation: Operation,
        admitted: &mut Option<Caller>,
    ) -> Result<Reply, Problem> {
        let caller = self.caller(call)?;
        admitted.clone_from(&caller);
        let handler = operation.route.handler;
        handler(self, &admit(call, operation, caller)?)
    }

    /// Appends a changing or denied request to the audit log.
    pub(crate) fn record(&self, call: &Call, caller: Option<&Caller>, reply: &Reply) {
        let is_denied = matches!(reply.status, 401 | 403 | 421 | 429);
        let is_preview = call.parameter("dry_run").as_deref() == Some("true");
        // Pieces of an upload change nothing before the deployment, which is recorded.
        let is_unrecorded = |route: &Route| route.only_reads || route.request == Some(BYTES);
        let is_harmless =
            matches!(find(&call.method, &call.path), Found::Route(route, _) if is_unrecorded(route));
        let is_change = call.is_unsafe() && !is_preview && !is_harmless;
        // Requests of browsers without a session are expected.
        let is_first_contact = reply.status == 401 && caller.is_none() && !call.is_unsafe();
        if is_first_contact || !(is_change || is_denied) {
            return;
        }
        let result = match reply.status {
            200..=399 => AuditResult::Done,
            _ if is_denied => AuditResult::Denied,
            _ => AuditResult::Failed,
        };
        self.audit.append(&AuditRecord {
            time: Timestamp::now(),
            user: caller.map(|caller| caller.name.clone()).unwrap_or_default(),
            from: call.client.ip().to_canonical(),
            credential: caller.map(|caller| caller.credential_id().to_owned()).unwrap_or_default(),
            action: call.method.clone(),
            object: call.path.clone(),
            status: reply.status,
            result,
            detail: reply.audit.clone(),
        });
    }

    fn log(&self, call: &Call, caller: Option<&Caller>, reply: &Reply, taken: Duration) {
        if let Some(log) = &self.request_log {
            log.append(&logged(call, caller.map_or("", |caller| &caller.name), reply, taken));
        }
    }
}

/// Admits the caller of an operation.
fn admit(call: &Call, operation: Operation, caller: Option<Caller>) -> Result<Admitted<'_>, Problem> {
    let Operation { route, parts, is_own_origin } = operation;
    require_session_secret(call, caller.as_ref(), is_own_origin)?;
    require_rights(route.requirement, caller.as_ref(), call.is_unsafe() && !route.only_reads)?;
    if route.opens_socket {
        require_own_page(is_own_origin)?;
    }
    Ok(Admitted { call, parts, caller })
}

/// Removes the content of the response to a HEAD request.
pub(crate) fn without_content_for_head(call: &Call, reply: Reply) -> Reply {
    match call.method.as_str() {
        "HEAD" => Reply { content: Content::Empty, ..reply },
        _ => reply,
    }
}

/// Returns the record of a request for the request log.
pub(crate) fn logged<'a>(call: &'a Call, user: &'a str, reply: &Reply, taken: Duration) -> LoggedRequest<'a> {
    LoggedRequest {
        time: Timestamp::now(),
        server: call.server,
        method: &call.method,
        path: &call.path,
        query: &call.query,
        user,
        client: call.client,
        agent: call.header("user-agent").unwrap_or_default(),
        status: reply.status,
        substatus: reply.substatus.0,
        win32: reply.substatus.1,
        taken,
    }
}

/// An operation of the API that a request asks for.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) route: &'static Route,
    /// Parts of the path in place of `{name}`, decoded.
    pub(crate) parts: Vec<(&'static str, String)>,
    /// The browser has stated that the request comes from a page of this service.
    pub(crate) is_own_origin: bool,
}

/// Result of the checks that need no credentials.
pub(crate) enum Routed {
    /// The request is answered: a file of the console, or another method.
    Answered(Reply),
    /// The request asks for an operation.
    Operation(Operation),
}

/// Checks address, host and origin of a request, and finds its route.
pub(crate) fn route(checks: &ClientChecks, call: &Call) -> Result<Routed, Problem> {
    checks.require_address(call)?;
    checks.require_host(call)?;
    if !call.path.starts_with("/api/") {
        return assets::reply(call).map(Routed::Answered);
    }
    let (route, parts) = match find(&call.method, &call.path) {
        Found::Route(route, parts) => (route, parts),
        Found::OtherMethods(methods) => {
            let problem = Problem::new(405, "method-not-allowed", format!("allowed methods: {methods}"));
            return Ok(Routed::Answered(problem.reply().header("allow", methods)));
        }
        Found::Nothing => return Err(Problem::not_found("resource")),
    };
    let is_own_origin = require_own_origin(call)?;
    Ok(Routed::Operation(Operation { route, parts, is_own_origin }))
}

/// Returns the response to a failed request.
pub(crate) fn failure(problem: &Problem) -> Reply {
    let mut reply = problem.reply();
    reply.substatus = (problem.substatus, problem.win32);
    reply
}
