//! Other machines that users administer: addresses and trusted certificates, without passwords.

use std::collections::BTreeMap;
use std::path::PathBuf;

use locks::Mutex;
use serde_json::{Value, json};

use crate::ManagementError;
use crate::store::{read_json, write_json};

/// A machine that a user has added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedMachine {
    /// Random identifier.
    pub id: String,
    /// Name in lists.
    pub name: String,
    /// URL of its WS-Management service.
    pub url: String,
    /// Name of the user's account on the machine.
    pub account: String,
    /// SHA-256 thumbprint of a certificate that the user trusts, in hexadecimal digits; `None` if an authority must
    /// vouch for the certificate.
    pub thumbprint: Option<String>,
}

impl SavedMachine {
    fn parse(value: &Value) -> Option<Self> {
        let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            id: text("id")?,
            name: text("name")?,
            url: text("url")?,
            account: text("account")?,
            thumbprint: text("thumbprint"),
        })
    }

    fn to_json(&self) -> Value {
        let Self { id, name, url, account, thumbprint } = self;
        json!({ "id": id, "name": name, "url": url, "account": account, "thumbprint": thumbprint })
    }
}

/// Machines of all users. A user sees only the own ones.
#[derive(Debug)]
pub struct SavedMachines {
    path: PathBuf,
    lists: Mutex<Lists>,
}

/// Machines by user.
type Lists = BTreeMap<String, Vec<SavedMachine>>;

impl SavedMachines {
    /// Opens the file of the machines, which need not exist.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be read or is malformed.
    pub fn open(path: PathBuf) -> Result<Self, ManagementError> {
        let mut lists = Lists::new();
        if let Some(Value::Object(users)) = read_json(&path)? {
            for (user, list) in users.iter().take(MAX_USERS) {
                let list = list.as_array().into_iter().flatten().take(MAX_MACHINES);
                let list = list.map(SavedMachine::parse).collect::<Option<_>>();
                let problem = format!("{user}: expected machines with id, name, url and account");
                let list = list.ok_or_else(|| ManagementError::Content { path: path.clone(), problem })?;
                lists.insert(user.clone(), list);
            }
        }
        Ok(Self { path, lists: Mutex::new(lists) })
    }

    /// Returns the machines of a user, in the order in which they were added.
    #[must_use]
    pub fn list(&self, user: &str) -> Vec<SavedMachine> {
        self.lists.lock().get(user).cloned().unwrap_or_default()
    }

    /// Returns a machine of a user.
    ///
    /// # Errors
    /// [`ManagementError::NotFound`] if the user has no machine with this identifier.
    pub fn find(&self, user: &str, id: &str) -> Result<SavedMachine, ManagementError> {
        let found =
            self.lists.lock().get(user).and_then(|list| list.iter().find(|one| one.id == id).cloned());
        found.ok_or_else(|| not_found(id))
    }

    /// Adds a machine, and assigns its identifier.
    ///
    /// # Errors
    /// [`ManagementError::TooMany`] if the user has 50 machines; [`ManagementError::Invalid`] if the user has one with
    /// this name; another error if the file cannot be written.
    pub fn add(&self, user: &str, machine: SavedMachine) -> Result<SavedMachine, ManagementError> {
        let machine = SavedMachine { id: random::uuid().to_string().replace('-', ""), ..machine };
        let added = machine.clone();
        self.change(user, |list| {
            if list.len() >= MAX_MACHINES {
                return Err(ManagementError::TooMany { kind: "machines", limit: MAX_MACHINES });
            }
            if list.iter().any(|one| one.name.eq_ignore_ascii_case(&machine.name)) {
                return Err(ManagementError::Invalid(format!("name: there is a machine {}", machine.name)));
            }
            list.push(machine);
            Ok(())
        })?;
        Ok(added)
    }

