//! Conversion of key/value input to XML.

use wording::resource_values::{self, NamedValue, ValueError};
use xml::{Element, Fragment};

use crate::error::Error;
use crate::input::{KeyValues, Value};

/// Returns the body of `create` or `invoke`: one element per key, in the namespace of the resource.
///
/// `root` is the last segment of the resource URI, or the action with the suffix `_INPUT`, in the case typed.
///
/// # Errors
/// [`Error::BadKey`] for a root or key that is not a valid element name.
pub fn write(root: &str, namespace: &str, values: &KeyValues) -> Result<Fragment, Error> {
    Ok(resource_values::new_element(root, namespace, &named(values))?)
}

/// Returns the body of `set`: the resource returned by Get, with the values of some properties replaced.
///
/// # Errors
/// [`Error::NotSettable`] for a key that does not match exactly one property with text content, or an attribute that holds
/// a value.
pub fn modify(resource: Element<'_>, values: &KeyValues) -> Result<Fragment, Error> {
    Ok(resource_values::with_values(resource, &named(values))?)
}

fn named(values: &KeyValues) -> Vec<NamedValue<'_>> {
    values.iter().map(|(key, value)| (key, text(value))).collect()
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Null => None,
    }
}

impl From<ValueError> for Error {
    fn from(error: ValueError) -> Self {
        match error {
            ValueError::NotSettable { name, problem } => Self::NotSettable { key: name, problem },
            ValueError::BadName { name } => Self::BadKey { key: name },
        }
    }
}

#[cfg(test)]
mod tests {
    use wsman::namespace::PLUGIN_CONFIGURATION;
    use xml::{Bounds, Document};

    use super::*;
    use crate::markup;

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
