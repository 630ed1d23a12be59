//! Registry of the known policies, as several `Registry.pol` files define it, and the values it sets.

use std::collections::BTreeMap;

use super::table::{AUTO_CONFIG, IPV4_FILTER, IPV6_FILTER, PolicyKind, REMOTE_ACCESS};
use super::{
    FilePosition, LocatedPolicyError, OrderedValue, Origin, Policy, PolicyError, PolicyTarget, PolicyValue,
    RegistryPol, RegistryRecord, UnknownValue,
};
use crate::Setting;

/// Registry values under the keys of policies, by key and name in lower case.
#[derive(Default)]
pub(super) struct Registry(BTreeMap<(String, String), Value>);

/// Registry value and its last definition.
#[derive(Clone)]
struct Value {
    record: RegistryRecord,
    origin: Origin,
    /// Index of the file in the reading order.
    file: usize,
}

impl Registry {
    /// Applies the records of a file in their order (MS-GPREG section 3.2.5.1).
    pub(super) fn apply(&mut self, read: RegistryPol, file: usize, path: &std::path::Path) {
        for (record, at) in read.records.into_iter().zip(1..) {
            let key = record.key.to_lowercase();
            if !is_governed(&key) {
                continue;
            }
            let origin = Origin { file: path.to_owned(), position: FilePosition::Record(at) };
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
                // A record without a name only creates the key.
                None if record.value.is_empty() => {}
                None => {
                    let name = (key, record.value.to_lowercase());
                    self.0.insert(name, Value { record, origin, file });
                }
            }
        }
    }

    /// Returns the values that the policies set, with the indices of their files.
    pub(super) fn values(&self) -> Result<Vec<OrderedValue>, LocatedPolicyError> {
        let mut all = Vec::new();
        for policy in Policy::all() {
            let reading = Reading { registry: self, policy };
            all.extend(reading.values()?);
        }
        Ok(all)
    }

    /// Returns registry values under the keys of this service that no known policy has.
    pub(super) fn unknown(&self) -> Vec<UnknownValue> {
        let unknown = self.0.iter().filter(|((key, value), _)| is_own(key) && !is_known(key, value));
        unknown
            .map(|(_, Value { record, origin, .. })| UnknownValue {
                name: format!("{}\\{}", record.key, record.value),
                origin: origin.clone(),
            })
            .collect()
    }

    fn value(&self, key: &str, value: &str) -> Option<&Value> {
        self.0.get(&(key.to_lowercase(), value.to_lowercase()))
    }
}

/// Reader for the values of one policy.
struct Reading<'r> {
    registry: &'r Registry,
    policy: &'static Policy,
}

impl<'r> Reading<'r> {
    fn values(&self) -> Result<Vec<OrderedValue>, LocatedPolicyError> {
        match self.policy.kind() {
            PolicyKind::Switch { value, setting, .. } => {
                let Some((found, on)) = self.switch(value)? else { return Ok(Vec::new()) };
                Ok(vec![self.setting(setting, on.to_string(), found)?])
            }
            PolicyKind::Number { value, setting, range } => {
                let Some(found) = self.value(value) else { return Ok(Vec::new()) };
                let number = found.record.number().filter(|number| range.contains(number));
                let number = number.ok_or_else(|| {
                    self.wrong(found, format!("a REG_DWORD from {} to {}", range.start(), range.end()))
                })?;
                Ok(vec![self.setting(setting, number.to_string(), found)?])
            }
            PolicyKind::Text { switch, value, setting } => {
                let Some((switch, true)) = self.switch(switch)? else { return Ok(Vec::new()) };
                let (text, found) = self.text(value, switch)?;
                Ok(vec![self.setting(setting, text, found)?])
            }
            PolicyKind::AutoConfig => self.auto_config(),
            PolicyKind::Flag { value } => {
                let found = self.switch(value)?;
                Ok(found.map(|(found, on)| self.own("", on.to_string(), found)).into_iter().collect())
            }
            PolicyKind::List { folder, switch } => self.list(*folder, *switch),
        }
    }

    fn auto_config(&self) -> Result<Vec<OrderedValue>, LocatedPolicyError> {
        let Some((found, on)) = self.switch(AUTO_CONFIG)? else { return Ok(Vec::new()) };
        let mut values =
            vec![self.own("", on.to_string(), found), self.setting(REMOTE_ACCESS, on.to_string(), found)?];
        if on {
            for (value, setting) in [("IPv4Filter", IPV4_FILTER), ("IPv6Filter", IPV6_FILTER)] {
                // A missing filter counts as an empty one, which admits no address.
                let (text, found) = self.text(value, found)?;
                values.push(self.setting(setting, text, found)?);
            }
        }
        Ok(values)
    }

    fn list(
        &self,
        folder: Option<&str>,
        switch: Option<&str>,
    ) -> Result<Vec<OrderedValue>, LocatedPolicyError> {
        if let Some(switch) = switch
            && !matches!(self.switch(switch)?, Some((_, true)))
        {
            return Ok(Vec::new());
        }
        let own = self.policy.key().to_lowercase();
        let key = folder.map_or_else(|| own.clone(), |folder| format!("{own}\\{}", folder.to_lowercase()));
        let entries = self.registry.0.iter().filter(|((own, _), _)| *own == key);
        entries
            .map(|(_, found)| {
                let text = found.record.text().ok_or_else(|| self.wrong(found, "a REG_SZ"))?;
                Ok(self.own(&found.record.value, text, found))
            })
            .collect()
    }

