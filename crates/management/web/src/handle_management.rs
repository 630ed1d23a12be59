//! The management service itself: settings, users, permissions, delegation, keys, sessions, audit.

use std::time::Instant;

use auth::Secret;
use management::{
    ApiKeyLimits, DelegationState, Grant, KeyPurpose, ManagementError, Role, Settings, SiteScope, Staging,
    StagingState, Timestamp, UserChange, UserRecord, is_system_user,
};
use serde_json::{Value, json};
use webserver::Feature;

use crate::call::Admitted;
use crate::caller::Credential;
use crate::console::Console;
use crate::problem::Problem;
use crate::reply::{Content, Reply};

/// `GET /management/service`
pub(crate) fn service(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    Ok(Reply::json(console.service_state()))
}

/// `PATCH /management/service`: settings do not change while the service runs.
pub(crate) fn change_service(_: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let detail = "the service cannot be configured while it is running; on the server, change the settings with \
                  telarch mgmt set and start it again";
    Err(Problem::new(409, "service-running", detail))
}

/// `GET /management/service/staged`
pub(crate) fn staged(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    Ok(Reply::json(staged_form(&staging(console)?.state(Instant::now()))))
}

/// `PUT /management/service/staged`: settings in place of those in force.
pub(crate) fn stage(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let staging = configurable(console, request)?;
    let body = request.body()?;
    body.require_only(&["settings"])?;
    let Some(Value::Object(changes)) = body.value("settings") else {
        return Err(Problem::invalid("settings is not a JSON object"));
    };
    let mut settings = staging.state(Instant::now()).in_force;
    for (name, value) in changes {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => {
                return Err(Problem::invalid(format!(
                    "{} is not a text, number or truth value",
                    name.escape_debug()
                )));
            }
        };
        settings.set(name, &text).map_err(|error| Problem::invalid(error.to_string()))?;
    }
    staging.stage(Some(settings)).map_err(conflict)?;
    let names: Vec<&str> = changes.keys().map(String::as_str).collect();
    let form = staged_form(&staging.state(Instant::now()));
    Ok(Reply::json(form).audited(format!("staged {}", names.join(", ").escape_debug())))
}

/// `DELETE /management/service/staged`
pub(crate) fn unstage(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    configurable(console, request)?.stage(None).map_err(conflict)?;
    Ok(Reply::empty())
}

/// `POST /management/service/actions/apply`: starts again with the staged settings.
pub(crate) fn apply(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let staging = configurable(console, request)?;
    staging.apply(session_secret(request)?).map_err(conflict)?;
    Ok(Reply::new(202, Content::Json(staged_form(&staging.state(Instant::now())))))
}

/// `POST /management/service/actions/confirm`: keeps the applied settings.
pub(crate) fn confirm(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let staging = staging(console)?;
    let (secret, now) = (session_secret(request)?, Instant::now());
    staging.confirm(secret, now, |settings| console.directory.write_settings(settings)).map_err(conflict)?;
    Ok(Reply::json(staged_form(&staging.state(Instant::now()))))
}

fn staging(console: &Console) -> Result<&Staging, Problem> {
    let detail = "this service does not start again by itself; change the settings with telarch mgmt set";
    console.staging.as_deref().ok_or_else(|| Problem::new(409, "service-running", detail))
}

/// Returns the staged settings for a change, which only this machine may make unless the settings permit others.
fn configurable<'c>(console: &'c Console, request: &Admitted<'_>) -> Result<&'c Staging, Problem> {
    let is_local = request.call.client.ip().to_canonical().is_loopback();
    if is_local || console.settings.allow_remote_service_configuration {
        return staging(console);
    }
    let detail =
        "the service is configured on the server only; AllowRemoteServiceConfiguration permits it to others";
    Err(Problem::forbidden(detail))
}

/// Returns the secret of the session, which stays the same when the password is repeated.
fn session_secret<'r>(request: &'r Admitted<'_>) -> Result<&'r str, Problem> {
    match &request.caller()?.credential {
        Credential::Session { csrf, .. } => Ok(csrf),
        Credential::Key { .. } => Err(Problem::forbidden("this requires a session, not an API key")),
    }
}

fn conflict(error: ManagementError) -> Problem {
    match error {
        ManagementError::Invalid(detail) => Problem::new(409, "conflict", detail),
        error => error.into(),
    }
}

fn staged_form(state: &StagingState) -> Value {
    json!({
        "in_force": settings_form(&state.in_force),
        "staged": state.staged.as_ref().map(settings_form),
        "confirm_within_seconds": state.confirm_within.map(|time| time.as_secs()),
        "last_failure": state.last_failure,
    })
}

