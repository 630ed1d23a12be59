//! Typed values of request bodies. A rejected value is reported with its position in the body.

use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_json::{Value, json};
use serde_path_to_error::{Deserializer, Path, Segment, Track};
use webserver::{Feature, FeatureValue};

use crate::call::{Admitted, Body};
use crate::problem::Problem;

/// Returns the body as a typed value.
pub(crate) fn typed<T: DeserializeOwned>(request: &Admitted<'_>) -> Result<T, Problem> {
    typed_body(request.body()?)
}

/// Returns a body as a typed value.
pub(crate) fn typed_body<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    deserialize(PhantomData, body.into_value(), "")
}

/// Returns a member of the body as a typed value.
pub(crate) fn member<T: DeserializeOwned>(body: &Body, name: &str) -> Result<Option<T>, Problem> {
    let value = body.value(name).map(|value| deserialize(PhantomData, value.clone(), &format!("/{name}")));
    value.transpose()
}

/// Returns the body as a value of a feature, which its member `feature` must name.
pub(crate) fn feature_value(request: &Admitted<'_>, feature: Feature) -> Result<FeatureValue, Problem> {
    let body = request.body()?;
    let named = body.text("feature")?;
    if named != feature.name() {
        let named = named.escape_debug();
        return Err(Problem::invalid(format!("the value is one of {named}, not of {feature}")));
    }
    deserialize(feature, body.into_value(), "")
}

/// Deserializes a value that is at a JSON pointer of the body.
fn deserialize<'de, S: DeserializeSeed<'de>>(
    seed: S,
    value: Value,
    pointer: &str,
) -> Result<S::Value, Problem> {
    let mut track = Track::new();
    seed.deserialize(Deserializer::new(value, &mut track)).map_err(|error: serde_json::Error| {
        let pointer = format!("{pointer}{}", json_pointer(&track.path()));
        let reason = error.to_string();
        let detail = if pointer.is_empty() { reason.clone() } else { format!("{pointer}: {reason}") };
        // The member has the form of the example in RFC 9457, section 3.
        let errors = json!([{ "pointer": format!("#{pointer}"), "detail": reason }]);
        Problem::invalid(detail).with("errors", errors)
    })
}

/// Returns a path as a JSON pointer (RFC 6901). Names of enum variants are no part of it.
fn json_pointer(path: &Path) -> String {
    let segments = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    segments.collect()
}