    fn value(&self, value: &str) -> Option<&'r Value> {
        self.registry.value(self.policy.key(), value)
    }

    fn switch(&self, value: &str) -> Result<Option<(&'r Value, bool)>, LocatedPolicyError> {
        let Some(found) = self.value(value) else { return Ok(None) };
        match found.record.number() {
            Some(0) => Ok(Some((found, false))),
            Some(1) => Ok(Some((found, true))),
            _ => Err(self.wrong(found, "a REG_DWORD of 0 or 1")),
        }
    }

    /// Returns the text, and the registry value that is its origin: the text or its switch, whichever was set later.
    fn text(&self, value: &str, switch: &'r Value) -> Result<(String, &'r Value), LocatedPolicyError> {
        let Some(found) = self.value(value) else { return Ok((String::new(), switch)) };
        let text = found.record.text().ok_or_else(|| self.wrong(found, "a REG_SZ"))?;
        Ok((text, if found.file < switch.file { switch } else { found }))
    }

    fn setting(&self, path: &str, value: String, found: &Value) -> Result<OrderedValue, LocatedPolicyError> {
        let setting = Setting::find(path)
            .map_err(|error| LocatedPolicyError::new(found.origin.clone(), PolicyError::Setting(error)))?;
        let value = setting.normalize(&value).map_err(|error| {
            let policy = self.policy.name();
            LocatedPolicyError::new(found.origin.clone(), PolicyError::Governed { policy, error })
        })?;
        Ok(self.held(PolicyTarget::Setting(setting), value, found))
    }

    fn own(&self, item: &str, value: String, found: &Value) -> OrderedValue {
        self.held(PolicyTarget::Policy { policy: self.policy, item: item.to_owned() }, value, found)
    }

    fn held(&self, target: PolicyTarget, value: String, found: &Value) -> OrderedValue {
        let entry = PolicyValue { target, value, policy: Some(self.policy), origin: found.origin.clone() };
        OrderedValue { file: found.file, entry }
    }

    fn wrong(&self, found: &Value, expected: impl Into<String>) -> LocatedPolicyError {
        let RegistryRecord { key, value, kind, .. } = &found.record;
        let (name, policy, expected) = (format!("{key}\\{value}"), self.policy.name(), expected.into());
        LocatedPolicyError::new(
            found.origin.clone(),
            PolicyError::Value { policy, name, kind: *kind, expected },
        )
    }
}

/// Record that changes other values (MS-GPREG section 2.2.1.1).
enum Directive {
    DeleteValue(String),
    /// Values with these names, or all values of the key.
    DeleteValues(Option<Vec<String>>),
    /// Subkeys with these names.
    DeleteKeys(Vec<String>),
    /// Directives that do not change values, such as `**SecureKey`.
    Other,
}

impl Directive {
    fn of(record: &RegistryRecord) -> Option<Self> {
        let name = record.value.strip_prefix("**")?.to_lowercase();
        Some(match name.trim_end_matches('.') {
            "delvals" => Self::DeleteValues(None),
            "deletevalues" => Self::DeleteValues(Some(directive_names(record))),
            "deletekeys" => Self::DeleteKeys(directive_names(record)),
            _ => name.strip_prefix("del.").map_or(Self::Other, |value| Self::DeleteValue(value.to_owned())),
        })
    }
}

/// Returns the names in the data of a directive, which are separated by semicolons, in lower case.
fn directive_names(record: &RegistryRecord) -> Vec<String> {
    let text = record.text().unwrap_or_default().to_lowercase();
    text.split(';').map(|name| name.trim().to_owned()).collect()
}

/// Returns whether a policy has the registry value with this key and name; both are in lower case.
fn is_known(key: &str, value: &str) -> bool {
    Policy::all().iter().any(|policy| match policy.kind() {
        PolicyKind::List { folder, switch } => {
            let own = policy.key().to_lowercase();
            let list = match folder {
                Some(folder) => format!("{own}\\{}", folder.to_lowercase()),
                None => own.clone(),
            };
            key == list || (key == own && switch.is_some_and(|switch| switch.eq_ignore_ascii_case(value)))
        }
        _ => {
            policy.key().eq_ignore_ascii_case(key)
                && policy.values().iter().any(|(name, _)| name.eq_ignore_ascii_case(value))
        }
    })
}

/// Returns whether a key in lower case is the key of a policy, or above or below one.
fn is_governed(key: &str) -> bool {
    let mut keys = Policy::all().iter().map(|policy| policy.key().to_lowercase());
    keys.any(|own| own.starts_with(key) || key.starts_with(&own)) || is_own(key)
}

/// Returns whether a key in lower case concerns only this service and its clients.
fn is_own(key: &str) -> bool {
    key.starts_with(r"software\policies\microsoft\windows\winrm")
}