fn settings_form(settings: &Settings) -> Value {
    let values = Settings::names().iter().map(|name| ((*name).to_owned(), settings.json(name)));
    Value::Object(values.collect())
}

/// `GET /management/users`
pub(crate) fn users(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let users: Vec<Value> = console.users.list()?.iter().map(|user| user_json(console, user)).collect();
    Ok(Reply::json(json!({ "users": users })))
}

/// `POST /management/users`
pub(crate) fn add_user(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let body = request.body()?;
    body.require_only(&["name", "password", "comment", "role"])?;
    let name = body.text("name")?;
    let role = body.optional_text("role")?.map(str::parse::<Role>).transpose()?;
    let password = Secret::new(body.text("password")?.to_owned());
    let user = console.users.add(name, password, body.optional_text("comment")?.unwrap_or_default())?;
    if let Some(role) = role {
        console.permissions.set_role(&user.name, role)?;
    }
    let reply = Reply::new(201, Content::Json(user_json(console, &user)));
    let path = user.name.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    Ok(reply.header("location", format!("/api/v1/management/users/{path}")).audited(user.name))
}

/// `PATCH /management/users/{user}`
pub(crate) fn change_user(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let name = request.part("user");
    let body = request.body()?;
    body.require_only(&["password", "enabled", "role"])?;
    let role = body.optional_text("role")?.map(str::parse::<Role>).transpose()?;
    let is_own = request.caller()?.name.eq_ignore_ascii_case(name);
    if is_own && body.truth("enabled")? == Some(false) {
        return Err(Problem::new(409, "conflict", "you cannot disable your own account"));
    }
    let known = console.users.list()?;
    let known = known.into_iter().find(|user| user.name.eq_ignore_ascii_case(name));
    let mut user = known.ok_or_else(|| Problem::not_found("user"))?;
    if let Some(password) = body.optional_text("password")? {
        user = console.users.change(name, UserChange::Password(Secret::new(password.to_owned())))?;
    }
    if let Some(is_enabled) = body.truth("enabled")? {
        let change = if is_enabled { UserChange::Enable } else { UserChange::Disable };
        user = console.users.change(name, change)?;
    }
    if let Some(role) = role {
        console.permissions.set_role(&user.name, role)?;
    }
    // The sessions of the user end, because they rest on the old state.
    console.sessions.end_of_user(&user.name);
    Ok(Reply::json(user_json(console, &user)))
}

/// `DELETE /management/users/{user}`
pub(crate) fn remove_user(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let name = request.part("user");
    if request.caller()?.name.eq_ignore_ascii_case(name) {
        return Err(Problem::new(409, "conflict", "you cannot delete your own account"));
    }
    if !console.users.list()?.iter().any(|user| user.name.eq_ignore_ascii_case(name)) {
        return Err(Problem::not_found("user"));
    }
    console.users.remove(name)?;
    console.permissions.forget(name)?;
    console.api_keys.forget(name)?;
    console.machines.saved.forget(name)?;
    console.sessions.end_of_user(name);
    Ok(Reply::empty())
}

/// `GET /management/permissions`
pub(crate) fn permissions(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let list: Vec<Value> = console
        .permissions
        .list()
        .into_iter()
        .map(|(user, role, scopes)| json!({ "user": user, "role": role.to_string(), "scopes": scopes }))
        .collect();
    Ok(Reply::json(json!({ "permissions": list })))
}

/// `POST /management/permissions`
pub(crate) fn allow(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let body = request.body()?;
    body.require_only(&["user", "scope"])?;
    let (user, grant): (_, Grant) = (body.text("user")?, body.text("scope")?.parse()?);
    let is_known = is_system_user(user)
        || console.users.list()?.iter().any(|known| known.name.eq_ignore_ascii_case(user));
    if !is_known {
        return Err(Problem::not_found("user"));
    }
    let audit = format!("{user} on {grant}");
    console.permissions.allow(user, grant)?;
    Ok(Reply::empty().audited(audit))
}

/// `DELETE /management/permissions`
pub(crate) fn disallow(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let user = required(request, "user")?;
    let grant: Grant = required(request, "scope")?.parse()?;
    console.permissions.remove(&user, &grant)?;
    console.sessions.end_of_user(&user);
    Ok(Reply::empty().audited(format!("{user} on {grant}")))
}

/// `GET /management/delegation`
pub(crate) fn delegation(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let scope = scope(request)?;
    let states: Vec<Value> = Feature::ALL
        .into_iter()
        .map(|feature| {
            json!({
                "feature": feature.name(),
                "state": console.delegation.state(feature, scope.as_ref()).to_string(),
                "is_local": console.delegation.is_local(feature, scope.as_ref()),
            })
        })
        .collect();
    Ok(Reply::json(json!({ "scope": scope.as_ref().map(SiteScope::as_str), "features": states })))
}

