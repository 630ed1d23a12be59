//! The XML that key/value input becomes.

use xml::{Element, Fragment, Name, Writer};

use crate::error::Error;
use crate::input::{KeyValues, Value};
use crate::markup::{self, BASE, XSI};

/// The body of `create` and `invoke`: one element per key, in the namespace of the resource.
///
/// `root` is the last segment of the resource URI, or the action with `_INPUT`; the case stays as typed.
///
/// # Errors
/// [`Error::BadKey`] for a root or key that cannot be the name of an element.
pub fn write(root: &str, namespace: &str, values: &KeyValues) -> Result<Fragment, Error> {
    let name = |text: &str| {
        let name = Name::parse(text).map_err(|_| Error::BadKey { key: text.to_owned() })?;
        Ok::<_, Error>(name.with_prefix("p"))
    };
    let mut writer = Writer::new();
    writer.start(&name(root)?).namespace("p", namespace);
    if values.iter().any(|(_, value)| *value == Value::Null) {
        writer.namespace("xsi", XSI);
    }
    for (key, value) in values.iter() {
        match value {
            Value::Text(text) => writer.element(&name(key)?, text),
            Value::Null => writer.start(&name(key)?).attribute("xsi:nil", "true").end_empty(),
        };
    }
    Ok(writer.into_fragment())
}

/// The body of `set`: the resource as Get returned it, with the values of some properties replaced.
///
/// # Errors
/// [`Error::NotSettable`] for a key that is not exactly one property holding only text.
pub fn modify(resource: Element<'_>, values: &KeyValues) -> Result<Fragment, Error> {
    values.iter().try_for_each(|(key, _)| find(resource, key).map(drop))?;
    let value_of = |property: Element<'_>| {
        let settable = property.namespace() != BASE;
        values.iter().find(|(key, _)| settable && *key == property.name()).map(|(_, value)| value)
    };
    let mut writer = Writer::new();
    markup::open_alone(&mut writer, resource);
    markup::attributes(&mut writer, resource, |_, _| false);
    for property in resource.children() {
        match value_of(property) {
            Some(value) => replace(&mut writer, property, value),
            None => markup::rewrite(&mut writer, property),
        }
    }
    Ok(writer.into_fragment())
}

fn find<'a>(resource: Element<'a>, key: &str) -> Result<Element<'a>, Error> {
    let wrong = |problem| Error::NotSettable { key: key.to_owned(), problem };
    let mut matches =
        resource.children().filter(|property| property.name() == key && property.namespace() != BASE);
    let property = matches.next().ok_or_else(|| wrong("is no property of the resource"))?;
    if matches.next().is_some() {
        return Err(wrong("occurs more than once in the resource"));
    }
    if markup::has_children(property) {
        return Err(wrong("holds other properties"));
    }
    Ok(property)
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
    fn a_key_that_is_no_name_is_refused() {
        let values = KeyValues::parse_input(r#"@{cfg:Foo="1"}"#).unwrap();
        assert_eq!(write("X", "urn:p", &values), Err(Error::BadKey { key: "cfg:Foo".to_owned() }));
        assert_eq!(write("*", "urn:p", &values), Err(Error::BadKey { key: "*".to_owned() }));
    }

    #[test]
    fn set_replaces_what_is_named_and_keeps_the_rest() {
        let body = set(r#"@{TrustedHosts="*.example & co"}"#).unwrap();
        assert!(body.starts_with("<cfg:Client xmlns:cfg=\"urn:cfg\" xml:lang=\"en-US\">"), "{body}");
        assert!(
            body.contains("<cfg:TrustedHosts Source=\"local\">*.example &amp; co</cfg:TrustedHosts>"),
            "{body}"
        );
        let kept =
            "<cfg:NetworkDelayms>5000</cfg:NetworkDelayms><cfg:Auth><cfg:Basic>true</cfg:Basic></cfg:Auth>";
        assert!(body.contains(kept), "{body}");
        assert!(Document::parse(body, &Bounds::default()).is_ok());
    }

    #[test]
    fn set_to_null_and_back() {
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
    fn set_refuses_what_is_not_one_plain_property() {
        for key in ["Missing", "trustedhosts", "Auth", "A", "Location"] {
            let error = set(&format!("@{{{key}=\"x\"}}")).unwrap_err();
            assert!(matches!(error, Error::NotSettable { .. }), "{key}: {error}");
        }
    }
}
