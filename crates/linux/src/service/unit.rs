//! Units of systemd, read from its manager over D-Bus.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;

use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant};

use crate::Machine;
use crate::bus::{BusError, Line, Object, Properties, text_in};
use crate::command_line::quoted;

/// Manager of systemd, which knows all units.
pub const MANAGER: Object<'_> = Object {
    service: SYSTEMD,
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};

const SYSTEMD: &str = "org.freedesktop.systemd1";

/// A property of a unit: its interface and name.
pub type Detail = (&'static str, &'static str);

/// Interface of all units.
pub const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// Interface of services.
pub const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// A service, with data from the list of units and details that are read on demand.
#[derive(Debug)]
pub struct Unit {
    /// Name without `.service`.
    pub name: String,
    listed: Option<Listed>,
    details: OnceCell<Option<Properties>>,
}

/// Whether listing includes the states of unit files, which takes systemd long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileStates {
    /// The states are included.
    Wanted,
    /// The states are omitted.
    Unwanted,
}

/// Data of a unit from the lists of units and unit files.
#[derive(Debug, Default)]
struct Listed {
    description: String,
    load: String,
    active: String,
    /// State of the file; `None` if no file has this name.
    file: Option<String>,
}

/// Entry of `ListUnits`: name, description, three states, followed unit, object path, and job.
type ListedUnit =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

impl Unit {
    /// Returns all services, running or not; none if systemd is absent.
    ///
    /// # Errors
    /// [`BusError`] if systemd refused the request or does not answer.
    pub fn all(machine: &Machine, states: FileStates) -> Result<Vec<Self>, BusError> {
        let (any, services): ([&str; 0], [&str; 1]) = ([], ["*.service"]);
        let pattern = (any.as_slice(), services.as_slice());
        let listed = machine.bus().wait(async |bus| {
            let units: Vec<ListedUnit> = MANAGER.ask(&bus, "ListUnitsByPatterns", &pattern).await?;
            let files: Vec<(String, Option<String>)> = match states {
                FileStates::Wanted => {
                    let files: Vec<(String, String)> =
                        MANAGER.ask(&bus, "ListUnitFilesByPatterns", &pattern).await?;
                    files.into_iter().map(|(path, state)| (path, Some(state))).collect()
                }
                FileStates::Unwanted => {
                    let folders = MANAGER.texts(&bus, "UnitPath").await?;
                    files_in(machine, &folders).into_iter().map(|path| (path, None)).collect()
                }
            };
            Ok((units, files))
        });
        let (units, files) = match listed {
            Err(error) if error.is_absent() => return Ok(Vec::new()),
            listed => listed?,
        };
        let mut all = BTreeMap::new();
        for (path, state) in files {
            let file = path.rsplit('/').next().and_then(|file| file.strip_suffix(".service"));
            // Templates are not services without an instance name, and aliases only rename other services.
            let is_alias = state.as_deref() == Some("alias");
            let Some(name) = file.filter(|name| !name.ends_with('@') && !is_alias) else { continue };
            let listed = Listed { load: "unloaded".to_owned(), file: state, ..Listed::default() };
            all.insert(name.to_owned(), listed);
        }
        for (name, description, load, active, ..) in units {
            let Some(name) = name.strip_suffix(".service") else { continue };
            if load == "not-found" {
                continue;
            }
            let listed = all.entry(name.to_owned()).or_default();
            (listed.description, listed.load, listed.active) = (description, load, active);
        }
        Ok(all
            .into_iter()
            .map(|(name, listed)| Self { name, listed: Some(listed), details: OnceCell::new() })
            .collect())
    }

    /// Finds a service by its exact name; `None` if it does not exist.
    ///
    /// # Errors
    /// [`BusError`] if systemd refused the request or does not answer.
    pub fn find(machine: &Machine, name: &str) -> Result<Option<Self>, BusError> {
        if !is_name(name) {
            return Ok(None);
        }
        let unit = Self { name: name.to_owned(), listed: None, details: OnceCell::new() };
        let requested = machine.bus().wait(async |bus| properties(&bus, &unit.path()).await);
        let details = match requested {
            Err(error) if error.is_absent() => return Ok(None),
            requested => requested?,
        };
        // An alias is not a service of its own.
        let is_there = details.text("LoadState").is_some_and(|state| state != "not-found")
            && details.text("Id") == Some(&unit.unit_name());
        if !is_there {
            return Ok(None);
        }
        let _ = unit.details.set(Some(details));
        Ok(Some(unit))
    }

    /// Finds the service with this main process; `None` if systemd does not find it directly.
    ///
    /// # Errors
    /// [`BusError`] if systemd refused the request or does not answer.
    pub fn of_main_process(machine: &Machine, process: u32) -> Result<Option<Self>, BusError> {
        let requested = machine.bus().wait(async |bus| {
            let path: OwnedObjectPath = MANAGER.ask(&bus, "GetUnitByPID", &(process,)).await?;
            properties(&bus, path.as_str()).await
        });
        let details = match requested {
            Err(BusError::Absent(_) | BusError::Refused { .. }) => return Ok(None),
            requested => requested?,
        };
        // systemd also finds units by their other processes.
        if details.number("MainPID") != Some(process.into()) {
            return Ok(None);
        }
        let name = details.text("Id").and_then(|name| name.strip_suffix(".service")).map(str::to_owned);
        Ok(name.map(|name| Self { name, listed: None, details: OnceCell::from(Some(details)) }))
    }

