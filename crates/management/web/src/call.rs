//! Requests, independent of the HTTP library.

use std::net::SocketAddr;
use std::str::FromStr;

use serde_json::Value;

use crate::caller::Caller;
use crate::problem::Problem;

/// A request with a complete body.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Method.
    pub(crate) method: String,
    /// Path, as sent.
    pub(crate) path: String,
    /// Query without the question mark, as sent.
    pub(crate) query: String,
    /// Headers with names in lower case; values that are not visible ASCII are left out.
    pub(crate) headers: Vec<(String, String)>,
    /// Body, of limited length.
    pub(crate) body: Vec<u8>,
    /// Address of the client.
    pub(crate) client: SocketAddr,
    /// Address of the listener.
    pub(crate) server: SocketAddr,
}

impl Call {
    /// Returns the value of a header that was sent exactly once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }

    /// Returns whether the method can change something.
    pub(crate) fn is_unsafe(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// Returns a parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(key, _)| *key == name).and_then(|(_, value)| decode(&value.replace('+', " ")))
    }
}

/// A request that was routed and admitted.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    pub(crate) call: &'a Call,
    /// Parts of the path in place of `{name}`, decoded.
    pub(crate) parts: Vec<(&'static str, String)>,
    /// The signed-in user; `None` for public routes.
    pub(crate) caller: Option<Caller>,
}

impl Admitted<'_> {
    /// Returns a part of the path.
    pub(crate) fn part(&self, name: &str) -> &str {
        self.parts.iter().find(|(other, _)| *other == name).map_or("", |(_, value)| value)
    }

    /// Returns a part of the path, parsed.
    pub(crate) fn parsed<T: FromStr>(&self, name: &'static str, what: &str) -> Result<T, Problem> {
        self.part(name).parse().map_err(|_| Problem::not_found(what))
    }

    /// Returns the signed-in user.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(Problem::sign_in_required)
    }

    /// Returns whether only a preview is requested: `?dry_run=true`.
    pub(crate) fn dry_run(&self) -> Result<bool, Problem> {
        match self.call.parameter("dry_run").as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid("dry_run is true or false")),
        }
    }

    /// Returns a number of the query, or its default.
    pub(crate) fn number(&self, name: &'static str, usual: u64) -> Result<u64, Problem> {
        match self.call.parameter(name) {
            None => Ok(usual),
            Some(text) => text.parse().map_err(|_| Problem::invalid(format!("{name} is not a number"))),
        }
    }

    /// Returns the maximum number of items of a list: `limit`, or its default.
    pub(crate) fn limit(&self, usual: u64, most: usize) -> Result<usize, Problem> {
        let limit = usize::try_from(self.number("limit", usual)?).ok();
        limit
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| Problem::invalid(format!("limit is a number from 1 to {most}")))
    }

    /// Returns the body as a JSON object.
    pub(crate) fn body(&self) -> Result<Body, Problem> {
        let kind = self.call.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(415, "media-type", "the body must be application/json"));
        }
        match serde_json::from_slice(&self.call.body) {
            Ok(value @ Value::Object(_)) => Ok(Body(value)),
            Ok(_) => Err(Problem::invalid("the body is not a JSON object")),
            Err(error) => Err(Problem::invalid(format!("the body is not JSON: {error}"))),
        }
    }
}

/// A JSON object of a request.
#[derive(Debug)]
pub(crate) struct Body(Value);

impl Body {
    /// Uses a JSON object.
    pub(crate) fn new(object: Value) -> Self {
        Self(object)
    }

    /// Rejects members with other names.
    pub(crate) fn require_only(&self, names: &[&str]) -> Result<(), Problem> {
        let unknown =
            self.0.as_object().into_iter().flatten().find(|(name, _)| !names.contains(&name.as_str()));
        unknown.map_or(Ok(()), |(name, _)| {
            let name = name.escape_debug();
            Err(Problem::invalid(format!("unknown member \"{name}\"; expected {}", names.join(", "))))
        })
    }

    /// Returns the object.
    pub(crate) fn into_value(self) -> Value {
        self.0
    }

    /// Returns a member.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns a member that is text.
    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::invalid(format!("{name} is not a string"))),
        }
    }

    /// Returns a required member that is text.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Problem> {
        self.optional_text(name)?.ok_or_else(|| Problem::invalid(format!("{name} is missing")))
    }

    /// Returns a member that is a truth value.
    pub(crate) fn truth(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(Problem::invalid(format!("{name} is not true or false"))),
        }
    }
}

/// Decodes `%XX`; `None` if the result is not UTF-8 or a sequence is incomplete.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_sequences_are_decoded_once() {
        assert_eq!(decode("a%2Fb%252f").as_deref(), Some("a/b%2f"));
        assert_eq!((decode("%2"), decode("%ff"), decode("%zz")), (None, None, None));
    }
}
