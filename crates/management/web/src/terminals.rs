//! Terminals: tickets, limits, and the end of terminals whose user is no longer signed in.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, Shutdown};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locks::Mutex;
use management::{Audit, AuditRecord, AuditResult, Sessions, Timestamp, Token};
use management_terminal::{StartedTerminal, TerminalSource};

use crate::problem::Problem;

/// User of a terminal.
#[derive(Clone)]
pub(crate) struct TerminalUser {
    pub(crate) name: String,
    pub(crate) from: IpAddr,
    /// Public identifier of the session.
    pub(crate) credential: String,
    /// Secret of the session for changing requests, which identifies it also after its token has changed.
    pub(crate) csrf: String,
}

/// Tickets and open terminals.
pub(crate) struct Terminals {
    /// `None` if the service has no terminals.
    source: Option<Arc<dyn TerminalSource>>,
    sessions: Arc<Sessions>,
    audit: Arc<Audit>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    tickets: Vec<Ticket>,
    open: BTreeMap<u64, OpenTerminal>,
    last: u64,
}

/// Permission to open one terminal.
struct Ticket {
    token: Token,
    user: String,
    csrf: String,
    expires: Instant,
}

struct OpenTerminal {
    user: TerminalUser,
    control: UnixStream,
}

impl Terminals {
    pub(crate) fn new(
        source: Option<Arc<dyn TerminalSource>>,
        sessions: Arc<Sessions>,
        audit: Arc<Audit>,
    ) -> Self {
        Self { source, sessions, audit, table: Mutex::default() }
    }

    /// Returns the source of terminals for a user.
    pub(crate) fn source_for(&self, user: &str) -> Result<&Arc<dyn TerminalSource>, Problem> {
        let disabled = "terminals are disabled\n  on the server: telarch mgmt set EnableTerminals=true, and start the \
                        service again";
        let source = self.source.as_ref().ok_or_else(|| Problem::new(409, "terminals-disabled", disabled))?;
        match source.refusal(user) {
            Some(refusal) => Err(Problem::new(403, "system-account-required", refusal)),
            None => Ok(source),
        }
    }

    /// Issues a ticket, which is valid once, for [`TICKET_TIME`], for the same session.
    pub(crate) fn issue(&self, user: &TerminalUser, now: Instant) -> Result<Token, Problem> {
        let token = Token::random().map_err(management::ManagementError::from)?;
        let mut table = self.table.lock();
        table.require_room(&user.name)?;
        table.tickets.retain(|ticket| now < ticket.expires);
        let is_own = |ticket: &Ticket| ticket.user == user.name;
        if table.tickets.iter().filter(|ticket| is_own(ticket)).count() >= MAX_OF_USER
            && let Some(oldest) = table.tickets.iter().position(is_own)
        {
            table.tickets.remove(oldest);
        }
        if table.tickets.len() >= MAX_TICKETS {
            return Err(Problem::new(
                503,
                "busy",
                "too many tickets for terminals are valid; retry in a moment",
            ));
        }
        let (name, csrf) = (user.name.clone(), user.csrf.clone());
        table.tickets.push(Ticket { token: token.clone(), user: name, csrf, expires: now + TICKET_TIME });
        Ok(token)
    }

    /// Takes a ticket out of the table. A ticket of another session is used up, too.
    pub(crate) fn redeem(&self, text: &str, user: &TerminalUser, now: Instant) -> Result<(), Problem> {
        let mut table = self.table.lock();
        let found = table.tickets.iter().position(|ticket| ticket.token.matches(text));
        let ticket = found.map(|found| table.tickets.remove(found));
        let is_valid =
            |ticket: &Ticket| now < ticket.expires && ticket.user == user.name && ticket.csrf == user.csrf;
        if ticket.as_ref().is_some_and(is_valid) {
            return Ok(());
        }
        let detail = "the ticket for a terminal is unknown, used or expired, or belongs to another session\n  request \
                      another one with POST /api/v1/terminals";
        Err(Problem { substatus: 2, ..Problem::new(403, "ticket-invalid", detail) })
    }

