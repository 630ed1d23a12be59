//! Policy files in TOML: settings by name, and a table `[Policy]` for policies that do not correspond to settings.
//!
//! ```toml
//! Service.Auth.Basic = false
//! Client.TrustedHosts = "*.example.com"
//!
//! [Policy]
//! AllowAutoConfig = true
//! SubscriptionManager = ["Server=https://collector.example.com:5986/wsman/SubscriptionManager/WEC,Refresh=60"]
//! ```

use std::path::Path;

use toml_edit::{Document, Item, TableLike};

use super::table::{AUTO_CONFIG, PolicyKind, REMOTE_ACCESS};
use super::{
    FilePosition, LocatedPolicyError, OrderedValue, Origin, Policy, PolicyError, PolicyTarget, PolicyValue,
};
use crate::schema::most_similar;
use crate::toml_text::{line, scalar, shown};
use crate::value::{excerpt, malformed};
use crate::{FileError, Mutability, Reason, Setting, SettingError};

/// Key of the table for policies that do not correspond to settings.
const POLICY: &str = "Policy";

/// Parses a file; `file` is its index in the reading order.
pub(super) fn read(text: &str, file: usize, path: &Path) -> Result<Vec<OrderedValue>, LocatedPolicyError> {
    let mut reading = Reading { text, file, path, found: Vec::new() };
    let document = Document::parse(text).map_err(|error| {
        let syntax = FileError::Syntax(error.message().replace('\n', ", "));
        reading.wrong(line(text, error.span()), PolicyError::File(syntax))
    })?;
    reading.table(document.as_table(), "")?;
    Ok(reading.found)
}

struct Reading<'t> {
    text: &'t str,
    file: usize,
    path: &'t Path,
    found: Vec<OrderedValue>,
}

impl Reading<'_> {
    fn table(&mut self, table: &dyn TableLike, folder: &str) -> Result<(), LocatedPolicyError> {
        for (name, item) in table.iter() {
            let span = table.get_key_value(name).and_then(|(key, _)| key.span()).or_else(|| item.span());
            let line = line(self.text, span);
            let path = format!("{folder}{name}");
            match item.as_table_like() {
                Some(inner) if folder.is_empty() && name.eq_ignore_ascii_case(POLICY) => {
                    self.policies(inner)?;
                }
                Some(inner) if path.split('/').count() < MAX_DEPTH => {
                    self.table(inner, &format!("{path}/"))?;
                }
                _ => {
                    let entry = self.setting(&path, item, line);
                    let entry = entry.map_err(|error| self.wrong(line, PolicyError::Setting(error)))?;
                    self.add(entry, line)?;
                }
            }
        }
        Ok(())
    }

    fn setting(&self, path: &str, item: &Item, line: usize) -> Result<PolicyValue, SettingError> {
        let setting = Setting::find(path)?;
        if setting.mutability() == Mutability::Deprecated {
            return Err(setting.error(Reason::Deprecated));
        }
        let value = scalar(item).map_err(|reason| setting.error(reason))?;
        let (target, value) = (PolicyTarget::Setting(setting), setting.normalize(&value)?);
        Ok(PolicyValue { target, value, policy: None, origin: self.origin(line) })
    }

    fn policies(&mut self, table: &dyn TableLike) -> Result<(), LocatedPolicyError> {
        for (name, item) in table.iter() {
            let span = table.get_key_value(name).and_then(|(key, _)| key.span()).or_else(|| item.span());
            let line = line(self.text, span);
            for entry in self
                .policy(name, item, line)
                .map_err(|error| self.wrong(line, PolicyError::Setting(error)))?
            {
                self.add(entry, line)?;
            }
        }
        Ok(())
    }

    fn policy(&self, name: &str, item: &Item, line: usize) -> Result<Vec<PolicyValue>, SettingError> {
        let Some(policy) = Policy::find(name) else { return Err(policy_error(name, unknown(name))) };
        let new = |item: String, value: String| PolicyValue {
            target: PolicyTarget::Policy { policy, item },
            value,
            policy: Some(policy),
            origin: self.origin(line),
        };
        match policy.kind() {
            PolicyKind::AutoConfig => {
                let own = new(String::new(), switch(name, item)?);
                let access = PolicyValue {
                    target: PolicyTarget::Setting(Setting::find(REMOTE_ACCESS)?),
                    ..own.clone()
                };
                Ok(vec![own, access])
            }
            PolicyKind::Flag { .. } => Ok(vec![new(String::new(), switch(name, item)?)]),
            PolicyKind::List { .. } => {
                let texts = texts(item).ok_or_else(|| {
                    policy_error(name, malformed(&shown(item), "a list of quoted strings, such as [\"…\"]"))
                })?;
                Ok(texts.into_iter().zip(1..).map(|(text, number)| new(number.to_string(), text)).collect())
            }
            PolicyKind::Switch { setting, .. }
            | PolicyKind::Number { setting, .. }
            | PolicyKind::Text { setting, .. } => {
                // A setting has only one name in a file.
                Err(policy_error(name, Reason::Unknown { nearest: Some((*setting).to_owned()) }))
            }
        }
    }

    fn add(&mut self, entry: PolicyValue, line: usize) -> Result<(), LocatedPolicyError> {
        // The name of a setting may be spelled in several ways, and AllowAutoConfig also sets a setting.
        if self.found.iter().any(|held| held.entry.target == entry.target) {
            let error = SettingError { path: entry.target.to_string(), reason: Reason::Repeated };
            return Err(self.wrong(line, PolicyError::Setting(error)));
        }
        self.found.push(OrderedValue { file: self.file, entry });
        Ok(())
    }

    fn origin(&self, line: usize) -> Origin {
        Origin { file: self.path.to_owned(), position: FilePosition::Line(line) }
    }

    fn wrong(&self, line: usize, error: PolicyError) -> LocatedPolicyError {
        LocatedPolicyError::new(self.origin(line), error)
    }
}

/// Deeper tables than this cannot contain settings.
const MAX_DEPTH: usize = 8;

fn switch(name: &str, item: &Item) -> Result<String, SettingError> {
    match scalar(item).as_deref() {
        Ok(text @ ("true" | "false")) => Ok(text.to_owned()),
        _ => Err(policy_error(name, malformed(&shown(item), "true or false"))),
    }
}

fn texts(item: &Item) -> Option<Vec<String>> {
    item.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

fn policy_error(name: &str, reason: Reason) -> SettingError {
    SettingError { path: format!("{POLICY}/{}", excerpt(name)), reason }
}

fn unknown(name: &str) -> Reason {
    let names = Policy::all().iter().filter(|policy| policy.settings().next().is_none());
    let names = names.map(Policy::name).chain([AUTO_CONFIG]);
    Reason::Unknown { nearest: most_similar(names, name).map(|own| format!("{POLICY}/{own}")) }
}
