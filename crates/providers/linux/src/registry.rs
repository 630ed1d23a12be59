//! `StdRegProv`: a registry, for clients that expect one.
//!
//! | Key | Content |
//! |---|---|
//! | `SOFTWARE\Microsoft\Windows NT\CurrentVersion` | operating system |
//! | `SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall` | packages |
//! | `SYSTEM\CurrentControlSet\Services` | service units |
//! | `SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName` | name of the machine |
//! | `SYSTEM\CurrentControlSet\Control\TimeZoneInformation` | time zone |
//! | `SYSTEM\CurrentControlSet\Services\Tcpip\Parameters` | host name, domains and name servers |
//! | `HARDWARE\DESCRIPTION\System` | firmware and processors |
//! | `SOFTWARE\Policies\Microsoft\Windows\WinRM` | policy settings of this product |
//! | `SOFTWARE\Microsoft\WebManagement\Server` | settings of the Web Management Service, which can be changed |
//! | other keys below `SOFTWARE`, and `HKEY_CURRENT_USER` | data written by clients |
//!
//! The rest of `SOFTWARE\Microsoft`, and `SOFTWARE\Policies`, are read-only: on Windows their values are settings,
//! which have no effect here. `HKEY_USERS` contains the keys of the caller by SID, and `HKEY_CURRENT_CONFIG` is an empty key of
//! `HKEY_LOCAL_MACHINE`, as the current hardware profile is on Windows.
//!
//! Changes below `HKEY_LOCAL_MACHINE` are reported as events ([`changes`]).

mod changes;
mod hardware_view;
pub(crate) mod key;
pub(crate) mod store;
mod system_view;
mod unit;
mod view;
mod web_management;

use std::io;
use std::sync::Arc;

use cim::{Instance, Value};
use wmi::{MethodCall, ProviderError};

use crate::Machine;
use crate::table::{Binding, Fill, Table, bind, text_of};
use key::{Data, Hive, Key, Values, is_same};
use store::{Keys, Store, StoreError};
use view::{Content, VIEWS};
use web_management::ChangeError;

pub(crate) use changes::RegistryEvents;

/// Returns the tables of the class, in both namespaces.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, StdRegProv::<true>), bind(machine, StdRegProv::<false>)]
}

/// The class in `root/cimv2` or in `root/default`.
struct StdRegProv<const IN_CIMV2: bool>;

impl<const IN_CIMV2: bool> Table for StdRegProv<IN_CIMV2> {
    type Row = ();

    const NAMESPACE: &'static str = if IN_CIMV2 { "root/cimv2" } else { "root/default" };

    const CLASS: &'static str = "StdRegProv";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[];

    /// The class has only methods, no instances.
    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let output = Instance::new(call.operation.output.clone());
        let hive = match call.input.value("hDefKey") {
            Some(Value::Uint32(hive)) => *hive,
            // HKEY_LOCAL_MACHINE
            _ => 0x8000_0002,
        };
        let registry = Registry { machine };
        let answer =
            Key::parse(hive, text_of(call.input, "sSubKeyName")).ok_or(Code::BadPath).and_then(|key| {
                let method = call.operation.method.name.as_str();
                let key = registry.resolve(key);
                registry.answer(method, &key, text_of(call.input, "sValueName"), call.input)
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

/// Error code of a method, as on Windows (MS-ERREF 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// The key or value does not exist.
    NotFound,
    /// The key is read-only, or the user may not change it.
    Denied,
    /// The value has another type.
    OtherType,
    /// The path is not a valid key path.
    BadPath,
    /// The store file is not valid.
    Damaged,
    /// The disk is full.
    Full,
    /// The method is not supported.
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
                tracing::warn!(%problem, "Cannot read registry file");
                Self::Damaged
            }
            StoreError::TooLong => Self::Full,
        }
    }
}

impl From<ChangeError> for Code {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Denied => Self::Denied,
            ChangeError::Type => Self::OtherType,
        }
    }
}

/// Output parameters of a method, without `ReturnValue`.
type Answer = Result<Vec<(&'static str, Value)>, Code>;

/// All keys of a machine.
struct Registry<'a> {
    machine: &'a Machine,
}

