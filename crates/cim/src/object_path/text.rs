//! Parser and printer of object paths.

use std::fmt;

use super::{Error, Identity, KeyValue, Name, Namespace, ObjectPath, integer, is_name};

pub(super) fn read(text: &str) -> Result<ObjectPath, Error> {
    if text.len() > ObjectPath::MAX {
        return Err(Error::TooMuch { what: "bytes of an object path", limit: ObjectPath::MAX });
    }
    let mut reader = Reader { text, at: 0 };
    let (server, namespace) = reader.prefix()?;
    let class = reader.name("a class name")?;
    reader.skip_space();
    let identity = match reader.peek() {
        None => Identity::Class,
        Some('=') => {
            reader.at += 1;
            reader.skip_space();
            if reader.eat('@') { Identity::Singleton } else { Identity::Unnamed(reader.value()?) }
        }
        Some('.') => {
            reader.at += 1;
            Identity::Keys(reader.keys()?)
        }
        Some(_) => return Err(reader.expected("'.', '=' or the end")),
    };
    reader.skip_space();
    match reader.peek() {
        None => Ok(ObjectPath { server, namespace, class, identity }),
        Some(_) => Err(reader.expected("the end")),
    }
}

struct Reader<'t> {
    text: &'t str,
    /// INVARIANT: at a character boundary.
    at: usize,
}

impl<'t> Reader<'t> {
    /// Parses the part before the class: `\\host\root\cimv2:`, `root\cimv2:` or nothing.
    fn prefix(&mut self) -> Result<(Option<String>, Option<Namespace>), Error> {
        self.skip_space();
        let has_server = self.rest().starts_with("\\\\") || self.rest().starts_with("//");
        // The colon that ends a namespace precedes every character of keys.
        let end = self
            .rest()
            .find([':', '"', '\'', '='])
            .filter(|end| self.rest().get(*end..).is_some_and(|rest| rest.starts_with(':')));
        let Some(end) = end else {
            return if has_server {
                Err(self.expected("a namespace that ends with ':'"))
            } else {
                Ok((None, None))
            };
        };
        let prefix = self.rest().get(..end).unwrap_or_default();
        let from = self.at;
        self.at += end + 1;
        if prefix.is_empty() {
            return Ok((None, None));
        }
        if !has_server {
            return Ok((None, Some(parse_namespace(prefix, from)?)));
        }
        let prefix = prefix.get(2..).unwrap_or_default();
        let (server, namespace) = prefix
            .split_once(['\\', '/'])
            .ok_or(Error::Path { at: from, expected: "a machine and a namespace" })?;
        if server.is_empty() || !server.bytes().all(is_host_byte) {
            return Err(Error::Path { at: from, expected: "a machine name" });
        }
        let namespace = parse_namespace(namespace, from)?;
        Ok((Some(server.to_owned()), Some(namespace)))
    }

    fn keys(&mut self) -> Result<Vec<(Name, KeyValue)>, Error> {
        let mut keys: Vec<(Name, KeyValue)> = Vec::new();
        loop {
            self.skip_space();
            let from = self.at;
            let name = self.name("a key name")?;
            if keys.iter().any(|(before, _)| *before == name) {
                return Err(Error::Path { at: from, expected: "a key that was not given before" });
            }
            if keys.len() >= ObjectPath::MAX_KEYS {
                return Err(Error::TooMuch { what: "keys of an object path", limit: ObjectPath::MAX_KEYS });
            }
            self.skip_space();
            if !self.eat('=') {
                return Err(self.expected("'='"));
            }
            self.skip_space();
            keys.push((name, self.value()?));
            self.skip_space();
            if !self.eat(',') {
                return Ok(keys);
            }
        }
    }

    fn value(&mut self) -> Result<KeyValue, Error> {
        match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote).map(KeyValue::Text),
            _ => {
                let end = self.rest().find([',', ' ', '\t', '\r', '\n']).unwrap_or(self.rest().len());
                let word = self.rest().get(..end).unwrap_or_default();
                let value = if word.eq_ignore_ascii_case("true") {
                    KeyValue::Boolean(true)
                } else if word.eq_ignore_ascii_case("false") {
                    KeyValue::Boolean(false)
                } else {
                    let hexadecimal = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
                    let number = match hexadecimal {
                        Some(digits) => u64::from_str_radix(digits, 16).ok().map(i128::from),
                        None => integer(word),
                    };
                    KeyValue::Integer(number.ok_or_else(|| self.expected("a value"))?)
                };
                self.at += end;
                Ok(value)
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        self.at += 1;
        let mut value = String::new();
        let mut characters = self.rest().char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped)) => value.push(escaped),
                    None => break,
                },
                character if character == quote => {
                    self.at += at + 1;
                    return Ok(value);
                }
                character => value.push(character),
            }
        }
        self.at = self.text.len();
        Err(self.expected("the closing quotation mark"))
    }

    fn name(&mut self, expected: &'static str) -> Result<Name, Error> {
        let is_name_byte = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'_';
        let length = self.rest().bytes().take_while(is_name_byte).count();
        let name = self.rest().get(..length).filter(|name| is_name(name));
        let name = name.and_then(|name| Name::parse(name).ok()).ok_or_else(|| self.expected(expected))?;
        self.at += length;
        Ok(name)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Consumes an ASCII character, if it is next.
    fn eat(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        if found {
            self.at += character.len_utf8();
        }
        found
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn expected(&self, expected: &'static str) -> Error {
        Error::Path { at: self.at, expected }
    }
}

fn parse_namespace(text: &str, at: usize) -> Result<Namespace, Error> {
    Namespace::parse(text).map_err(|_| Error::Path { at, expected: "a namespace" })
}

fn is_host_byte(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b'[' | b']')
}

pub(super) fn write(path: &ObjectPath, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(namespace) = &path.namespace {
        if let Some(server) = &path.server {
            write!(f, "\\\\{server}\\")?;
        }
        write!(f, "{}:", namespace.to_backslashes())?;
    }
    write!(f, "{}", path.class)?;
    match &path.identity {
        Identity::Class => Ok(()),
        Identity::Singleton => f.write_str("=@"),
        Identity::Unnamed(value) => {
            f.write_str("=")?;
            write_value(value, f)
        }
        Identity::Keys(keys) => {
            let mut keys: Vec<_> = keys.iter().collect();
            keys.sort_by(|(left, _), (right, _)| left.cmp(right));
            for (at, (name, value)) in keys.into_iter().enumerate() {
                write!(f, "{}{name}=", if at == 0 { '.' } else { ',' })?;
                write_value(value, f)?;
            }
            Ok(())
        }
    }
}

fn write_value(value: &KeyValue, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        KeyValue::Boolean(true) => f.write_str("TRUE"),
        KeyValue::Boolean(false) => f.write_str("FALSE"),
        KeyValue::Integer(number) => write!(f, "{number}"),
        KeyValue::Text(text) => write_quoted(text, f),
        KeyValue::Reference(path) => write_quoted(&path.to_string(), f),
    }
}

fn write_quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
