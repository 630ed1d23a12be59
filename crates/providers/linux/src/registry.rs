//! `StdRegProv`: a registry, for clients that look into one.
//!
//! | Key | What it shows |
//! |---|---|
//! | `SOFTWARE\Microsoft\Windows NT\CurrentVersion` | the system |
//! | `SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall` | the packages |
//! | `SYSTEM\CurrentControlSet\Services` | the units of services |
//! | `SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName` | the name of the machine |
//! | `SOFTWARE\Policies\Microsoft\Windows\WinRM` | what policy demands of this product |
//! | all else below `SOFTWARE`, and `HKEY_CURRENT_USER` | what clients have written there |
//!
//! What changes below `HKEY_LOCAL_MACHINE` are events ([`changes`]).

mod changes;
mod key;
pub(crate) mod oracle;
mod store;
mod unit;
mod view;

use std::io;
use std::sync::Arc;

use cim::{Instance, Value};
use wmi::{MethodCall, ProviderError, Scan};

use crate::Machine;
use crate::table::{Binding, Fill, Push, Table, bind};
use key::{Data, Hive, Key, is_same};
use store::{Keys, Store, StoreError};
use view::{Content, VIEWS, Values};

pub(crate) use changes::RegistryEvents;

/// Who serves the class, in both of its namespaces.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, StdRegProv::<true>), bind(machine, StdRegProv::<false>)]
}

/// The class in `root/cimv2`, or in `root/default`.
struct StdRegProv<const IN_CIMV2: bool>;

impl<const IN_CIMV2: bool> Table for StdRegProv<IN_CIMV2> {
    type Row = ();

    const NAMESPACE: &'static str = if IN_CIMV2 { "root/cimv2" } else { "root/default" };

    const CLASS: &'static str = "StdRegProv";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[];

    /// It has methods only.
    fn rows(&self, _: &Arc<Machine>, _: &Scan, _: &mut Push<'_, ()>) -> Result<(), ProviderError> {
        Ok(())
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let output = Instance::new(call.operation.output.clone());
        let text = |name: &str| call.input.value(name).and_then(Value::as_str).unwrap_or_default();
        let hive = match call.input.value("hDefKey") {
            Some(Value::Uint32(hive)) => *hive,
            // HKEY_LOCAL_MACHINE
            _ => 0x8000_0002,
        };
        let registry = Registry { machine };
        let answer = Key::parse(hive, text("sSubKeyName")).ok_or(Code::BadPath).and_then(|key| {
            let method = call.operation.method.name.as_str();
            registry.answer(method, &key, text("sValueName"), call.input)
        });
        let (code, values) = match answer {
            Ok(values) => (0, values),
            Err(Code::NotCapable) => return Err(ProviderError::NotCapable),
            Err(code) => (code.number(), Vec::new()),
        };
        let output = values.into_iter().try_fold(output, |output, (name, value)| output.with(name, value))?;
        Ok(output.with("ReturnValue", code)?)
    }
}

/// Why a method has failed, as Windows numbers it (MS-ERREF 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// There is no such key or value.
    NotFound,
    /// It may not be changed, or not by this user.
    Denied,
    /// The value is of another type.
    OtherType,
    /// The path names no key that could be.
    BadPath,
    /// The file of the store is none.
    Damaged,
    /// There is no room for more.
    Full,
    /// The method is none that can be done here.
    NotCapable,
}

impl Code {
    fn number(self) -> u32 {
        match self {
            Self::NotFound => 2,
            Self::Denied => 5,
            // WBEM_E_TYPE_MISMATCH
            Self::OtherType => 0x8004_1005,
            // ERROR_BAD_PATHNAME
            Self::BadPath => 161,
            // ERROR_BADDB
            Self::Damaged => 1009,
            // ERROR_DISK_FULL
            Self::Full => 112,
            // ERROR_CALL_NOT_IMPLEMENTED
            Self::NotCapable => 120,
        }
    }
}

