//! Permissions: the sites and applications that a manager user may administer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use locks::Mutex;
use serde_json::{Value, json};

use crate::ManagementError;
use crate::store::{read_json, write_json};
use crate::system_accounts::is_system_user;

/// Rights of a user on the whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Access to the user's own sites only.
    Delegated,
    /// Reads everything but users and secrets.
    Viewer,
    /// Reads like a viewer, and starts, stops and reloads web servers.
    Operator,
    /// Full access.
    Administrator,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delegated => "delegated",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        })
    }
}

impl FromStr for Role {
    type Err = ManagementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let roles = [Self::Delegated, Self::Viewer, Self::Operator, Self::Administrator];
        roles.into_iter().find(|role| role.to_string() == text).ok_or_else(|| {
            ManagementError::Invalid(format!(
                "\"{}\" is not a role; expected delegated, viewer, operator or administrator",
                text.escape_debug()
            ))
        })
    }
}

/// A site, or an application in a site: `/Site` or `/Site/app`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteScope(
    /// INVARIANT: begins with `/`, has one to eight parts of 1 to 128 characters without control characters, none of
    /// them `.` or `..`.
    String,
);

impl SiteScope {
    /// Returns the scope of a site; `None` if the name cannot be part of a scope.
    #[must_use]
    pub fn of_site(site: &str) -> Option<Self> {
        if site.contains('/') { None } else { format!("/{site}").parse().ok() }
    }

    /// Returns the scope as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether another scope is this one or part of it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for SiteScope {
    type Err = ManagementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.strip_prefix('/').unwrap_or_default().split('/').collect();
        let is_valid = parts.len() <= 8
            && parts.iter().all(|part| {
                let is_short = !part.is_empty() && part.len() <= 128;
                is_short && *part != "." && *part != ".." && !part.chars().any(char::is_control)
            });
        is_valid.then(|| Self(text.to_owned())).ok_or_else(|| {
            ManagementError::Invalid(format!(
                "\"{}\" is not a scope; expected /SITE or /SITE/APPLICATION",
                text.escape_debug()
            ))
        })
    }
}

/// A right that is given to one user, in addition to a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Administers a site or application.
    Site(SiteScope),
    /// Opens terminals: a shell of the operating system. No role includes this right.
    Terminal,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Site(scope) => scope.as_str(),
            Self::Terminal => TERMINAL,
        })
    }
}

impl FromStr for Grant {
    type Err = ManagementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == TERMINAL { Ok(Self::Terminal) } else { text.parse().map(Self::Site) }
    }
}

/// Text of [`Grant::Terminal`]; scopes begin with a slash.
const TERMINAL: &str = "terminal";

/// Roles and scopes of all users; users without an entry have no access to any site.
#[derive(Debug)]
pub struct Permissions {
    path: PathBuf,
    entries: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    role: Option<Role>,
    scopes: BTreeSet<SiteScope>,
    may_open_terminals: bool,
}

impl Entry {
    /// Returns everything that the user was given, as text.
    fn grants(&self) -> Vec<String> {
        let terminal = self.may_open_terminals.then(|| TERMINAL.to_owned());
        self.scopes.iter().map(|scope| scope.as_str().to_owned()).chain(terminal).collect()
    }

    /// Parses the entry of a user in the file.
    fn parse(value: &Value) -> Result<Self, ManagementError> {
        let role = value.get("role").and_then(Value::as_str).map(str::parse).transpose()?;
        let scopes = value.get("scopes").and_then(Value::as_array).into_iter().flatten();
        let scopes = scopes.filter_map(Value::as_str).map(str::parse).collect::<Result<_, _>>()?;
        let may_open_terminals = value.get(TERMINAL).and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { role, scopes, may_open_terminals })
    }
}

impl Permissions {
    /// Opens the file of the permissions, which need not exist.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be read or is malformed.
    pub fn open(path: PathBuf) -> Result<Self, ManagementError> {
        let mut entries = BTreeMap::new();
        if let Some(Value::Object(users)) = read_json(&path)? {
            for (user, value) in users.iter().take(MAX_USERS) {
                let entry = Entry::parse(value).map_err(|problem| ManagementError::Content {
                    path: path.clone(),
                    problem: format!("{user}: {problem}"),
                })?;
                entries.insert(key_of(user), entry);
            }
        }
        Ok(Self { path, entries: Mutex::new(entries) })
    }

    /// Returns the role that was given to a user in addition to that of the account file.
    #[must_use]
    pub fn role(&self, user: &str) -> Role {
        self.entries.lock().get(&key_of(user)).and_then(|entry| entry.role).unwrap_or(Role::Delegated)
    }

    /// Returns whether a user may administer a site or application, itself or through its parent.
    #[must_use]
    pub fn is_granted(&self, user: &str, scope: &SiteScope) -> bool {
        let entries = self.entries.lock();
        entries.get(&key_of(user)).is_some_and(|entry| entry.scopes.iter().any(|own| own.contains(scope)))
    }

    /// Returns the scopes of a user.
    #[must_use]
    pub fn scopes(&self, user: &str) -> Vec<SiteScope> {
        let entries = self.entries.lock();
        entries.get(&key_of(user)).map(|entry| entry.scopes.iter().cloned().collect()).unwrap_or_default()
    }

    /// Returns everything that a user was given, as text.
    #[must_use]
    pub fn grants(&self, user: &str) -> Vec<String> {
        self.entries.lock().get(&key_of(user)).map(Entry::grants).unwrap_or_default()
    }

    /// Returns whether a user may open terminals.
    #[must_use]
    pub fn may_open_terminals(&self, user: &str) -> bool {
        self.entries.lock().get(&key_of(user)).is_some_and(|entry| entry.may_open_terminals)
    }

