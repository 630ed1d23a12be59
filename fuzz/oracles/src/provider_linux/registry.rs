//! Properties of registry files, and of changes of keys.

use provider_linux::fuzzing::registry::{Data, Key, Keys, is_same};

/// Checks that a parsed file, written back, parses to the same keys.
pub(super) fn store(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(keys) = Keys::parse(text) else { return };
    read_again(&keys);
}

/// Checks that keys behave like a plain list of keys under any sequence of changes.
///
/// Each line is a change: an operation, the path of a key, the name of a value and its data, separated by
/// slashes.
pub(super) fn changes(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let (mut keys, mut list) = (Keys::default(), List::default());
    for line in text.lines().take(24) {
        let mut parts = line.splitn(4, '/');
        let mut part = || parts.next().unwrap_or_default();
        let (what, path, name, held) = (part(), part(), part(), part());
        let Some(key) = Key::parse(0x8000_0001, path).filter(|key| !key.path.is_empty()) else { continue };
        match what {
            "set" => {
                keys.set(&key, name, data(held));
                list.set(&key, name, data(held));
            }
            "unset" => assert_eq!(keys.remove_value(&key, name), list.remove_value(&key, name), "{line}"),
            // Keys with subkeys are not removed.
            "remove" if keys.names_below(&key).is_empty() => {
                keys.remove(&key);
                list.remove(&key);
            }
            _ => {
                keys.make(&key);
                list.make(&key.path);
            }
        }
        for depth in 0..=key.path.len() {
            let above = Key { hive: key.hive, path: key.path.get(..depth).unwrap_or_default().to_vec() };
            same(&keys, &list, &above);
        }
    }
    read_again(&keys);
}

fn same(keys: &Keys, list: &List, key: &Key) {
    assert_eq!(keys.has(key), list.has(key), "{key}");
    assert_eq!(keys.values(key), list.values(&key.path), "{key}");
    let found = keys.names_below(key);
    let wanted = list.names_below(key);
    assert!(found.iter().all(|name| has_name(&wanted, name)), "{key}: {found:?}, not {wanted:?}");
    assert!(wanted.iter().all(|name| has_name(&found, name)), "{key}: {found:?}, not {wanted:?}");
    let below = list.0.iter().filter(|(path, _)| starts_with(path, &key.path)).count();
    assert_eq!(keys.tree(key).count(), below, "{key}");
}

fn has_name(all: &[String], name: &str) -> bool {
    all.iter().any(|other| is_same(other, name))
}

/// Reference implementation: keys with their values, unordered.
#[derive(Default)]
struct List(Vec<(Vec<String>, Values)>);

type Values = Vec<(String, Data)>;

impl List {
    fn find(&self, path: &[String]) -> Option<usize> {
        self.0.iter().position(|(own, _)| own.len() == path.len() && starts_with(own, path))
    }

    fn values(&self, path: &[String]) -> &[(String, Data)] {
        let found = self.find(path).and_then(|place| self.0.get(place));
        found.map_or(&[], |(_, values)| values)
    }

    fn has(&self, key: &Key) -> bool {
        key.path.is_empty() || self.0.iter().any(|(own, _)| starts_with(own, &key.path))
    }

    fn names_below(&self, key: &Key) -> Vec<String> {
        let below = self.0.iter().filter(|(own, _)| starts_with(own, &key.path));
        below.filter_map(|(own, _)| own.get(key.path.len()).cloned()).collect()
    }

    fn make(&mut self, path: &[String]) -> &mut Values {
        let place = self.find(path).unwrap_or_else(|| {
            self.0.push((path.to_vec(), Vec::new()));
            self.0.len() - 1
        });
        &mut self.0.get_mut(place).expect("it was found or made").1
    }

    fn set(&mut self, key: &Key, name: &str, data: Data) {
        let values = self.make(&key.path);
        match values.iter_mut().find(|(own, _)| is_same(own, name)) {
            Some((_, own)) => *own = data,
            None => values.push((name.to_owned(), data)),
        }
    }

    fn remove_value(&mut self, key: &Key, name: &str) -> bool {
        let Some((_, values)) = self.find(&key.path).and_then(|place| self.0.get_mut(place)) else {
            return false;
        };
        values.iter().position(|(own, _)| is_same(own, name)).map(|found| values.remove(found)).is_some()
    }

    fn remove(&mut self, key: &Key) {
        if let Some(place) = self.find(&key.path) {
            self.0.remove(place);
        }
        if let Some((_, above @ [_, ..])) = key.path.split_last() {
            self.make(above);
        }
    }
}

fn starts_with(path: &[String], above: &[String]) -> bool {
    path.len() >= above.len() && path.iter().zip(above).all(|(own, other)| is_same(own, other))
}

/// Creates data of the type named before the colon.
fn data(held: &str) -> Data {
    match held.split_once(':') {
        Some(("expanded", text)) => Data::ExpandedText(text.to_owned()),
        Some(("binary", text)) => Data::Binary(text.as_bytes().to_vec()),
        Some(("number", text)) => Data::Number(text.parse().unwrap_or_default()),
        Some(("texts", text)) => Data::Texts(text.split(',').map(str::to_owned).collect()),
        Some(("long", text)) => Data::LongNumber(text.parse().unwrap_or_default()),
        _ => Data::Text(held.to_owned()),
    }
}

fn read_again(keys: &Keys) {
    let written = keys.to_text();
    let again = Keys::parse(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again, *keys, "{written}");
}
