//! Store of keys created by clients: a readable TOML file with a table for each key and an entry for each
//! value.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cim::wql::capitals;
use rustix::fs::{FlockOperation, Mode, flock};
use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

use super::key::{Data, Hive, Key, is_same};
use crate::Machine;

/// Maximum size of the file in bytes.
const MAX: usize = 4 << 20;

/// File of a root key.
pub(super) struct Store {
    path: PathBuf,
    mode: u32,
}

/// Contents of a store: keys by path, with their values.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, (String, Vec<(String, Data)>)>);

/// Reason why a store could not be read or changed.
#[derive(Debug)]
pub(super) enum StoreError {
    /// The file cannot be read or written.
    File(io::Error),
    /// The file is not a valid store.
    Content(String),
    /// The file would become too long.
    TooLong,
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl Store {
    /// Returns the store of a root key; `None` if there is no folder for its file.
    pub(super) fn of(machine: &Machine, hive: Hive) -> Option<Self> {
        Some(match hive {
            // Readable by every user: secrets do not belong into the keys of the machine.
            Hive::LocalMachine => Self { path: machine.state().join("hkey_local_machine.toml"), mode: 0o644 },
            Hive::CurrentUser => {
                Self { path: machine.user_state()?.join("hkey_current_user.toml"), mode: 0o600 }
            }
            // Only the names of its keys; the keys of the caller are those of `HKEY_CURRENT_USER`.
            Hive::Users => return None,
        })
    }

    /// Returns the path of the file, which may not exist yet.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; no keys if it does not exist.
    pub(super) fn read(&self) -> Result<Keys, StoreError> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Keys::default()),
            Err(error) => return Err(error.into()),
            Ok(metadata) if metadata.len() > MAX as u64 => return Err(StoreError::TooLong),
            Ok(_) => {}
        }
        Keys::parse(&fs::read_to_string(&self.path)?).map_err(StoreError::Content)
    }

    /// Changes the contents; nothing is written if `change` returns an error.
    pub(super) fn change<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Keys) -> Result<T, E>,
    ) -> Result<T, E> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let lock = self.lock(folder).map_err(StoreError::from)?;
        let mut keys = self.read()?;
        let result = change(&mut keys)?;
        let text = keys.to_text();
        if text.len() > MAX {
            return Err(StoreError::TooLong.into());
        }
        self.write(folder, &text).map_err(StoreError::from)?;
        drop(lock);
        Ok(result)
    }

    /// Waits until no other process changes the store, as long as the returned file is open.
    fn lock(&self, folder: &Path) -> io::Result<File> {
        fs::create_dir_all(folder)?;
        // Readable only by its owner: anyone able to open the file could lock it and block all changes.
        let lock = self.path.with_extension("lock");
        let lock = File::options().create(true).append(true).mode(0o600).open(lock)?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(lock)
    }

    /// Replaces the file atomically.
    fn write(&self, folder: &Path, text: &str) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        rustix::fs::fchmod(file.as_file(), Mode::from_raw_mode(self.mode))?;
        file.persist(&self.path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }

    /// Returns whether this process may change the store.
    pub(super) fn is_writable(&self) -> bool {
        let exists = self.path.ancestors().skip(1).find(|folder| folder.exists());
        exists.is_some_and(|folder| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok())
    }
}

impl Keys {
    /// Returns whether the key or a key below it exists.
    pub fn has(&self, key: &Key) -> bool {
        let own = capitals(&key.to_string());
        key.path.is_empty() || self.0.keys().any(|path| *path == own || is_below(path, &own))
    }

    /// Returns the names of the direct subkeys.
    pub fn names_below(&self, key: &Key) -> Vec<String> {
        let own = capitals(&key.to_string());
        let depth = key.path.len();
        let below = self.0.iter().filter(|(path, _)| own.is_empty() || is_below(path, &own));
        below.filter_map(|(_, (path, _))| path.split('\\').nth(depth).map(str::to_owned)).collect()
    }

