//! Deployment rules: the files of sites that users without the role of an administrator may read and replace.
//!
//! The model is that of the delegation rules of Web Deploy for the provider `contentPath`. Without a matching rule,
//! nothing is permitted; administrators need none.

use std::path::{Path, PathBuf};

use locks::Mutex;
use serde_json::{Value, json};

use crate::ManagementError;
use crate::store::{read_json, write_json};

/// Action that a rule permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentAction {
    /// List deployments and preview one.
    Read,
    /// Add, replace and remove files, and roll back.
    Write,
}

/// Comparison of the path of a file with the path of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathType {
    /// The file is this one, or below this folder.
    PathPrefix,
    /// The path of the file begins with this text.
    StringPrefix,
    /// The path of the file ends with this text.
    StringSuffix,
}

/// A deployment rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRule {
    /// Names of users; `*` for all.
    pub users: Vec<String>,
    /// Permitted actions.
    pub actions: Vec<DeploymentAction>,
    /// Path, with `{userScope}` for the folder of the site and `{userName}` for the name of the user.
    pub path: String,
    /// Comparison with the path.
    pub path_type: PathType,
    /// A rule that is not enabled permits nothing.
    pub is_enabled: bool,
}

impl DeploymentRule {
    /// Parses a rule.
    ///
    /// # Errors
    /// [`ManagementError::Invalid`] with the member and the expected values.
    pub fn from_json(value: &Value) -> Result<Self, ManagementError> {
        let members = value.as_object().ok_or_else(|| invalid("a rule is not a JSON object"))?;
        let known = ["users", "actions", "path", "pathType", "enabled"];
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            let name = name.escape_debug();
            return Err(invalid(format!(
                "unknown member \"{name}\" of a rule; expected {}",
                known.join(", ")
            )));
        }
        let users = texts(value, "users")?;
        if users.is_empty() || users.iter().any(|user| user.is_empty() || user.len() > MAX_TEXT) {
            return Err(invalid("users: expected a list of user names, or [\"*\"]"));
        }
        let actions =
            texts(value, "actions")?.iter().map(|text| parse_action(text)).collect::<Result<Vec<_>, _>>()?;
        let path = value.get("path").and_then(Value::as_str).unwrap_or("{userScope}");
        if path.is_empty() || path.len() > MAX_TEXT || path.chars().any(char::is_control) {
            return Err(invalid("path: expected a path of at most 1,024 bytes, such as {userScope}"));
        }
        let path_type = match value.get("pathType").and_then(Value::as_str) {
            None | Some("PathPrefix") => PathType::PathPrefix,
            Some("StringPrefix") => PathType::StringPrefix,
            Some("StringSuffix") => PathType::StringSuffix,
            Some(_) => return Err(invalid("pathType: expected PathPrefix, StringPrefix or StringSuffix")),
        };
        let is_enabled = match value.get("enabled") {
            None => true,
            Some(Value::Bool(is_enabled)) => *is_enabled,
            Some(_) => return Err(invalid("enabled: expected true or false")),
        };
        Ok(Self { users, actions, path: path.to_owned(), path_type, is_enabled })
    }

    /// Returns the rule as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let actions: Vec<&str> = self.actions.iter().map(|action| action.name()).collect();
        json!({
            "users": self.users,
            "actions": actions,
            "path": self.path,
            "pathType": self.path_type.name(),
            "enabled": self.is_enabled,
        })
    }

    fn is_for(&self, user: &str, action: DeploymentAction) -> bool {
        let is_for_user = self.users.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(user));
        self.is_enabled && is_for_user && self.actions.contains(&action)
    }

    fn permits(&self, user: &str, action: DeploymentAction, scope: &Path, file: &Path) -> bool {
        if !self.is_for(user, action) {
            return false;
        }
        let (Some(scope), Some(text)) = (scope.to_str(), file.to_str()) else { return false };
        let path = self.path.replace("{userScope}", scope).replace("{userName}", user);
        match self.path_type {
            PathType::PathPrefix => file.starts_with(&path),
            PathType::StringPrefix => text.starts_with(&path),
            PathType::StringSuffix => text.ends_with(&path),
        }
    }
}

impl DeploymentAction {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
        }
    }
}

impl PathType {
    fn name(self) -> &'static str {
        match self {
            Self::PathPrefix => "PathPrefix",
            Self::StringPrefix => "StringPrefix",
            Self::StringSuffix => "StringSuffix",
        }
    }
}

/// The deployment rules of the service.
#[derive(Debug)]
pub struct DeploymentRules {
    path: PathBuf,
    rules: Mutex<Vec<DeploymentRule>>,
}

impl DeploymentRules {
    /// Opens the file of the rules, which need not exist.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be read or is malformed.
    pub fn open(path: PathBuf) -> Result<Self, ManagementError> {
        let rules = match read_json(&path)? {
            Some(value) => parse(&value).map_err(|error| ManagementError::Content {
                path: path.clone(),
                problem: error.to_string(),
            })?,
            None => Vec::new(),
        };
        Ok(Self { path, rules: Mutex::new(rules) })
    }

    /// Returns the rules.
    #[must_use]
    pub fn list(&self) -> Vec<DeploymentRule> {
        self.rules.lock().clone()
    }