impl Registry<'_> {
    /// Returns the key that a key refers to: `HKEY_USERS` contains the keys of the caller below its SID.
    fn resolve(&self, key: Key) -> Key {
        let own = self.own_sid();
        match (key.hive, key.path.split_first()) {
            (Hive::Users, Some((first, rest))) if own.is_some_and(|own| is_same(&own, first)) => {
                Key { hive: Hive::CurrentUser, path: rest.to_vec() }
            }
            _ => key,
        }
    }

    /// Returns the SID of the user that this process runs as.
    fn own_sid(&self) -> Option<String> {
        let user = rustix::process::geteuid().as_raw();
        self.machine.user_sid(user).map(|sid| sid.numeric().to_string())
    }

    fn answer(&self, method: &str, key: &Key, name: &str, input: &Instance) -> Answer {
        if let Some(kind) = method.strip_prefix("Get").and_then(|rest| rest.strip_suffix("Value")) {
            return written(kind, self.value(key, name)?);
        }
        if let Some(kind) = method.strip_prefix("Set").and_then(|rest| rest.strip_suffix("Value")) {
            let data = read(kind, input)?;
            if web_management::is_key(key) {
                web_management::set(self.machine, name, &data)?;
                return Ok(Vec::new());
            }
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
                    // Windows returns this code for keys with subkeys.
                    return Err(Code::Denied);
                }
                self.change(key, |keys| {
                    keys.remove(key);
                    Ok(())
                })
            }
            "DeleteValue" => {
                self.value(key, name)?;
                if web_management::is_key(key) {
                    web_management::reset(self.machine, name)?;
                    return Ok(Vec::new());
                }
                self.change(key, |keys| if keys.remove_value(key, name) { Ok(()) } else { Err(Code::Denied) })
            }
            _ => Err(Code::NotCapable),
        }
    }

    /// Returns the names of the direct subkeys.
    fn names_below(&self, key: &Key) -> Result<Vec<String>, Code> {
        let stored = self.stored(key.hive)?;
        let mut names = stored.names_below(key);
        if key.hive == Hive::Users && key.path.is_empty() {
            names.extend(self.own_sid());
            return Ok(names);
        }
        if key.hive == Hive::LocalMachine {
            for view in VIEWS {
                names.extend(key.next(view.path).map(str::to_owned));
                if let (Some([]), Content::Keys(of, _)) = (key.below(view.path), &view.content) {
                    names.extend(of(self.machine));
                }
            }
        }
        if names.is_empty() && !self.exists(key, &stored) {
            return Err(Code::NotFound);
        }
        names.sort_by(|left, right| cim::wql::order(left, right));
        names.dedup_by(|left, right| is_same(left, right));
        Ok(names)
    }

    /// Returns the values of a key: those of the machine, then those written by clients.
    fn values(&self, key: &Key) -> Result<Vec<(String, Data)>, Code> {
        let stored = self.stored(key.hive)?;
        if !self.exists(key, &stored) {
            return Err(Code::NotFound);
        }
        let mut values = self.shown(key).unwrap_or_default();
        for (name, data) in stored.values(key) {
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

    /// Returns the values that a view provides for a key.
    fn shown(&self, key: &Key) -> Option<Vec<(String, Data)>> {
        if key.hive != Hive::LocalMachine {
            return None;
        }
        VIEWS.iter().find_map(|view| match (key.below(view.path)?, &view.content) {
            ([], Content::Values(of)) => Some(owned(of(self.machine))),
            ([], Content::Named(of)) => Some(of(self.machine)),
            ([], Content::Keys(..)) => Some(Vec::new()),
            ([name], Content::Keys(_, of)) => of(self.machine, name).map(owned),
            _ => None,
        })
    }

    fn exists(&self, key: &Key, stored: &Keys) -> bool {
        let is_above =
            || key.hive == Hive::LocalMachine && VIEWS.iter().any(|view| key.next(view.path).is_some());
        let has_key = || if key.hive == Hive::Users { key.path.is_empty() } else { stored.has(key) };
        has_key() || is_above() || self.shown(key).is_some()
    }

    fn stored(&self, hive: Hive) -> Result<Keys, Code> {
        match Store::of(self.machine, hive) {
            Some(store) => Ok(store.read()?),
            None => Ok(Keys::default()),
        }
    }

    /// Returns whether clients may write the key: all keys of a user and those below `SOFTWARE`, except where
    /// Windows keeps settings, which would have no effect here.
    fn is_free(key: &Key) -> bool {
        let is_setting = READ_ONLY.iter().any(|path| key.below(path).is_some());
        let is_below_software = || key.below(&["SOFTWARE"]).is_some_and(|rest| !rest.is_empty());
        !is_setting
            && (key.hive == Hive::CurrentUser || key.hive == Hive::LocalMachine && is_below_software())
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Keys) -> Result<(), Code>) -> Answer {
        let store = Store::of(self.machine, key.hive).filter(|_| Self::is_free(key)).ok_or(Code::Denied)?;
        store.change(change)?;
        Ok(Vec::new())
    }

    fn check_access(&self, key: &Key, input: &Instance) -> Answer {
        /// Set a value, create a key, create a link, delete, and change rights or owner (MS-RRP 2.2.3).
        const WRITING: u32 = 0x2 | 0x4 | 0x20 | 0x1_0000 | 0x4_0000 | 0x8_0000;
        let required = match input.value("uRequired") {
            Some(Value::Uint32(required)) => *required,
            // Default documented for calls without this parameter: KEY_QUERY_VALUE and KEY_SET_VALUE.
            _ => 0x3,
        };
        if !self.exists(key, &self.stored(key.hive)?) {
            return Err(Code::NotFound);
        }
        Ok(vec![(
            "bGranted",
            (required & WRITING == 0 || {
                Self::is_free(key)
                    && Store::of(self.machine, key.hive).is_some_and(|store| store.is_writable())
            })
            .into(),
        )])
    }
}

/// Keys of settings of Windows, for the machine and for users.
const READ_ONLY: &[&[&str]] = &[&["SOFTWARE", "Microsoft"], &["SOFTWARE", "Policies"]];

fn owned(values: Values) -> Vec<(String, Data)> {
    values.into_iter().map(|(name, data)| (name.to_owned(), data)).collect()
}

/// Returns the output of a Get method for its data type.
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

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn octets(values: &[Value]) -> Vec<u8> {
    values
        .iter()
        .filter_map(|value| if let Value::Uint8(octet) = value { Some(*octet) } else { None })
        .collect()
}

/// Reads the data of a Set method for its data type.
fn read(kind: &str, input: &Instance) -> Result<Data, Code> {
    let value = input.value("sValue").or_else(|| input.value("uValue")).unwrap_or(&Value::Null);
    let text = value.as_str().unwrap_or_default().to_owned();
    Ok(match (kind, value) {
        ("String", _) => Data::Text(text),
        ("ExpandedString", _) => Data::ExpandedText(text),
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