    /// Returns all users with their grants, in alphabetical order.
    #[must_use]
    pub fn list(&self) -> Vec<(String, Role, Vec<String>)> {
        let entries = self.entries.lock();
        entries
            .iter()
            .map(|(user, entry)| (user.clone(), entry.role.unwrap_or(Role::Delegated), entry.grants()))
            .collect()
    }

    /// Gives a user a role.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be written.
    pub fn set_role(&self, user: &str, role: Role) -> Result<(), ManagementError> {
        self.change(user, |entry| {
            entry.role = (role != Role::Delegated).then_some(role);
            Ok(())
        })
    }

    /// Gives a right to a user.
    ///
    /// # Errors
    /// [`ManagementError`] if the user has 1000 scopes, or the file cannot be written.
    pub fn allow(&self, user: &str, grant: Grant) -> Result<(), ManagementError> {
        self.change(user, |entry| {
            match grant {
                Grant::Site(_) if entry.scopes.len() >= MAX_SCOPES => {
                    return Err(ManagementError::TooMany { kind: "scopes", limit: MAX_SCOPES });
                }
                Grant::Site(scope) => _ = entry.scopes.insert(scope),
                Grant::Terminal => entry.may_open_terminals = true,
            }
            Ok(())
        })
    }

    /// Takes a right from a user.
    ///
    /// # Errors
    /// [`ManagementError::NotFound`] if the user does not have the right; another error if the file cannot be written.
    pub fn remove(&self, user: &str, grant: &Grant) -> Result<(), ManagementError> {
        self.change(user, |entry| {
            let was_given = match grant {
                Grant::Site(scope) => entry.scopes.remove(scope),
                Grant::Terminal => std::mem::take(&mut entry.may_open_terminals),
            };
            was_given.then_some(()).ok_or_else(|| ManagementError::NotFound {
                kind: "permission",
                name: format!("{user} on {grant}"),
            })
        })
    }

    /// Removes everything that a deleted user was allowed.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be written.
    pub fn forget(&self, user: &str) -> Result<(), ManagementError> {
        self.change(user, |entry| {
            *entry = Entry::default();
            Ok(())
        })
    }

    fn change(
        &self,
        user: &str,
        change: impl FnOnce(&mut Entry) -> Result<(), ManagementError>,
    ) -> Result<(), ManagementError> {
        let mut entries = self.entries.lock();
        let mut changed = entries.clone();
        if changed.len() >= MAX_USERS && !changed.contains_key(&key_of(user)) {
            return Err(ManagementError::TooMany { kind: "users with permissions", limit: MAX_USERS });
        }
        change(changed.entry(key_of(user)).or_default())?;
        changed
            .retain(|_, entry| entry.role.is_some() || !entry.scopes.is_empty() || entry.may_open_terminals);
        let content: serde_json::Map<String, Value> = changed
            .iter()
            .map(|(user, entry)| {
                let scopes: Vec<&str> = entry.scopes.iter().map(SiteScope::as_str).collect();
                let role = entry.role.map(|role| role.to_string());
                let mut value = json!({ "role": role, "scopes": scopes });
                if entry.may_open_terminals
                    && let Some(members) = value.as_object_mut()
                {
                    members.insert(TERMINAL.to_owned(), Value::Bool(true));
                }
                (user.clone(), value)
            })
            .collect();
        write_json(&self.path, &Value::Object(content))?;
        *entries = changed;
        Ok(())
    }
}

/// Names of manager users are not case-sensitive, but those of the operating system are.
fn key_of(user: &str) -> String {
    if is_system_user(user) { user.to_owned() } else { user.to_lowercase() }
}

const MAX_USERS: usize = 10_000;
const MAX_SCOPES: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_contain_their_applications_only() {
        let scope = |text: &str| text.parse::<SiteScope>().unwrap();
        assert!(scope("/shop").contains(&scope("/shop")) && scope("/shop").contains(&scope("/shop/api")));
        assert!(!scope("/shop").contains(&scope("/shop2")) && !scope("/shop/api").contains(&scope("/shop")));
        for text in ["", "/", "shop", "/shop/", "/shop/..", "//x", "/a\nb"] {
            assert!(text.parse::<SiteScope>().is_err(), "{text}");
        }
    }

    #[test]
    fn permissions_are_denied_by_default_and_kept_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("permissions.json");
        let shop: SiteScope = "/shop".parse().unwrap();
        let permissions = Permissions::open(path.clone()).unwrap();
        assert!(!permissions.is_granted("ada", &shop));
        permissions.allow("Ada", Grant::Site(shop.clone())).unwrap();
        permissions.set_role("bob", Role::Viewer).unwrap();
        permissions.set_role("root", Role::Administrator).unwrap();
        permissions.allow(".\\eve", "terminal".parse().unwrap()).unwrap();
        let read = Permissions::open(path).unwrap();
        // No role includes terminals.
        assert!(read.may_open_terminals(".\\eve") && !read.may_open_terminals("root"));
        assert_eq!(read.grants(".\\eve"), ["terminal"]);
        read.remove(".\\eve", &Grant::Terminal).unwrap();
        assert!(!read.may_open_terminals(".\\eve") && read.remove(".\\eve", &Grant::Terminal).is_err());
        assert!(read.is_granted("ada", &shop) && read.is_granted("ada", &"/shop/api".parse().unwrap()));
        assert_eq!((read.role("ada"), read.role("BOB")), (Role::Delegated, Role::Viewer));
        read.forget("ada").unwrap();
        assert!(!read.is_granted("ada", &shop));
        assert!(read.remove("ada", &Grant::Site(shop)).is_err());
    }
}