    /// Starts a terminal; returns its number and the socket of its shell.
    pub(crate) fn start(self: &Arc<Self>, user: TerminalUser) -> Result<(u64, UnixStream), Problem> {
        let source = self.source_for(&user.name)?;
        let mut table = self.table.lock();
        table.require_room(&user.name)?;
        let started = source.start(&user.name, user.from);
        let StartedTerminal { shell, control, process } =
            started.map_err(|error| Problem::new(500, "terminal-failed", error.to_string()))?;
        let failed = |error: std::io::Error| Problem::new(500, "terminal-failed", error.to_string());
        let watched = control.try_clone().map_err(failed)?;
        table.last = table.last.wrapping_add(1);
        let number = table.last;
        let terminals = Arc::clone(self);
        let owner = user.clone();
        let watch = move || terminals.watch(number, &owner, watched, process);
        std::thread::Builder::new().name(format!("terminal {number}")).spawn(watch).map_err(failed)?;
        table.open.insert(number, OpenTerminal { user, control });
        Ok((number, shell))
    }

    /// Prolongs the session after input, until the terminal ends.
    fn watch(&self, number: u64, user: &TerminalUser, mut control: UnixStream, process: Option<Child>) {
        let begun = Instant::now();
        let mut reports = [0; 64];
        loop {
            match control.read(&mut reports) {
                Ok(0) => break,
                Ok(_) => _ = self.sessions.user_of_secret(&user.csrf, true, Instant::now()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if let Some(mut process) = process {
            let _ = process.wait();
        }
        self.table.lock().open.remove(&number);
        let seconds = begun.elapsed().as_secs();
        self.record("END", number, user, &format!("after {seconds} seconds"));
    }

    /// Ends a terminal.
    fn end(&self, number: u64) {
        if let Some(open) = self.table.lock().open.get(&number) {
            let _ = open.control.shutdown(Shutdown::Both);
        }
    }

    /// Ends the terminals whose user does not fulfil a condition any more.
    pub(crate) fn end_unless(&self, is_permitted: impl Fn(&TerminalUser) -> bool) {
        // The condition may take a while, and must not hold the lock.
        let open: Vec<_> =
            self.table.lock().open.iter().map(|(number, open)| (*number, open.user.clone())).collect();
        for (number, user) in open {
            if !is_permitted(&user) {
                self.end(number);
            }
        }
    }

    /// Returns whether a terminal is open.
    pub(crate) fn is_any_open(&self) -> bool {
        !self.table.lock().open.is_empty()
    }

    /// Appends the start or end of a terminal to the audit log.
    pub(crate) fn record(&self, action: &str, number: u64, user: &TerminalUser, detail: &str) {
        self.audit.append(&AuditRecord {
            time: Timestamp::now(),
            user: user.name.clone(),
            from: user.from,
            credential: user.credential.clone(),
            action: action.to_owned(),
            object: format!("/terminals/{number}"),
            status: 200,
            result: AuditResult::Done,
            detail: detail.to_owned(),
        });
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for open in self.open.values() {
            let _ = open.control.shutdown(Shutdown::Both);
        }
    }
}

impl Table {
    /// Refuses a further terminal above the limits.
    fn require_room(&self, user: &str) -> Result<(), Problem> {
        let own = self.open.values().filter(|open| open.user.name == user).count();
        if own >= MAX_OF_USER || self.open.len() >= MAX_OPEN {
            let detail = format!(
                "{own} terminals of this user are open, of {MAX_OF_USER}, and {} of all users, of {MAX_OPEN}; close one",
                self.open.len()
            );
            return Err(Problem::new(503, "busy", detail));
        }
        Ok(())
    }
}

/// Time for which a ticket is valid.
pub(crate) const TICKET_TIME: Duration = Duration::from_secs(30);
/// Open terminals of one user, and their tickets.
pub(crate) const MAX_OF_USER: usize = 4;
/// Open terminals of all users.
const MAX_OPEN: usize = 16;
const MAX_TICKETS: usize = 64;