    /// Trusts a certificate of a machine. Returns the machine.
    ///
    /// # Errors
    /// [`ManagementError::NotFound`] if the user has no machine with this identifier; another error if the file cannot
    /// be written.
    pub fn trust(&self, user: &str, id: &str, thumbprint: String) -> Result<SavedMachine, ManagementError> {
        self.change(user, |list| {
            let machine = list.iter_mut().find(|one| one.id == id).ok_or_else(|| not_found(id))?;
            machine.thumbprint = Some(thumbprint);
            Ok(machine.clone())
        })
    }

    /// Removes a machine.
    ///
    /// # Errors
    /// [`ManagementError::NotFound`] if the user has no machine with this identifier; another error if the file cannot
    /// be written.
    pub fn remove(&self, user: &str, id: &str) -> Result<SavedMachine, ManagementError> {
        self.change(user, |list| {
            let position = list.iter().position(|one| one.id == id).ok_or_else(|| not_found(id))?;
            Ok(list.remove(position))
        })
    }

    /// Removes the machines of a deleted user.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be written.
    pub fn forget(&self, user: &str) -> Result<(), ManagementError> {
        let is_known = self.lists.lock().contains_key(user);
        if !is_known {
            return Ok(());
        }
        self.change(user, |list| {
            list.clear();
            Ok(())
        })
    }

    fn change<T>(
        &self,
        user: &str,
        change: impl FnOnce(&mut Vec<SavedMachine>) -> Result<T, ManagementError>,
    ) -> Result<T, ManagementError> {
        let mut lists = self.lists.lock();
        let mut changed = lists.clone();
        if changed.len() >= MAX_USERS && !changed.contains_key(user) {
            return Err(ManagementError::TooMany { kind: "users with machines", limit: MAX_USERS });
        }
        let result = change(changed.entry(user.to_owned()).or_default())?;
        changed.retain(|_, list| !list.is_empty());
        let content = changed.iter().map(|(user, list)| {
            (user.clone(), Value::Array(list.iter().map(SavedMachine::to_json).collect()))
        });
        write_json(&self.path, &Value::Object(content.collect()))?;
        *lists = changed;
        Ok(result)
    }
}

fn not_found(id: &str) -> ManagementError {
    ManagementError::NotFound { kind: "machine", name: id.chars().take(64).collect() }
}

const MAX_USERS: usize = 1_000;
/// Machines of one user.
const MAX_MACHINES: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str) -> SavedMachine {
        SavedMachine {
            id: String::new(),
            name: name.to_owned(),
            url: format!("https://{name}:5986/wsman"),
            account: "ann".to_owned(),
            thumbprint: None,
        }
    }

    #[test]
    fn machines_belong_to_their_user_and_are_kept_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("machines.json");
        let machines = SavedMachines::open(path.clone()).unwrap();
        let web1 = machines.add("ada", machine("web1")).unwrap();
        assert!(machines.add("ada", machine("WEB1")).is_err());
        machines.add("bob", machine("web1")).unwrap();
        assert!(machines.find("bob", &web1.id).is_err() && machines.remove("bob", &web1.id).is_err());
        machines.trust("ada", &web1.id, "AB".to_owned()).unwrap();
        let read = SavedMachines::open(path).unwrap();
        assert_eq!(read.find("ada", &web1.id).unwrap().thumbprint.as_deref(), Some("AB"));
        read.forget("bob").unwrap();
        assert!(read.list("bob").is_empty() && read.list("ada").len() == 1);
        read.remove("ada", &web1.id).unwrap();
        assert!(read.list("ada").is_empty());
    }

    #[test]
    fn the_machines_of_a_user_are_limited() {
        let folder = tempfile::tempdir().unwrap();
        let machines = SavedMachines::open(folder.path().join("machines.json")).unwrap();
        for number in 0..MAX_MACHINES {
            machines.add("ada", machine(&format!("web{number}"))).unwrap();
        }
        assert!(matches!(machines.add("ada", machine("one")), Err(ManagementError::TooMany { .. })));
    }
}
