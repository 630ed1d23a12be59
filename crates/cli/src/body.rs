//! Conversion of key/value input to XML.

use xml::{Element, Fragment, Name, Writer};

use crate::error::Error;
use crate::input::{KeyValues, Value};
use crate::markup::{self, BASE, XSI};

/// Returns the body of `create` or `invoke`: one element per key, in the namespace of the resource.
///
/// `root` is the last segment of the resource URI, or the action with the suffix `_INPUT`, in the case typed.
///
/// # Errors
/// [`Error::BadKey`] for a root or key that is not a valid element name.
pub fn write(root: &str, namespace: &str, values: &KeyValues) -> Result<Fragment, Error> {
    let mut writer = Writer::new();
    writer.start(&prefixed(root)?).namespace("p", namespace);
    if values.iter().any(|(_, value)| *value == Value::Null) {
        writer.namespace("xsi", XSI);
    }
    for (key, value) in values.iter() {
        match value {
            Value::Text(text) => writer.element(&prefixed(key)?, text),
            Value::Null => writer.start(&prefixed(key)?).attribute("xsi:nil", "true").end_empty(),
        };
    }
    Ok(writer.into_fragment())
}

/// Returns a valid element name with the prefix `p`.
fn prefixed(name: &str) -> Result<String, Error> {
    let parsed = Name::parse(name).map_err(|_| Error::BadKey { key: name.to_owned() })?;
    Ok(parsed.with_prefix("p"))
}

/// Returns the body of `set`: the resource returned by Get, with the values of some properties replaced.
///
/// # Errors
/// [`Error::NotSettable`] for a key that does not match exactly one property with text content.
pub fn modify(resource: Element<'_>, values: &KeyValues) -> Result<Fragment, Error> {
    values.iter().try_for_each(|(key, _)| find(resource, key).map(drop))?;
    let mut writer = Writer::new();
    markup::open_alone(&mut writer, resource);
    markup::attributes(&mut writer, resource, |_, _| false);
    for property in resource.children() {
        let settable = property.namespace() != BASE;
        match values.iter().find(|(key, _)| settable && *key == property.name()) {
            Some((_, value)) => replace(&mut writer, property, value),
            None => markup::rewrite(&mut writer, property),
        }
    }
    Ok(writer.into_fragment())
}

fn find<'a>(resource: Element<'a>, key: &str) -> Result<Element<'a>, Error> {
    let mut matches =
        resource.children().filter(|property| property.name() == key && property.namespace() != BASE);
    let problem = match (matches.next(), matches.next()) {
        (None, _) => "is not a property of the resource",
        (Some(_), Some(_)) => "occurs more than once in the resource",
        (Some(property), None) if markup::has_children(property) => "contains other properties",
        (Some(property), None) => return Ok(property),
    };
    Err(Error::NotSettable { key: key.to_owned(), problem })
}

fn replace(writer: &mut Writer, property: Element<'_>, value: &Value) {
    markup::open(writer, property);
    if *value == Value::Null && property.resolve("xsi") != Some(XSI) {
        writer.namespace("xsi", XSI);
    }
    markup::attributes(writer, property, |namespace, name| namespace == XSI && name == "nil");
    match value {
        Value::Text(text) => writer.text(text).end(),
        Value::Null => writer.attribute("xsi:nil", "true").end_empty(),
    };
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    const CLIENT: &str = "<s:B xmlns:s=\"urn:s\" xmlns:cfg=\"urn:cfg\"><cfg:Client xml:lang=\"en-US\">\
        <cfg:NetworkDelayms>5000</cfg:NetworkDelayms><cfg:Auth><cfg:Basic>true</cfg:Basic></cfg:Auth>\
        <cfg:TrustedHosts Source=\"local\"></cfg:TrustedHosts><cfg:A/><cfg:A/>\
        <b:Location xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/base\">here</b:Location></cfg:Client></s:B>";

    fn set(input: &str) -> Result<String, Error> {
        let document = Document::parse(CLIENT, &Bounds::default()).unwrap();
        let client = document.root().children().next().unwrap();
        modify(client, &KeyValues::parse_input(input)?).map(|body| body.as_str().to_owned())
    }

    #[test]
    fn create_and_invoke_write_one_element_per_key() {
        let values = KeyValues::parse_input(r#"@{CommandLine="a < b";Dir=$null}"#).unwrap();
        let body = write("Create_INPUT", "urn:p", &values).unwrap();
        assert_eq!(
            body.as_str(),
            "<p:Create_INPUT xmlns:p=\"urn:p\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <p:CommandLine>a &lt; b</p:CommandLine><p:Dir xsi:nil=\"true\"/></p:Create_INPUT>"
        );
        let empty = write("restore_INPUT", "urn:p", &KeyValues::default()).unwrap();
        assert_eq!(empty.as_str(), "<p:restore_INPUT xmlns:p=\"urn:p\"></p:restore_INPUT>");
    }

    #[test]
    fn a_key_that_is_not_an_element_name_is_rejected() {
        let values = KeyValues::parse_input(r#"@{cfg:Foo="1"}"#).unwrap();
        assert_eq!(write("X", "urn:p", &values), Err(Error::BadKey { key: "cfg:Foo".to_owned() }));
        assert_eq!(write("*", "urn:p", &values), Err(Error::BadKey { key: "*".to_owned() }));
    }

    #[test]
    fn set_replaces_only_the_named_properties() {
        let body = set(r#"@{TrustedHosts="*.example & co"}"#).unwrap();
        assert!(body.starts_with("<cfg:Client xmlns:cfg=\"urn:cfg\" xml:lang=\"en-US\">"), "{body}");
        assert!(
            body.contains("<cfg:TrustedHosts Source=\"local\">*.example &amp; co</cfg:TrustedHosts>"),
            "{body}"
        );
        let unchanged =
            "<cfg:NetworkDelayms>5000</cfg:NetworkDelayms><cfg:Auth><cfg:Basic>true</cfg:Basic></cfg:Auth>";
        assert!(body.contains(unchanged), "{body}");
        assert!(Document::parse(body, &Bounds::default()).is_ok());
    }

    #[test]
    fn set_writes_and_removes_null() {
        let body = set("@{NetworkDelayms=$null}").unwrap();
        let document = Document::parse(body, &Bounds::default()).unwrap();
        let delay = document.root().child("urn:cfg", "NetworkDelayms").unwrap();
        assert!(markup::is_nil(delay));
        let again = modify(document.root(), &KeyValues::parse_input(r#"@{NetworkDelayms="7"}"#).unwrap());
        let again = again.unwrap();
        assert!(again.as_str().contains(">7</cfg:NetworkDelayms>"), "{}", again.as_str());
        assert!(!again.as_str().contains("nil="), "{}", again.as_str());
    }

    #[test]
    fn set_rejects_keys_that_are_not_one_plain_property() {
        for key in ["Missing", "trustedhosts", "Auth", "A", "Location"] {
            let error = set(&format!("@{{{key}=\"x\"}}")).unwrap_err();
            assert!(matches!(error, Error::NotSettable { .. }), "{key}: {error}");
        }
    }
}
