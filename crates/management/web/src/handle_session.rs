//! Sign-in and sign-out.

use std::time::Instant;

use auth::Secret;
use limits::{Capacity, Origin};
use management::{SignInRefusal, SignInSources};
use serde_json::{Value, json};

use crate::access::COOKIE;
use crate::call::Admitted;
use crate::caller::{Caller, Credential};
use crate::console::Console;
use crate::problem::Problem;
use crate::reply::{Content, Reply};

/// `POST /session`
pub(crate) fn sign_in(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let body = request.body()?;
    body.require_only(&["username", "password"])?;
    let name = body.text("username")?;
    let password = Secret::new(body.text("password")?.to_owned());
    let user = verify(console, request, name, &password)?;
    // A session that the client presents is not continued, so that an attacker cannot plant one.
    if let Some(Caller { credential: Credential::Session { token, .. }, .. }) = &request.caller {
        console.sessions.end(token);
    }
    let from = request.call.client.ip().to_canonical();
    let new = console.sessions.start(&user, from, Instant::now())?;
    let reply =
        Reply::new(201, Content::Json(session(console, &user, Some(new.session.csrf.expose()), true)));
    Ok(reply.header("set-cookie", cookie(new.token.expose())).audited(format!("signed in as {user}")))
}

/// `GET /session`
pub(crate) fn show(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let caller = request.caller()?;
    let (csrf, is_elevated) = match &caller.credential {
        Credential::Session { csrf, is_elevated, .. } => (Some(csrf.as_str()), *is_elevated),
        Credential::Key { .. } => (None, false),
    };
    Ok(Reply::json(session(console, &caller.name, csrf, is_elevated)))
}

/// `GET /session` of a manager user, whose permissions are in memory.
pub(crate) fn show_quickly(console: &Console, request: &Admitted<'_>) -> Option<Reply> {
    show(console, request).ok()
}

/// `DELETE /session`
pub(crate) fn sign_out(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    match &request.caller()?.credential {
        Credential::Session { token, .. } => console.sessions.end(token),
        Credential::Key { .. } => return Err(Problem::invalid("an API key has no session")),
    }
    Ok(Reply::empty().header("set-cookie", format!("{COOKIE}=; Max-Age=0; {ATTRIBUTES}")))
}

/// `POST /session/elevate`
pub(crate) fn elevate(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let caller = request.caller()?;
    let Credential::Session { token, .. } = &caller.credential else {
        return Err(Problem::invalid("an API key has no session"));
    };
    let body = request.body()?;
    body.require_only(&["password"])?;
    let password = Secret::new(body.text("password")?.to_owned());
    // An account of the operating system may have the same name and another password.
    if verify(console, request, &caller.name, &password)? != caller.name {
        return Err(Problem::sign_in_failed());
    }
    let new = console.sessions.elevate(token, Instant::now())?;
    let reply = Reply::json(session(console, &caller.name, Some(new.session.csrf.expose()), true));
    Ok(reply.header("set-cookie", cookie(new.token.expose())))
}

/// `GET /openapi.json`
pub(crate) fn openapi(_: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    // A test compares the file with the table of routes.
    let description = serde_json::from_str(include_str!("../openapi.json"));
    Ok(Reply::json(description.map_err(|_| Problem::not_found("description"))?))
}

fn verify(
    console: &Console,
    request: &Admitted<'_>,
    name: &str,
    password: &Secret,
) -> Result<String, Problem> {
    let from = request.call.client.ip().to_canonical();
    let sources = SignInSources {
        accepts_manager_users: !console.settings.requires_windows_credentials,
        system: console.system.as_ref(),
    };
    let _permit = console.signing_in.acquire(Origin::of(from), SIGNING_IN).map_err(|_| {
        Problem::new(503, "busy", "too many sign-ins are being verified; repeat the request in a moment")
    })?;
    let verdict = console.users.sign_in_from(sources, name, password, from, Instant::now());
    verdict.map_err(|refusal| match refusal {
        SignInRefusal::LockedOut { retry_after } => Problem::locked_out(retry_after),
        SignInRefusal::Unavailable => {
            Problem::new(503, "sign-in-unavailable", "sign-ins are not possible now; try again later")
        }
        SignInRefusal::Refused => Problem::sign_in_failed(),
    })
}

fn session(console: &Console, user: &str, csrf: Option<&str>, is_elevated: bool) -> Value {
    let role = console.role_of(user);
    let scopes: Vec<String> =
        console.permissions.scopes(user).iter().map(|scope| scope.as_str().to_owned()).collect();
    json!({
        "username": user,
        "role": role.map(|role| role.to_string()),
        "scopes": scopes,
        "terminals": role.is_some() && console.require_terminals(user).is_ok(),
        "elevated": is_elevated,
        "csrf_token": csrf,
        "machine": console.machine.host_name(),
    })
}

fn cookie(token: &str) -> String {
    format!("{COOKIE}={token}; {ATTRIBUTES}")
}

/// Passwords of one source that are verified at the same time, and of all together.
const SIGNING_IN: Capacity = Capacity { per_key: 4, total: 12 };
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