    /// Reads the `wanted` properties of several units in one exchange. Other properties of these units are
    /// unknown afterwards.
    ///
    /// A unit has about four hundred properties, and systemd reads some of them from files of a control
    /// group: reading all takes fifty times as long as reading one. A unit that is not loaded is loaded again
    /// for each question, so all of its properties are read at once.
    ///
    /// # Errors
    /// [`BusError::Silent`] if systemd does not answer. Callers should then not ask for further units: the
    /// details of these are unknown, and each further question would wait again.
    pub fn prefetch(
        machine: &Machine,
        units: &[Self],
        wanted: impl Fn(&Self) -> Vec<Detail>,
    ) -> Result<(), BusError> {
        let unknown: Vec<&Self> = units.iter().filter(|unit| unit.details.get().is_none()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let line = machine.bus().line(&machine.path(MANAGER_SOCKET));
        let requested = line.and_then(|line| match line {
            Some(mut line) => Self::ask_for(&mut line, &unknown, wanted),
            None => Ok(()),
        });
        match requested {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(BusError::Silent(SYSTEMD.to_owned()))
            }
            Err(error) => {
                // Units that are still unknown are asked one by one when a column needs them.
                tracing::debug!(%error, "Some unit properties could not be read");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn ask_for(line: &mut Line, units: &[&Self], wanted: impl Fn(&Self) -> Vec<Detail>) -> io::Result<()> {
        let (loaded, others): (Vec<&Self>, Vec<&Self>) = units.iter().partition(|unit| unit.is_loaded());
        let wanted: Vec<Vec<Detail>> = loaded.iter().map(|unit| wanted(unit)).collect();
        let mut questions = Vec::new();
        for (unit, details) in loaded.iter().zip(&wanted) {
            let path = unit.path();
            for detail in details {
                questions.push(object(&path).question_for(*detail).map_err(io::Error::other)?);
            }
        }
        let mut answers = line.ask::<OwnedVariant>(&questions)?.into_iter();
        for (unit, details) in loaded.iter().zip(&wanted) {
            let found = details.iter().zip(answers.by_ref());
            let found = found.filter_map(|((_, name), value)| Some(((*name).to_owned(), value?)));
            let _ = unit.details.set(Some(found.collect::<HashMap<_, _>>().into()));
        }
        let questions = others.iter().map(|unit| object(&unit.path()).question_for_all());
        let questions = questions.collect::<zbus::Result<Vec<_>>>().map_err(io::Error::other)?;
        for (unit, details) in others.iter().zip(line.ask::<HashMap<String, OwnedVariant>>(&questions)?) {
            let _ = unit.details.set(details.map(Properties::from));
        }
        Ok(())
    }

    /// Returns whether systemd has loaded the unit successfully.
    fn is_loaded(&self) -> bool {
        self.listed.as_ref().is_some_and(|listed| listed.load == "loaded")
    }

    /// Returns the name of the unit with the suffix of its kind.
    pub fn unit_name(&self) -> String {
        format!("{}.service", self.name)
    }

    /// Returns the properties of the unit; `None` if systemd no longer knows it.
    pub fn details(&self, machine: &Machine) -> Option<&Properties> {
        self.details
            .get_or_init(|| machine.bus().wait(async |bus| properties(&bus, &self.path()).await).ok())
            .as_ref()
    }

    /// Returns the description.
    pub fn description(&self, machine: &Machine) -> Option<String> {
        match &self.listed {
            Some(listed) if !listed.description.is_empty() => Some(listed.description.clone()),
            _ => self.details(machine)?.text("Description").map(str::to_owned),
        }
    }

    /// Returns the state: `active`, `inactive`, `failed` or a transition to one of them.
    pub fn active(&self, machine: &Machine) -> &str {
        match &self.listed {
            // Units that are not loaded are inactive.
            Some(listed) if listed.active.is_empty() => "inactive",
            Some(listed) => &listed.active,
            None => self.details(machine).and_then(|details| details.text("ActiveState")).unwrap_or_default(),
        }
    }

    /// Returns the state of the unit file: `enabled`, `disabled`, `static`, `masked` or others (systemctl(1),
    /// is-enabled).
    pub fn file_state(&self, machine: &Machine) -> Option<String> {
        match &self.listed {
            Some(Listed { load, .. }) if load == "masked" => Some("masked".to_owned()),
            Some(Listed { file: Some(state), .. }) => Some(state.clone()),
            _ => {
                let details = self.details(machine)?;
                let state = match details.text("LoadState") {
                    Some("masked") => "masked",
                    _ => details.text("UnitFileState")?,
                };
                Some(state.to_owned())
            }
        }
    }

    /// Returns the command line of the service.
    pub fn command_line(&self, machine: &Machine) -> Option<String> {
        let Variant::Structure(first) = self.details(machine)?.list("ExecStart").first()? else {
            return None;
        };
        let [path, Variant::Array(arguments), ..] = first.fields() else { return None };
        let arguments = arguments.inner().iter().skip(1).map(|argument| match argument {
            Variant::Str(text) => text.as_str(),
            _ => "",
        });
        let words = std::iter::once(text_in(path)?).chain(arguments).map(quoted);
        Some(words.collect::<Vec<_>>().join(" "))
    }

    /// Returns the object path: the name with every byte that is not a letter or digit in hexadecimal
    /// (`sd_bus_path_encode(3)`).
    fn path(&self) -> String {
        let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
        for (place, octet) in self.unit_name().bytes().enumerate() {
            if octet.is_ascii_alphabetic() || (octet.is_ascii_digit() && place > 0) {
                path.push(octet.into());
            } else {
                path.push_str(&format!("_{octet:02x}"));
            }
        }
        path
    }
}

/// A timer, which starts a unit at certain times (systemd.timer(5)).
#[derive(Debug)]
pub struct Timer {
    /// Name with `.timer`.
    pub name: String,
    /// Unit that the timer starts.
    pub starts: Option<String>,
    /// Next start, in microseconds since 1970.
    pub next: Option<i64>,
}

/// Returns all active timers; none if systemd is absent.
///
/// # Errors
/// [`BusError`] if systemd refused the request or does not answer.
pub fn timers(machine: &Machine) -> Result<Vec<Timer>, BusError> {
    let (active, timers): ([&str; 1], [&str; 1]) = (["active"], ["*.timer"]);
    let pattern = (active.as_slice(), timers.as_slice());
    let requested = machine.bus().wait(async |bus| {
        let units: Vec<ListedUnit> = MANAGER.ask(&bus, "ListUnitsByPatterns", &pattern).await?;
        let mut timers = Vec::new();
        for (name, .., path, _, _, _) in units {
            let details = match properties(&bus, path.as_str()).await {
                Ok(details) => details,
                Err(silent @ BusError::Silent(_)) => return Err(silent),
                // The timer was removed in the meantime.
                Err(_) => continue,
            };
            let next = details.number("NextElapseUSecRealtime").filter(|next| (1..u64::MAX).contains(next));
            timers.push(Timer {
                name,
                starts: details.text("Unit").map(str::to_owned),
                next: next.and_then(|next| i64::try_from(next).ok()),
            });
        }
        Ok(timers)
    });
    match requested {
        Err(error) if error.is_absent() => Ok(Vec::new()),
        requested => requested,
    }
}

/// Returns the paths of service files in the folders of systemd, without links that are only aliases.
fn files_in(machine: &Machine, folders: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for folder in folders {
        // Most of these folders do not exist.
        for name in machine.names(folder.trim_start_matches('/')).unwrap_or_default() {
            let Some(name) = name.to_str().filter(|name| name.ends_with(".service")) else { continue };
            // The first folder with a name takes precedence.
            if !seen.insert(name.to_owned()) {
                continue;
            }
            let path = format!("{folder}/{name}");
            let target = std::fs::read_link(machine.path(&path)).ok();
            let is_other_name = target.is_some_and(|target| {
                target != Path::new("/dev/null") && target.file_name().is_some_and(|file| file != name)
            });
            if !is_other_name {
                files.push(path);
            }
        }
    }
    files
}

/// Returns whether a unit can have this name (systemd.unit(5)).
pub fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b":-_.\\@".contains(&octet))
        && !name.ends_with('@')
}

/// Reads all properties of a unit of any kind.
async fn properties(bus: &Connection, path: &str) -> Result<Properties, BusError> {
    object(path).properties(bus).await
}

/// Returns the D-Bus object of a unit of any kind.
fn object(path: &str) -> Object<'_> {
    Object { service: SYSTEMD, path, interface: "" }
}

/// Socket on which root can talk to systemd without a bus, as `systemctl` does.
const MANAGER_SOCKET: &str = "run/systemd/private";

/// Maximum number of units asked together over one connection.
pub const AT_ONCE: usize = 128;

/// Maximum length of a name in bytes: 255 including `.service`.
const LONGEST_NAME: usize = 247;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use super::*;

    #[test]
    fn query_stops_at_a_silent_service() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("bus");
        let bus = UnixListener::bind(&path).expect("a socket");
        let machine = Machine::at(folder.path())
            .with_bus(format!("unix:path={}", path.display()))
            .with_patience(Duration::from_millis(50));
        let units = ["a", "b"].map(|name| Unit {
            name: name.to_owned(),
            listed: Some(Listed { load: "loaded".to_owned(), ..Listed::default() }),
            details: OnceCell::new(),
        });
        let silent = Unit::prefetch(&machine, &units, |_| vec![(UNIT, "Id")]).expect_err("nobody answers");
        assert!(matches!(silent, BusError::Silent(_)), "{silent}");
        bus.set_nonblocking(true).expect("a socket");
        let connected = bus.incoming().take_while(Result::is_ok).count();
        assert_eq!(connected, 1, "it is waited for once");
    }
}