/// `PUT /management/delegation/{feature}`
pub(crate) fn delegate(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let feature: Feature = request.parsed("feature", "feature")?;
    let scope = scope(request)?;
    let body = request.body()?;
    body.require_only(&["state"])?;
    let state = body.text("state")?;
    let state: Option<DelegationState> = if state == "Inherited" { None } else { Some(state.parse()?) };
    console.delegation.set(feature, scope.as_ref(), state)?;
    let at = scope.as_ref().map_or("all sites", SiteScope::as_str);
    let state = state.map_or_else(|| "Inherited".to_owned(), |state| state.to_string());
    Ok(Reply::empty().audited(format!("{feature}: {state} for {at}")))
}

/// `GET /management/api-keys`
pub(crate) fn keys(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let keys: Vec<Value> = console.api_keys.list().iter().map(key_json).collect();
    Ok(Reply::json(json!({ "api_keys": keys })))
}

/// `POST /management/api-keys`
pub(crate) fn add_key(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let body = request.body()?;
    body.require_only(&["purpose", "read_only", "days"])?;
    let purpose = KeyPurpose::parse(body.text("purpose")?)?;
    let days = match body.value("days") {
        None => ApiKeyLimits::default().days,
        Some(value) => {
            let days = value.as_u64().and_then(|days| u16::try_from(days).ok());
            days.ok_or_else(|| Problem::invalid("days is not a number from 1 to 366"))?
        }
    };
    let limits = ApiKeyLimits { is_read_only: body.truth("read_only")?.unwrap_or(false), days };
    let new = console.api_keys.create(&request.caller()?.name, &purpose, limits, Timestamp::now())?;
    let mut value = key_json(&new.key);
    if let Some(members) = value.as_object_mut() {
        members.insert("token".to_owned(), json!(new.token.expose()));
    }
    Ok(Reply::new(201, Content::Json(value)).audited(format!("API key {}", new.key.id)))
}

/// `DELETE /management/api-keys/{key}`
pub(crate) fn remove_key(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    console.api_keys.remove(request.part("key"))?;
    Ok(Reply::empty())
}

/// `GET /management/sessions`
pub(crate) fn sessions(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let own = request.caller()?.credential_id();
    let sessions: Vec<Value> = console
        .sessions
        .list(Instant::now())
        .iter()
        .map(|session| {
            json!({
                "id": session.id,
                "user": session.user,
                "from": session.from.to_string(),
                "since": session.since.to_string(),
                "is_own": session.id == own,
            })
        })
        .collect();
    Ok(Reply::json(json!({ "sessions": sessions })))
}

/// `DELETE /management/sessions/{session}`
pub(crate) fn end(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    if console.sessions.end_by_id(request.part("session")) {
        Ok(Reply::empty())
    } else {
        Err(Problem::not_found("session"))
    }
}

/// `GET /management/audit`
pub(crate) fn audit(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let limit = usize::try_from(request.number("limit", 100)?.clamp(1, 500)).unwrap_or(100);
    let records = console.audit.recent(request.number("before", u64::MAX)?, limit);
    let next = records.last().filter(|_| records.len() == limit).map(|(number, _)| *number);
    let records: Vec<Value> = records.into_iter().map(|(_, record)| record).collect();
    Ok(Reply::json(json!({ "records": records, "next_before": next })))
}

fn required(request: &Admitted<'_>, name: &str) -> Result<String, Problem> {
    request.call.parameter(name).ok_or_else(|| Problem::invalid(format!("{name} is missing")))
}

fn scope(request: &Admitted<'_>) -> Result<Option<SiteScope>, Problem> {
    let scope = request.call.parameter("scope").filter(|scope| !scope.is_empty());
    Ok(scope.map(|scope| scope.parse()).transpose()?)
}

fn user_json(console: &Console, user: &UserRecord) -> Value {
    let role = if user.is_administrator { Role::Administrator } else { console.permissions.role(&user.name) };
    json!({
        "name": user.name,
        "enabled": user.is_enabled,
        "comment": user.comment,
        "role": role.to_string(),
        "scopes": console.permissions.grants(&user.name),
    })
}

fn key_json(key: &management::ApiKey) -> Value {
    json!({
        "id": key.id,
        "owner": key.owner,
        "purpose": key.purpose,
        "read_only": key.is_read_only,
        "created": key.created.to_string(),
        "expires": key.expires.to_string(),
        "last_used": key.last_used.map(|time| time.to_string()),
    })
}
