//! What several files of `Registry.pol` amount to: a registry of the policies that are known, and what it demands.

use std::collections::BTreeMap;

use super::table::{AUTO_CONFIG, IPV4_FILTER, IPV6_FILTER, REMOTE_ACCESS, Reads};
use super::{
    Demand, Held, Origin, Place, Policy, PolicyError, RegistryPol, RegistryRecord, Subject, Unknown, Wrong,
};
use crate::Setting;

/// The values of the keys that policies have, by key and name in small letters.
#[derive(Default)]
pub(super) struct Registry(BTreeMap<(String, String), Value>);

/// A value, and where it was set last.
#[derive(Clone)]
struct Value {
    record: RegistryRecord,
    origin: Origin,
    /// Which of the files that was, in their order.
    file: usize,
}

impl Registry {
    /// Does what the records of a file say, in their order (MS-GPREG 3.2.5.1).
    pub(super) fn apply(&mut self, read: RegistryPol, file: usize, path: &std::path::Path) {
        for (record, at) in read.records.into_iter().zip(1..) {
            let key = record.key.to_lowercase();
            if !is_governed(&key) {
                continue;
            }
            let origin = Origin { file: path.to_owned(), place: Place::Record(at) };
            match Directive::of(&record) {
                Some(Directive::DeleteValue(value)) => {
                    self.0.remove(&(key, value));
                }
                Some(Directive::DeleteValues(None)) => self.0.retain(|(own, _), _| *own != key),
                Some(Directive::DeleteValues(Some(names))) => {
                    self.0.retain(|(own, value), _| *own != key || !names.contains(value));
                }
                Some(Directive::DeleteKeys(names)) => self.0.retain(|(own, _), _| {
                    let below = own.strip_prefix(&key).and_then(|rest| rest.strip_prefix('\\'));
                    let first = below.and_then(|below| below.split('\\').next());
                    first.is_none_or(|first| !names.iter().any(|name| name == first))
                }),
                Some(Directive::Other) => {}
                // A record without a name only makes the key.
                None if record.value.is_empty() => {}
                None => {
                    let place = (key, record.value.to_lowercase());
                    self.0.insert(place, Value { record, origin, file });
                }
            }
        }
    }

    /// What it demands, with the number of the file that says so.
    pub(super) fn demands(&self) -> Result<Vec<Held>, Wrong> {
        let mut all = Vec::new();
        for policy in Policy::all() {
            let reading = Reading { registry: self, policy };
            all.extend(reading.demands()?);
        }
        Ok(all)
    }

    /// Values below the keys of this service that no policy has.
    pub(super) fn unknown(&self) -> Vec<Unknown> {
        let is_known = |key: &str, value: &str| {
            Policy::all().iter().any(|policy| match &policy.reads() {
                Reads::List { folder, switch } => {
                    let own = policy.key().to_lowercase();
                    let list = folder
                        .map_or_else(|| own.clone(), |folder| format!("{own}\\{}", folder.to_lowercase()));
                    key == list
                        || (key == own && switch.is_some_and(|switch| switch.eq_ignore_ascii_case(value)))
                }
                _ => {
                    let has = |(name, _): &(&str, String)| name.eq_ignore_ascii_case(value);
                    policy.key().eq_ignore_ascii_case(key) && policy.values().iter().any(has)
                }
            })
        };
        let unknown = self.0.iter().filter(|((key, value), _)| is_own(key) && !is_known(key, value));
        unknown
            .map(|(_, Value { record, origin, .. })| Unknown {
                name: format!("{}\\{}", record.key, record.value),
                origin: origin.clone(),
            })
            .collect()
    }

    fn value(&self, key: &str, value: &str) -> Option<&Value> {
        self.0.get(&(key.to_lowercase(), value.to_lowercase()))
    }
}

/// One policy, as the registry has it.
struct Reading<'r> {
    registry: &'r Registry,
    policy: &'static Policy,
}

impl<'r> Reading<'r> {
    fn demands(&self) -> Result<Vec<Held>, Wrong> {
        match self.policy.reads() {
            Reads::Switch { value, setting, .. } => {
                let Some((found, on)) = self.switch(value)? else { return Ok(Vec::new()) };
                Ok(vec![self.setting(setting, on.to_string(), found)?])
            }
            Reads::Number { value, setting, range } => {
                let Some(found) = self.value(value) else { return Ok(Vec::new()) };
                let expected = || format!("a REG_DWORD from {} to {}", range.start(), range.end());
                let number = found.record.number().filter(|number| range.contains(number));
                let number = number.ok_or_else(|| self.wrong(found, expected()))?;
                Ok(vec![self.setting(setting, number.to_string(), found)?])
            }
            Reads::Text { switch, value, setting } => {
                let Some((switch, true)) = self.switch(switch)? else { return Ok(Vec::new()) };
                let (text, found) = self.text(value, switch)?;
                Ok(vec![self.setting(setting, text, found)?])
            }
            Reads::AutoConfig => self.auto_config(),
            Reads::Nothing { value } => {
                let found = self.switch(value)?;
                Ok(found.map(|(found, on)| self.own("", on.to_string(), found)).into_iter().collect())
            }
            Reads::List { folder, switch } => self.list(*folder, *switch),
        }
    }