impl From<StoreError> for Code {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::File(error) if error.kind() == io::ErrorKind::StorageFull => Self::Full,
            StoreError::File(_) => Self::Denied,
            StoreError::Content(problem) => {
                tracing::warn!(%problem, "The file of the registry cannot be read");
                Self::Damaged
            }
            StoreError::TooLong => Self::Full,
        }
    }
}

/// What a method gives besides its `ReturnValue`.
type Answer = Result<Vec<(&'static str, Value)>, Code>;

/// All keys of a machine.
struct Registry<'a> {
    machine: &'a Machine,
}

impl Registry<'_> {
    fn answer(&self, method: &str, key: &Key, name: &str, input: &Instance) -> Answer {
        if let Some(kind) = method.strip_prefix("Get").and_then(|rest| rest.strip_suffix("Value")) {
            return written(kind, self.value(key, name)?);
        }
        if let Some(kind) = method.strip_prefix("Set").and_then(|rest| rest.strip_suffix("Value")) {
            let data = read(kind, input)?;
            return self.change(key, |keys| {
                keys.set(key, name, data);
                Ok(())
            });
        }
        match method {
            "EnumKey" => Ok(vec![("sNames", self.names_below(key)?.into())]),
            "EnumValues" => {
                let values = self.values(key)?;
                let kinds: Vec<i32> = values.iter().map(|(_, data)| data.kind()).collect();
                let names: Vec<String> = values.into_iter().map(|(name, _)| name).collect();
                Ok(vec![("sNames", names.into()), ("Types", kinds.into())])
            }
            "CheckAccess" => self.check_access(key, input),
            "CreateKey" => self.change(key, |keys| {
                keys.make(key);
                Ok(())
            }),
            "DeleteKey" => {
                if !self.names_below(key)?.is_empty() {
                    // As Windows says of keys with others below them.
                    return Err(Code::Denied);
                }
                self.change(key, |keys| {
                    keys.remove(key);
                    Ok(())
                })
            }
            "DeleteValue" => {
                self.value(key, name)?;
                self.change(key, |keys| if keys.remove_value(key, name) { Ok(()) } else { Err(Code::Denied) })
            }
            _ => Err(Code::NotCapable),
        }
    }

    /// The names directly below a key.
    fn names_below(&self, key: &Key) -> Result<Vec<String>, Code> {
        let kept = self.kept(key.hive)?;
        let mut names = kept.names_below(key);
        if key.hive == Hive::LocalMachine {
            for view in VIEWS {
                names.extend(key.next(view.path).map(str::to_owned));
                if let (Some([]), Content::Keys(of, _)) = (key.below(view.path), &view.content) {
                    names.extend(of(self.machine));
                }
            }
        }
        if names.is_empty() && !self.exists(key, &kept) {
            return Err(Code::NotFound);
        }
        names.sort_by(|left, right| cim::wql::order(left, right));
        names.dedup_by(|left, right| is_same(left, right));
        Ok(names)
    }

    /// The values of a key; those of clients are behind those of the machine.
    fn values(&self, key: &Key) -> Result<Vec<(String, Data)>, Code> {
        let kept = self.kept(key.hive)?;
        if !self.exists(key, &kept) {
            return Err(Code::NotFound);
        }
        let mut values = self.shown(key).unwrap_or_default();
        for (name, data) in kept.values(key) {
            if !values.iter().any(|(own, _)| is_same(own, name)) {
                values.push((name.clone(), data.clone()));
            }
        }
        Ok(values)
    }

    fn value(&self, key: &Key, name: &str) -> Result<Data, Code> {
        let values = self.values(key)?;
        values.into_iter().find(|(own, _)| is_same(own, name)).map(|(_, data)| data).ok_or(Code::NotFound)
    }

    /// What a view shows in a key.
    fn shown(&self, key: &Key) -> Option<Vec<(String, Data)>> {
        if key.hive != Hive::LocalMachine {
            return None;
        }
        let owned = |values: Values| values.into_iter().map(|(name, data)| (name.to_owned(), data)).collect();
        VIEWS.iter().find_map(|view| match (key.below(view.path)?, &view.content) {
            ([], Content::Values(of)) => Some(owned(of(self.machine))),
            ([], Content::Named(of)) => Some(of(self.machine)),
            ([], Content::Keys(..)) => Some(Vec::new()),
            ([name], Content::Keys(_, of)) => of(self.machine, name).map(owned),
            _ => None,
        })
    }

    fn exists(&self, key: &Key, kept: &Keys) -> bool {
        let is_above =
            || key.hive == Hive::LocalMachine && VIEWS.iter().any(|view| key.next(view.path).is_some());
        kept.has(key) || is_above() || self.shown(key).is_some()
    }

    fn kept(&self, hive: Hive) -> Result<Keys, Code> {
        match Store::of(self.machine, hive) {
            Some(store) => Ok(store.read()?),
            None => Ok(Keys::default()),
        }
    }

    /// Whether clients may write here: below `SOFTWARE`, and not where something is shown.
    fn is_free(key: &Key) -> bool {
        let is_shown = || VIEWS.iter().any(|view| key.below(view.path).is_some());
        key.hive == Hive::CurrentUser
            || (key.below(&["SOFTWARE"]).is_some_and(|rest| !rest.is_empty()) && !is_shown())
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Keys) -> Result<(), Code>) -> Answer {
        let store = Store::of(self.machine, key.hive).filter(|_| Self::is_free(key)).ok_or(Code::Denied)?;
        store.change(change)?;
        Ok(Vec::new())
    }

    fn check_access(&self, key: &Key, input: &Instance) -> Answer {
        /// Set a value, make a key, make a link, delete, and change rights or owner (MS-RRP 2.2.3).
        const WRITING: u32 = 0x2 | 0x4 | 0x20 | 0x1_0000 | 0x4_0000 | 0x8_0000;
        let required = match input.value("uRequired") {
            Some(Value::Uint32(required)) => *required,
            // KEY_QUERY_VALUE and KEY_SET_VALUE, as documented for a call without it.
            _ => 0x3,
        };
        if !self.exists(key, &self.kept(key.hive)?) {
            return Err(Code::NotFound);
        }
        let may_write = || {
            Self::is_free(key) && Store::of(self.machine, key.hive).is_some_and(|store| store.is_writable())
        };
        Ok(vec![("bGranted", (required & WRITING == 0 || may_write()).into())])
    }
}