    /// Returns the values of a key.
    pub fn values(&self, key: &Key) -> &[(String, Data)] {
        self.0.get(&capitals(&key.to_string())).map_or(&[], |(_, values)| values)
    }

    /// Returns a key and all keys below it, with their values.
    pub fn tree(&self, key: &Key) -> impl Iterator<Item = &(String, Vec<(String, Data)>)> {
        let own = capitals(&key.to_string());
        self.0
            .iter()
            .filter(move |(path, _)| own.is_empty() || **path == own || is_below(path, &own))
            .map(|(_, content)| content)
    }

    /// Creates a key if it does not exist; returns its values.
    pub fn make(&mut self, key: &Key) -> &mut Vec<(String, Data)> {
        let path = key.to_string();
        &mut self.0.entry(capitals(&path)).or_insert_with(|| (path, Vec::new())).1
    }

    /// Sets a value, creating key and value as necessary.
    pub fn set(&mut self, key: &Key, name: &str, data: Data) {
        let values = self.make(key);
        match values.iter_mut().find(|(own, _)| is_same(own, name)) {
            Some((_, own)) => *own = data,
            None => values.push((name.to_owned(), data)),
        }
    }

    /// Removes a value; returns `false` if it does not exist.
    pub fn remove_value(&mut self, key: &Key, name: &str) -> bool {
        let Some((_, values)) = self.0.get_mut(&capitals(&key.to_string())) else { return false };
        let before = values.len();
        values.retain(|(own, _)| !is_same(own, name));
        values.len() < before
    }

    /// Removes a key; the keys above it remain.
    pub fn remove(&mut self, key: &Key) {
        self.0.remove(&capitals(&key.to_string()));
        if let Some((_, above)) = key.path.split_last()
            && !above.is_empty()
        {
            self.make(&Key { hive: key.hive, path: above.to_vec() });
        }
    }

    /// Parses the text of a store.
    ///
    /// # Errors
    /// Reason why the text is not valid.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
        let mut keys = Self::default();
        for (path, item) in document.iter() {
            let table = item.as_table_like().ok_or_else(|| format!("{path} is not a table of values"))?;
            let values = table.iter().map(|(name, item)| {
                let data = item.as_value().and_then(data_of);
                data.map(|data| (name.to_owned(), data))
                    .ok_or_else(|| format!("{path}: the value {name} has no known type"))
            });
            keys.0.insert(capitals(path), (path.to_owned(), values.collect::<Result<_, _>>()?));
        }
        Ok(keys)
    }

    /// Returns the text of a store with these keys.
    pub fn to_text(&self) -> String {
        let mut document = DocumentMut::new();
        for (path, values) in self.0.values() {
            let mut table = Table::new();
            for (name, data) in values {
                table.insert(name, Item::Value(value_of(data)));
            }
            document.insert(path, Item::Table(table));
        }
        document.to_string()
    }
}

fn data_of(value: &Value) -> Option<Data> {
    if let Some(text) = value.as_str() {
        return Some(Data::Text(text.to_owned()));
    }
    let table = value.as_inline_table()?;
    let value = table.get("value")?;
    match table.get("type")?.as_str()? {
        "REG_EXPAND_SZ" => Some(Data::ExpandedText(value.as_str()?.to_owned())),
        "REG_BINARY" => octets(value.as_str()?).map(Data::Binary),
        "REG_DWORD" => u32::try_from(value.as_integer()?).ok().map(Data::Number),
        "REG_MULTI_SZ" => {
            let texts = value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map(Data::Texts)
        }
        // As text, because integers of TOML are signed.
        "REG_QWORD" => value.as_str()?.parse().ok().map(Data::LongNumber),
        _ => None,
    }
}

