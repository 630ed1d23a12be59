//! Decisions about a request before its handler runs: credentials, origin, and rights.

use std::time::Instant;

use management::{Role, Session, SystemRole, Timestamp, is_system_user};

use crate::call::Call;
use crate::caller::{Caller, Credential};
use crate::console::Console;
use crate::problem::Problem;

/// Rights that a route requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// No sign-in.
    Public,
    /// Any signed-in user.
    SignedIn,
    /// A site that the user may administer, or this role. The handler checks the site.
    SiteOr(Role),
    /// At least this role.
    Role(Role),
    /// At least this role, and the password was repeated in the last five minutes.
    Elevated(Role),
    /// A session, no API key.
    Session,
    /// A session whose password was repeated in the last five minutes. The handler checks the permission for terminals.
    Terminal,
}

/// Name of the session cookie. Browsers accept the prefix only with `Secure`, `Path=/` and without `Domain`.
pub(crate) const COOKIE: &str = "__Host-telarch";

impl Console {
    /// Returns the user of the session cookie or the API key.
    pub(crate) fn caller(&self, call: &Call) -> Result<Option<Caller>, Problem> {
        if let Some(token) = api_key(call) {
            let key = self.api_keys.find(token, Timestamp::now()).ok_or_else(Problem::sign_in_failed)?;
            let role = self.role_of(&key.owner).ok_or_else(Problem::sign_in_failed)?;
            let credential = Credential::Key { id: key.id, is_read_only: key.is_read_only };
            return Ok(Some(Caller { name: key.owner, role, credential }));
        }
        let Some(token) = cookie(call) else { return Ok(None) };
        let now = Instant::now();
        Ok(self.sessions.find(token, now).and_then(|session| self.session_caller(token, session, now)))
    }

    /// Returns the user of the session cookie if that needs only memory: a manager user, because the operating system may
    /// take long to check its own accounts.
    pub(crate) fn quick_caller(&self, call: &Call) -> Option<Caller> {
        if api_key(call).is_some() {
            return None;
        }
        let (token, now) = (cookie(call)?, Instant::now());
        let session = self.sessions.find(token, now).filter(|session| !is_system_user(&session.user))?;
        self.session_caller(token, session, now)
    }

    /// Returns the user of a live session, which ends if the user may not sign in any more.
    fn session_caller(&self, token: &str, session: Session, now: Instant) -> Option<Caller> {
        let Some(role) = self.role_of(&session.user) else {
            self.sessions.end(token);
            return None;
        };
        let credential = Credential::Session {
            token: token.to_owned(),
            is_elevated: session.is_elevated(now),
            csrf: session.csrf.expose().to_owned(),
            lasting_id: session.lasting_id(),
            id: session.id,
        };
        Some(Caller { name: session.user, role, credential })
    }

    /// Returns whether the credentials of a request still give the role of a viewer, without prolonging a session.
    pub(crate) fn still_admits_viewer(&self, call: &Call) -> bool {
        self.viewer(call).is_some()
    }

    /// Returns the name of the user whose credentials give the role of a viewer, without prolonging a session.
    pub(crate) fn viewer(&self, call: &Call) -> Option<String> {
        let user = match api_key(call) {
            Some(token) => self.api_keys.find(token, Timestamp::now()).map(|key| key.owner),
            None => cookie(call).and_then(|token| self.sessions.user(token, Instant::now())),
        };
        user.filter(|user| self.role_of(user).is_some_and(|role| role >= Role::Viewer))
    }

    /// Returns the role of a user; `None` if the account was deleted or disabled, or its kind is not accepted.
    pub(crate) fn role_of(&self, user: &str) -> Option<Role> {
        if is_system_user(user) {
            return match self.system.as_ref()?.role(user, Instant::now())? {
                SystemRole::Administrator => Some(Role::Administrator),
                SystemRole::User => Some(self.permissions.role(user)),
            };
        }
        if self.settings.requires_windows_credentials {
            return None;
        }
        let record = self.users.find_enabled(user)?;
        Some(if record.is_administrator { Role::Administrator } else { self.permissions.role(user) })
    }
}

