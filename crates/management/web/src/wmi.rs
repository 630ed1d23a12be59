//! Access to WMI of this machine, with limits for every request and user.

mod cursors;
mod form;
mod input;
mod pages;

use std::sync::Arc;
use std::time::Duration;

use cim::Namespace;
use limits::{Capacity, KeyedLimit, Permit};
use locks::Mutex;
use management::Role;
use sddl::{DomainSid, Token, well_known};
use wmi::{Context, Engine};

use self::pages::OpenQuery;
use crate::caller::Caller;
use crate::problem::Problem;

pub(crate) use self::cursors::Cursors;
pub(crate) use self::form::{class_entry, class_form, date_form, instance_form};
pub(crate) use self::input::method_input;
pub(crate) use self::pages::{PageRequest, Results, USUAL_ROWS};

/// WMI of this machine.
///
/// Implementers return the engine with all providers. The web crate admits callers, and bounds rows, bytes, time and
/// the number of queries.
pub trait LocalWmi: Send + Sync {
    /// Returns the current engine. The first call may block while the engine is created.
    ///
    /// # Errors
    /// The reason why the engine cannot be created.
    fn engine(&self) -> Result<Engine, wmi::Error>;

    /// Returns the SID of this machine, to which relative names in security descriptors refer.
    fn machine_sid(&self) -> DomainSid;
}

/// WMI of this machine, and the queries of the users.
pub(crate) struct Wmi {
    source: Option<Arc<dyn LocalWmi>>,
    running: KeyedLimit<String>,
    cursors: Mutex<Cursors<OpenQuery>>,
}

/// Engine, and the rights of one caller.
pub(crate) struct Access<'w> {
    wmi: &'w Wmi,
    pub(crate) engine: Engine,
    pub(crate) context: Context,
    user: String,
    _permit: Permit<String>,
}

impl Wmi {
    pub(crate) fn new(source: Option<Arc<dyn LocalWmi>>) -> Self {
        Self { source, running: KeyedLimit::new(), cursors: Mutex::default() }
    }

    /// Admits a request of a caller, who has the rights of Administrators or of Authenticated Users in namespaces.
    pub(crate) fn admit(&self, caller: &Caller) -> Result<Access<'_>, Problem> {
        let missing = "this service does not read WMI of the machine";
        let source = self.source.as_ref().ok_or_else(|| Problem::new(404, "no-wmi", missing))?;
        let user = caller.name.clone();
        let permit = self.running.acquire(user.clone(), RUNNING).map_err(|_| {
            let detail = format!(
                "{} WMI requests of this user are running, or {} of all users; retry in a moment",
                RUNNING.per_key, RUNNING.total
            );
            Problem::new(503, "busy", detail)
        })?;
        let engine = source.engine()?;
        let context =
            Context::local(user.as_str(), token(caller.role, source.machine_sid())).within(DEADLINE);
        Ok(Access { wmi: self, engine, context, user, _permit: permit })
    }

    /// Ends queries whose next page was not requested in time.
    pub(crate) fn drop_expired(&self) {
        self.cursors.lock().drop_expired();
    }
}

/// Returns a namespace of a path or body.
pub(crate) fn namespace(text: &str) -> Result<Namespace, Problem> {
    Ok(Namespace::parse(text)?)
}

/// Returns the token by which namespaces decide about a role.
fn token(role: Role, machine: DomainSid) -> Token {
    let groups = [well_known::AUTHENTICATED_USERS, well_known::EVERYONE];
    match role {
        Role::Administrator => Token::new(well_known::ADMINISTRATORS, groups, machine),
        _ => Token::new(well_known::AUTHENTICATED_USERS, groups, machine),
    }
}

/// Requests of one user that run at the same time, and of all users.
const RUNNING: Capacity = Capacity { per_key: 4, total: 16 };
/// Time after which providers need not answer.
const DEADLINE: Duration = Duration::from_secs(60);