fn value_of(data: &Data) -> Value {
    let (kind, value): (_, Value) = match data {
        Data::Text(text) => return text.as_str().into(),
        Data::ExpandedText(text) => ("REG_EXPAND_SZ", text.as_str().into()),
        Data::Binary(octets) => {
            ("REG_BINARY", octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>().into())
        }
        Data::Number(number) => ("REG_DWORD", i64::from(*number).into()),
        Data::Texts(texts) => {
            ("REG_MULTI_SZ", texts.iter().map(String::as_str).collect::<toml_edit::Array>().into())
        }
        Data::LongNumber(number) => ("REG_QWORD", number.to_string().into()),
    };
    let mut table = InlineTable::new();
    table.insert("type", kind.into());
    table.insert("value", value);
    table.into()
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok()
        })
        .collect()
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('\\'))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn every_data_type_survives_the_file() {
        let folder = tempfile::tempdir().expect("there is room");
        let store = Store { path: folder.path().join("below/registry.toml"), mode: 0o600 };
        let key = Key::parse(0x8000_0002, "SOFTWARE\\Site\\A \"quoted\" name").expect("it is one");
        let all = [
            Data::Text("line\n\"two\"".into()),
            Data::ExpandedText("%PATH%".into()),
            Data::Binary(vec![0, 255, 16]),
            Data::Number(u32::MAX),
            Data::Texts(vec!["a".into(), String::new()]),
            Data::LongNumber(u64::MAX),
        ];
        for (data, name) in all.iter().zip(["", "b", "c", "d", "e", "f"]) {
            let set = |keys: &mut Keys| {
                keys.set(&key, name, data.clone());
                Ok::<(), StoreError>(())
            };
            store.change(set).expect("it can be written");
        }
        let read = store.read().expect("it can be read");
        let values: Vec<&Data> = read.values(&key).iter().map(|(_, data)| data).collect();
        assert_eq!(values, all.iter().collect::<Vec<_>>());
        let above = Key::parse(0x8000_0002, "software").expect("it is one");
        assert_eq!(read.names_below(&above), ["Site"]);
    }

    #[test]
    fn equal_names_are_one_key() {
        let key = |path: &str| Key::parse(0x8000_0002, path).expect("it is one");
        let mut keys = Keys::default();
        keys.set(&key("SOFTWARE\\ΟΔΟΣ\\One"), "A", Data::Number(1));
        // The lower case of this letter depends on its position.
        assert_eq!(keys.values(&key("software\\οδοσ\\ONE")), [("A".to_owned(), Data::Number(1))]);
        keys.make(&key("SOFTWARE\\οδος\\Two"));
        assert_eq!(keys.names_below(&key("SOFTWARE\\οδοσ")).len(), 2);
        // Two keys, although both names have the same lower case.
        assert!(!is_same("ẞ", "ß") && !keys.has(&key("SOFTWARE\\ẞ")));
        keys.make(&key("SOFTWARE\\ß"));
        assert!(!keys.has(&key("SOFTWARE\\ẞ")));
    }

    #[test]
    fn user_registry_and_its_lock_are_private() {
        let folder = tempfile::tempdir().expect("there is room");
        let machine = Machine::at(folder.path()).keeping(folder.path(), Some(folder.path().to_owned()));
        for (hive, number, expected) in
            [(Hive::LocalMachine, 0x8000_0002, 0o644), (Hive::CurrentUser, 0x8000_0001, 0o600)]
        {
            let store = Store::of(&machine, hive).expect("it is kept");
            let key = Key::parse(number, "SOFTWARE\\Site").expect("it is one");
            let make = |keys: &mut Keys| {
                keys.make(&key);
                Ok::<(), StoreError>(())
            };
            store.change(make).expect("it can be written");
            let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
            assert_eq!(mode(&store.path), expected, "{hive:?}");
            assert_eq!(mode(&store.path.with_extension("lock")), 0o600, "{hive:?}");
        }
    }

    #[test]
    fn invalid_store_differs_from_missing_store() {
        let folder = tempfile::tempdir().expect("there is room");
        let store = Store { path: folder.path().join("registry.toml"), mode: 0o600 };
        assert!(store.read().expect("it can be read").0.is_empty());
        for text in ["= x", "['SOFTWARE']\nA = 5\n", "A = 1\n"] {
            fs::write(&store.path, text).expect("there is room");
            assert!(matches!(store.read(), Err(StoreError::Content(_))), "{text}");
        }
    }
}