/// Refuses changing requests that another web site made a browser send. Returns whether the browser has stated that the
/// request comes from this service.
pub(crate) fn require_own_origin(call: &Call) -> Result<bool, Problem> {
    let own = format!("https://{}", call.header("host").unwrap_or_default());
    let origin = call.headers.iter().find(|(name, _)| name == "origin").map(|(_, value)| value.as_str());
    let site =
        call.headers.iter().find(|(name, _)| name == "sec-fetch-site").map(|(_, value)| value.as_str());
    let is_foreign = origin.is_some_and(|origin| !origin.eq_ignore_ascii_case(&own))
        || site.is_some_and(|site| site != "same-origin");
    if call.is_unsafe() && is_foreign {
        return cross_site("the request comes from another web site");
    }
    Ok(!is_foreign && (origin.is_some() || site.is_some()))
}

/// Refuses changing requests with a session that do not prove that they come from a page of this service.
pub(crate) fn require_session_secret(
    call: &Call,
    caller: Option<&Caller>,
    is_own_origin: bool,
) -> Result<(), Problem> {
    let Some(Caller { credential: Credential::Session { csrf, .. }, .. }) = caller else { return Ok(()) };
    if !call.is_unsafe() {
        return Ok(());
    }
    if !is_own_origin {
        return cross_site("a request with a session needs the header Origin or Sec-Fetch-Site");
    }
    let sent = auth::Secret::new(call.header("x-csrf-token").unwrap_or_default().to_owned());
    if sent.matches(&auth::Secret::new(csrf.clone())) {
        Ok(())
    } else {
        cross_site("the header X-CSRF-Token does not have the value of the session")
    }
}

fn cross_site<T>(detail: &str) -> Result<T, Problem> {
    Err(Problem { substatus: 2, ..Problem::new(403, "cross-site-request", detail) })
}

/// Refuses a caller without the rights of a route. `is_change` says whether the request can change something.
pub(crate) fn require_rights(
    requirement: Requirement,
    caller: Option<&Caller>,
    is_change: bool,
) -> Result<(), Problem> {
    if requirement == Requirement::Public {
        return Ok(());
    }
    let caller = caller.ok_or_else(Problem::sign_in_required)?;
    if is_change && let Credential::Key { is_read_only: true, .. } = caller.credential {
        return Err(Problem::forbidden("the API key can only read"));
    }
    let (role, needs_elevation) = match requirement {
        Requirement::Public | Requirement::SignedIn | Requirement::SiteOr(_) => return Ok(()),
        Requirement::Role(role) => (role, false),
        Requirement::Elevated(role) => (role, true),
        Requirement::Session => return require_session(caller),
        Requirement::Terminal => (Role::Delegated, true),
    };
    if caller.role < role {
        return Err(Problem::forbidden(format!("this requires the role {role}")));
    }
    match &caller.credential {
        _ if !needs_elevation => Ok(()),
        Credential::Session { is_elevated: true, .. } => Ok(()),
        Credential::Session { .. } => {
            let detail = "repeat the password with POST /api/v1/session/elevate";
            Err(Problem { substatus: 2, ..Problem::new(403, "elevation-required", detail) })
        }
        Credential::Key { .. } => require_session(caller),
    }
}

fn require_session(caller: &Caller) -> Result<(), Problem> {
    match caller.credential {
        Credential::Session { .. } => Ok(()),
        Credential::Key { .. } => Err(Problem::forbidden("this requires a session, not an API key")),
    }
}

/// Refuses to open a WebSocket for another web site: browsers send cookies with it from every page.
pub(crate) fn require_own_page(is_own_origin: bool) -> Result<(), Problem> {
    if is_own_origin { Ok(()) } else { cross_site("a WebSocket is opened for pages of this service only") }
}

/// Returns the API key that a request has sent.
pub(crate) fn api_key(call: &Call) -> Option<&str> {
    let value = call.header("authorization").or_else(|| call.header("access-token"))?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the secret of the session cookie.
pub(crate) fn cookie(call: &Call) -> Option<&str> {
    let cookies = call.headers.iter().filter(|(name, _)| name == "cookie").map(|(_, value)| value.as_str());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
