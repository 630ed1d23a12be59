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
/// [`Error::NotSettable`] for a key that does not match exactly one property with text content, or an attribute that holds
/// a value ([`markup::fields`]).
pub fn modify(resource: Element<'_>, values: &KeyValues) -> Result<Fragment, Error> {
    values.iter().try_for_each(|(key, value)| check(resource, key, value))?;
    let mut writer = Writer::new();
    markup::open_alone(&mut writer, resource);
    let attributes: Vec<_> = values.iter().filter(|(key, _)| is_field(resource, key)).collect();
    markup::attributes(&mut writer, resource, |namespace, name| {
        namespace.is_empty() && attributes.iter().any(|(key, _)| *key == name)
    });
    for (key, value) in attributes {
        if let Value::Text(text) = value {
            writer.attribute(key, text);
        }
    }
    for property in resource.children() {
        let settable = property.namespace() != BASE;
        match values.iter().find(|(key, _)| settable && *key == property.name()) {
            Some((_, value)) => replace(&mut writer, property, value),
            None => markup::rewrite(&mut writer, property),
        }
    }
    Ok(writer.into_fragment())
}

/// Returns whether an attribute of the resource holds the value of a key.
fn is_field(resource: Element<'_>, key: &str) -> bool {
    markup::fields(resource).any(|attribute| attribute.name() == key)
}

/// Requires that a key names one value of the resource, which can be replaced by this one.
fn check(resource: Element<'_>, key: &str, value: &Value) -> Result<(), Error> {
    let mut matches =
        resource.children().filter(|property| property.name() == key && property.namespace() != BASE);
    let problem = match (matches.next(), matches.next(), is_field(resource, key)) {
        (None, _, false) => "is not a property of the resource",
        (None, _, true) if *value == Value::Null => "is an attribute, which cannot be $null",
        (None, _, true) => return Ok(()),
        (Some(_), Some(_), _) | (Some(_), _, true) => "occurs more than once in the resource",
        (Some(property), None, false) if markup::has_children(property) => "contains other properties",
        (Some(_), None, false) => return Ok(()),
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
mod tests {
    use wsman::namespace::PLUGIN_CONFIGURATION;
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
    fn set_replaces_attributes_of_a_plug_in() {
        let plugin = format!(
            "<w:B xmlns:w=\"urn:w\"><PlugInConfiguration xmlns=\"{PLUGIN_CONFIGURATION}\" Name=\"A\" \
             Enabled=\"true\" xml:lang=\"en-US\"><Resources><Resource Enabled=\"true\"/></Resources>\
             <Quotas Name=\"x\"/></PlugInConfiguration></w:B>"
        );
        let document = Document::parse(&plugin, &Bounds::default()).unwrap();
        let plugin = document.root().children().next().unwrap();
        let set = |input: &str| modify(plugin, &KeyValues::parse_input(input).unwrap());
        let body = set(r#"@{Enabled="a & b"}"#).unwrap();
        assert_eq!(
            body.as_str(),
            format!(
                "<PlugInConfiguration xmlns=\"{PLUGIN_CONFIGURATION}\" Name=\"A\" xml:lang=\"en-US\" \
                 Enabled=\"a &amp; b\"><Resources><Resource Enabled=\"true\"></Resource></Resources>\
                 <Quotas Name=\"x\"></Quotas></PlugInConfiguration>"
            )
        );
        for (input, problem) in [
            ("@{Enabled=$null}", "cannot be $null"),
            ("@{enabled=\"x\"}", "is not a property"),
            ("@{lang=\"x\"}", "is not a property"),
            ("@{Resources=\"x\"}", "contains other properties"),
        ] {
            let error = set(input).unwrap_err().to_string();
            assert!(error.contains(problem), "{input}: {error}");
        }
    }

    #[test]
    fn set_rejects_keys_that_are_not_one_plain_property() {
        for key in ["Missing", "trustedhosts", "Auth", "A", "Location"] {
            let error = set(&format!("@{{{key}=\"x\"}}")).unwrap_err();
            assert!(matches!(error, Error::NotSettable { .. }), "{key}: {error}");
        }
    }
}
