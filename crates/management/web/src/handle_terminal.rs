//! Terminals.

use std::time::Instant;

use serde_json::json;

use crate::call::Admitted;
use crate::caller::{Caller, Credential};
use crate::console::Console;
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::terminals::{TICKET_TIME, TerminalUser};
use crate::websocket::ticket_of;

impl Console {
    /// Refuses a user who can open no terminal, with the reason.
    pub(crate) fn require_terminals(&self, user: &str) -> Result<(), Problem> {
        if !self.permissions.may_open_terminals(user) {
            let detail = format!(
                "this requires the permission for terminals, which no role includes\n  on the server: telarch mgmt \
                 users allow '{user}' terminal"
            );
            return Err(Problem::forbidden(detail));
        }
        self.terminals.source_for(user).map(|_| ())
    }

    /// Ends terminals whose session has ended, or whose user may open none any more.
    pub(crate) fn end_refused_terminals(&self) {
        self.terminals.end_unless(|user| {
            let signed_in = self.sessions.user_of_secret(&user.csrf, false, Instant::now());
            signed_in.as_ref() == Some(&user.name)
                && self.role_of(&user.name).is_some()
                && self.permissions.may_open_terminals(&user.name)
        });
    }
}

/// `POST /terminals`
pub(crate) fn create(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let user = terminal_user(request)?;
    console.require_terminals(&user.name)?;
    let ticket = console.terminals.issue(&user, Instant::now())?;
    let body = json!({ "ticket": ticket.expose(), "expires_in": TICKET_TIME.as_secs() });
    Ok(Reply::new(201, Content::Json(body)))
}

/// `GET /terminals/socket`
pub(crate) fn open(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let user = terminal_user(request)?;
    let ticket = ticket_of(request.call).unwrap_or_default();
    console.terminals.redeem(ticket, &user, Instant::now())?;
    console.require_terminals(&user.name)?;
    let (number, shell) = console.terminals.start(user.clone())?;
    console.terminals.record("START", number, &user, "");
    Ok(Reply::new(101, Content::Terminal(shell)))
}

fn terminal_user(request: &Admitted<'_>) -> Result<TerminalUser, Problem> {
    let Caller { name, credential, .. } = request.caller()?;
    let Credential::Session { csrf, id, .. } = credential else {
        return Err(Problem::forbidden("this requires a session, not an API key"));
    };
    let from = request.call.client.ip().to_canonical();
    Ok(TerminalUser { name: name.clone(), from, credential: id.clone(), csrf: csrf.clone() })
}