/// The output of a method for one type of data.
fn written(kind: &str, data: Data) -> Answer {
    let output = match (kind, data) {
        ("String", Data::Text(text)) | ("ExpandedString", Data::ExpandedText(text)) => {
            ("sValue", text.into())
        }
        ("Binary", Data::Binary(octets)) => ("uValue", octets.into()),
        ("DWORD", Data::Number(number)) => ("uValue", number.into()),
        ("MultiString", Data::Texts(texts)) => ("sValue", texts.into()),
        ("QWORD", Data::LongNumber(number)) => ("uValue", number.into()),
        _ => return Err(Code::OtherType),
    };
    Ok(vec![output])
}

/// The data that a method for one type was given.
fn read(kind: &str, input: &Instance) -> Result<Data, Code> {
    let value = input.value("sValue").or_else(|| input.value("uValue")).unwrap_or(&Value::Null);
    let texts = |values: &[Value]| values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let octets = |values: &[Value]| {
        let octet = |value: &Value| if let Value::Uint8(octet) = value { Some(*octet) } else { None };
        values.iter().filter_map(octet).collect()
    };
    let text = || value.as_str().unwrap_or_default().to_owned();
    Ok(match (kind, value) {
        ("String", _) => Data::Text(text()),
        ("ExpandedString", _) => Data::ExpandedText(text()),
        ("Binary", Value::Array(values)) => Data::Binary(octets(values)),
        ("Binary", _) => Data::Binary(Vec::new()),
        ("DWORD", Value::Uint32(number)) => Data::Number(*number),
        ("DWORD", _) => Data::Number(0),
        ("MultiString", Value::Array(values)) => Data::Texts(texts(values)),
        ("MultiString", _) => Data::Texts(Vec::new()),
        ("QWORD", Value::Uint64(number)) => Data::LongNumber(*number),
        ("QWORD", _) => Data::LongNumber(0),
        _ => return Err(Code::NotCapable),
    })
}