    /// Replaces all rules by a JSON array.
    ///
    /// # Errors
    /// [`ManagementError::Invalid`] for a malformed rule, [`ManagementError::TooMany`], or if the file cannot be written.
    pub fn replace(&self, value: &Value) -> Result<(), ManagementError> {
        let new = parse(value)?;
        let mut rules = self.rules.lock();
        write_json(&self.path, &Value::Array(new.iter().map(DeploymentRule::to_json).collect()))?;
        *rules = new;
        Ok(())
    }

    /// Returns whether a rule permits a user this action on some file.
    #[must_use]
    pub fn permits_any(&self, user: &str, action: DeploymentAction) -> bool {
        self.rules.lock().iter().any(|rule| rule.is_for(user, action))
    }

    /// Returns whether a rule permits a user this action on a file of a site with this folder.
    #[must_use]
    pub fn permits(&self, user: &str, action: DeploymentAction, scope: &Path, file: &Path) -> bool {
        self.rules.lock().iter().any(|rule| rule.permits(user, action, scope, file))
    }
}

fn parse(value: &Value) -> Result<Vec<DeploymentRule>, ManagementError> {
    let list = value.as_array().ok_or_else(|| invalid("the rules are not a JSON array"))?;
    if list.len() > MAX_RULES {
        return Err(ManagementError::TooMany { kind: "deployment rules", limit: MAX_RULES });
    }
    list.iter().map(DeploymentRule::from_json).collect()
}

fn parse_action(text: &str) -> Result<DeploymentAction, ManagementError> {
    match text {
        "Read" => Ok(DeploymentAction::Read),
        "Write" => Ok(DeploymentAction::Write),
        _ => Err(invalid("actions: expected a list of Read and Write")),
    }
}

fn texts(value: &Value, name: &str) -> Result<Vec<String>, ManagementError> {
    let list = value.get(name).and_then(Value::as_array).filter(|list| list.len() <= MAX_ITEMS);
    let list = list.and_then(|list| list.iter().map(|item| item.as_str().map(str::to_owned)).collect());
    list.ok_or_else(|| invalid(format!("{name}: expected a list of at most {MAX_ITEMS} texts")))
}

fn invalid(problem: impl Into<String>) -> ManagementError {
    ManagementError::Invalid(problem.into())
}

const MAX_RULES: usize = 500;
const MAX_ITEMS: usize = 100;
const MAX_TEXT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(value: &Value) -> DeploymentRules {
        let folder = tempfile::tempdir().unwrap();
        let rules = DeploymentRules::open(folder.path().join("rules.json")).unwrap();
        rules.replace(value).unwrap();
        DeploymentRules::open(folder.path().join("rules.json")).unwrap()
    }

    #[test]
    fn only_a_matching_rule_permits_a_file() {
        let scope = Path::new("/srv/shop");
        let permits = |rules: &DeploymentRules, user: &str, action, file: &str| {
            rules.permits(user, action, scope, &scope.join(file))
        };
        let (read, write) = (DeploymentAction::Read, DeploymentAction::Write);
        assert!(!permits(&rules(&json!([])), "alice", read, "a"));
        let prefix =
            rules(&json!([{ "users": ["Alice"], "actions": ["Read", "Write"], "path": "{userScope}/img" }]));
        assert!(permits(&prefix, "alice", write, "img/a.png") && permits(&prefix, "alice", read, "img"));
        assert!(!permits(&prefix, "bob", write, "img/a.png"), "another user");
        assert!(!permits(&prefix, "alice", write, "images/a.png"), "a path is compared by its parts");
        let suffix = rules(&json!([
            { "users": ["*"], "actions": ["Write"], "path": ".html", "pathType": "StringSuffix" },
            { "users": ["*"], "actions": ["Write"], "path": "/srv/{userName}", "pathType": "StringPrefix" },
        ]));
        assert!(permits(&suffix, "bob", write, "a.html") && !permits(&suffix, "bob", read, "a.html"));
        assert!(permits(&suffix, "shop", write, "b.js") && !permits(&suffix, "bob", write, "b.js"));
        let disabled = rules(&json!([{ "users": ["*"], "actions": ["Write"], "enabled": false }]));
        assert!(!permits(&disabled, "bob", write, "a"));
    }

    #[test]
    fn malformed_rules_are_rejected_and_change_nothing() {
        let good = json!([{ "users": ["*"], "actions": ["Read"] }]);
        let rules = rules(&good);
        for (value, expected) in [
            (json!({}), "array"),
            (json!([1]), "object"),
            (json!([{ "users": [], "actions": ["Read"] }]), "users"),
            (json!([{ "users": ["*"], "actions": ["Execute"] }]), "actions"),
            (json!([{ "users": ["*"], "actions": ["Read"], "path": "a\nb" }]), "path"),
            (json!([{ "users": ["*"], "actions": ["Read"], "pathType": "RegularExpression" }]), "pathType"),
            (json!([{ "users": ["*"], "actions": ["Read"], "enabled": 1 }]), "enabled"),
            (json!([{ "users": ["*"], "actions": ["Read"], "runAs": "root" }]), "runAs"),
        ] {
            let error = rules.replace(&value).unwrap_err().to_string();
            assert!(error.contains(expected), "{value}: {error}");
        }
        assert_eq!(rules.list().len(), 1);
    }
}
