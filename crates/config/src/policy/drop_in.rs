//! Policies as TOML: the names of settings, and `[Policy]` for what is none.
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

use super::table::{AUTO_CONFIG, REMOTE_ACCESS, Reads};
use super::{Demand, Held, Origin, Place, Policy, PolicyError, Subject, Wrong};
use crate::file::{line, scalar, shown};
use crate::schema::most_similar;
use crate::value::{excerpt, malformed};
use crate::{FileError, Mutability, Reason, Setting, SettingError};

/// The key of the table with policies that are no settings.
const POLICY: &str = "Policy";

/// Reads a file; `file` is its place in the order of all.
pub(super) fn read(text: &str, file: usize, path: &Path) -> Result<Vec<Held>, Wrong> {
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
    found: Vec<Held>,
}

impl Reading<'_> {
    fn table(&mut self, table: &dyn TableLike, folder: &str) -> Result<(), Wrong> {
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
                    let demand = self.setting(&path, item, line);
                    let demand = demand.map_err(|error| self.wrong(line, PolicyError::Setting(error)))?;
                    self.add(demand, line)?;
                }
            }
        }
        Ok(())
    }

    fn setting(&self, path: &str, item: &Item, line: usize) -> Result<Demand, SettingError> {
        let setting = Setting::find(path)?;
        if setting.mutability() == Mutability::Deprecated {
            return Err(setting.error(Reason::Deprecated));
        }
        let value = scalar(item).map_err(|reason| setting.error(reason))?;
        let (subject, value) = (Subject::Setting(setting), setting.normal(&value)?);
        Ok(Demand { subject, value, policy: None, origin: self.origin(line) })
    }

    fn policies(&mut self, table: &dyn TableLike) -> Result<(), Wrong> {
        for (name, item) in table.iter() {
            let span = table.get_key_value(name).and_then(|(key, _)| key.span()).or_else(|| item.span());
            let line = line(self.text, span);
            for demand in self
                .policy(name, item, line)
                .map_err(|error| self.wrong(line, PolicyError::Setting(error)))?
            {
                self.add(demand, line)?;
            }
        }
        Ok(())
    }

    fn policy(&self, name: &str, item: &Item, line: usize) -> Result<Vec<Demand>, SettingError> {
        let path = || format!("{POLICY}/{}", excerpt(name));
        let error = |reason| SettingError { path: path(), reason };
        let policy = Policy::find(name).ok_or_else(|| error(unknown(name)))?;
        let origin = || self.origin(line);
        let own = |item: String, value: String| {
            let subject = Subject::Policy { policy, item };
            Demand { subject, value, policy: Some(policy), origin: origin() }
        };
        let switch = || match scalar(item).as_deref() {
            Ok(text @ ("true" | "false")) => Ok(text.to_owned()),
            _ => Err(error(malformed(&shown(item), "true or false"))),
        };
        match policy.reads() {
            Reads::AutoConfig => {
                let remote = Setting::find(REMOTE_ACCESS)?;
                let (subject, value) = (Subject::Setting(remote), switch()?);
                let access = Demand { subject, value: value.clone(), policy: Some(policy), origin: origin() };
                Ok(vec![own(String::new(), value), access])
            }
            Reads::Nothing { .. } => Ok(vec![own(String::new(), switch()?)]),
            Reads::List { .. } => {
                let wrong = || error(malformed(&shown(item), "a list of texts, such as [\"…\"]"));
                let texts = item.as_array().ok_or_else(wrong)?.iter().map(toml_edit::Value::as_str);
                let texts: Vec<&str> = texts.collect::<Option<_>>().ok_or_else(wrong)?;
                Ok(texts.iter().zip(1..).map(|(text, at)| own(at.to_string(), (*text).to_owned())).collect())
            }
            Reads::Switch { setting, .. } | Reads::Number { setting, .. } | Reads::Text { setting, .. } => {
                // One thing has one name in a file.
                Err(error(Reason::Unknown { nearest: Some((*setting).to_owned()) }))
            }
        }
    }

    fn add(&mut self, demand: Demand, line: usize) -> Result<(), Wrong> {
        // The names of settings may be written in several ways; the policy of remote access is one of two words for it.
        let again = |held: &Held| held.demand.subject == demand.subject;
        if self.found.iter().any(again) {
            let error = SettingError { path: demand.subject.to_string(), reason: Reason::Repeated };
            return Err(self.wrong(line, PolicyError::Setting(error)));
        }
        self.found.push(Held { file: self.file, demand });
        Ok(())
    }

    fn origin(&self, line: usize) -> Origin {
        Origin { file: self.path.to_owned(), place: Place::Line(line) }
    }

    fn wrong(&self, line: usize, error: PolicyError) -> Wrong {
        Wrong::new(self.origin(line), error)
    }
}

/// Deeper tables than those of settings are not walked.
const MAX_DEPTH: usize = 8;

fn unknown(name: &str) -> Reason {
    let names = Policy::all().iter().filter(|policy| policy.settings().next().is_none());
    let names = names.map(Policy::name).chain([AUTO_CONFIG]);
    Reason::Unknown { nearest: most_similar(names, name).map(|own| format!("{POLICY}/{own}")) }
}