    fn auto_config(&self) -> Result<Vec<Held>, Wrong> {
        let Some((found, on)) = self.switch(AUTO_CONFIG)? else { return Ok(Vec::new()) };
        let mut demands =
            vec![self.own("", on.to_string(), found), self.setting(REMOTE_ACCESS, on.to_string(), found)?];
        if on {
            for (value, setting) in [("IPv4Filter", IPV4_FILTER), ("IPv6Filter", IPV6_FILTER)] {
                // What is not there is as good as empty, which admits no address.
                let (text, found) = self.text(value, found)?;
                demands.push(self.setting(setting, text, found)?);
            }
        }
        Ok(demands)
    }

    fn list(&self, folder: Option<&str>, switch: Option<&str>) -> Result<Vec<Held>, Wrong> {
        if let Some(switch) = switch
            && !matches!(self.switch(switch)?, Some((_, true)))
        {
            return Ok(Vec::new());
        }
        let own = self.policy.key().to_lowercase();
        let key = folder.map_or_else(|| own.clone(), |folder| format!("{own}\\{}", folder.to_lowercase()));
        let entries = self.registry.0.iter().filter(|((place, _), _)| *place == key);
        let demand = |found: &Value| {
            let text = found.record.text().ok_or_else(|| self.wrong(found, "a REG_SZ"))?;
            Ok(self.own(&found.record.value, text, found))
        };
        entries.map(|(_, found)| demand(found)).collect()
    }

    fn value(&self, value: &str) -> Option<&'r Value> {
        self.registry.value(self.policy.key(), value)
    }

    fn switch(&self, value: &str) -> Result<Option<(&'r Value, bool)>, Wrong> {
        let Some(found) = self.value(value) else { return Ok(None) };
        match found.record.number() {
            Some(0) => Ok(Some((found, false))),
            Some(1) => Ok(Some((found, true))),
            _ => Err(self.wrong(found, "a REG_DWORD of 0 or 1")),
        }
    }

    /// A text and the value that decides: of the text and the switch beside it the one that was set later.
    fn text(&self, value: &str, switch: &'r Value) -> Result<(String, &'r Value), Wrong> {
        let Some(found) = self.value(value) else { return Ok((String::new(), switch)) };
        let text = found.record.text().ok_or_else(|| self.wrong(found, "a REG_SZ"))?;
        Ok((text, if found.file < switch.file { switch } else { found }))
    }

    fn setting(&self, path: &str, value: String, found: &Value) -> Result<Held, Wrong> {
        let at = |error| Wrong::new(found.origin.clone(), error);
        let setting = Setting::find(path).map_err(|error| at(PolicyError::Setting(error)))?;
        let value = setting.normal(&value).map_err(|error| {
            let policy = self.policy.name();
            at(PolicyError::Governed { policy, error })
        })?;
        Ok(self.held(Subject::Setting(setting), value, found))
    }

    fn own(&self, item: &str, value: String, found: &Value) -> Held {
        self.held(Subject::Policy { policy: self.policy, item: item.to_owned() }, value, found)
    }

    fn held(&self, subject: Subject, value: String, found: &Value) -> Held {
        let demand = Demand { subject, value, policy: Some(self.policy), origin: found.origin.clone() };
        Held { file: found.file, demand }
    }

    fn wrong(&self, found: &Value, expected: impl Into<String>) -> Wrong {
        let RegistryRecord { key, value, kind, .. } = &found.record;
        let (place, policy, expected) = (format!("{key}\\{value}"), self.policy.name(), expected.into());
        Wrong::new(found.origin.clone(), PolicyError::Value { policy, place, kind: *kind, expected })
    }
}

/// A record that says something about other values (MS-GPREG 2.2.1.1).
enum Directive {
    DeleteValue(String),
    /// Those of these names, or all of the key.
    DeleteValues(Option<Vec<String>>),
    /// Keys below this one.
    DeleteKeys(Vec<String>),
    /// What does not change values, such as `**SecureKey`.
    Other,
}

impl Directive {
    fn of(record: &RegistryRecord) -> Option<Self> {
        let name = record.value.strip_prefix("**")?.to_lowercase();
        let names = || {
            let text = record.text().unwrap_or_default().to_lowercase();
            text.split(';').map(|name| name.trim().to_owned()).collect()
        };
        Some(match name.trim_end_matches('.') {
            "delvals" => Self::DeleteValues(None),
            "deletevalues" => Self::DeleteValues(Some(names())),
            "deletekeys" => Self::DeleteKeys(names()),
            _ => name.strip_prefix("del.").map_or(Self::Other, |value| Self::DeleteValue(value.to_owned())),
        })
    }
}

/// Whether a key in small letters is one that policies have, or one above them.
fn is_governed(key: &str) -> bool {
    let mut keys = Policy::all().iter().map(|policy| policy.key().to_lowercase());
    keys.any(|own| own.starts_with(key) || key.starts_with(&own)) || is_own(key)
}

/// Whether a key in small letters is about nothing but this service and its clients.
fn is_own(key: &str) -> bool {
    key.starts_with(r"software\policies\microsoft\windows\winrm")
}
