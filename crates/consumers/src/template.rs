//! Text templates with event properties between percent signs (Win32, standard string templates of WMI).

use cim::{Instance, Value};

/// A text with placeholders `%Property%` and `%Object.Property%`; `%%` is a percent sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A property, and names of nested properties.
    Place(Vec<String>),
}

/// Maximum length of a filled template in bytes.
pub const MAX_FILLED: usize = 64 * 1024;

impl Template {
    /// Parses a template. A percent sign that does not start a placeholder is literal.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            plain += before;
            rest = match behind.split_once('%') {
                Some(("", after)) => {
                    plain.push('%');
                    after
                }
                Some((inside, after)) if is_path(inside) => {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(Part::Place(inside.split('.').map(str::to_owned).collect()));
                    after
                }
                _ => {
                    plain.push('%');
                    behind
                }
            };
        }
        plain += rest;
        parts.push(Part::Text(plain));
        parts.retain(|part| *part != Part::Text(String::new()));
        Self(parts)
    }

    /// Returns whether the template has no placeholders.
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Fills the template for an event; properties that the event lacks are omitted.
    pub fn fill(&self, event: &Instance) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text += plain,
                Part::Place(path) => text += &shown(event, path),
            }
            // A template may have many placeholders, and each value may be long.
            if text.len() > MAX_FILLED {
                let end = (0..=MAX_FILLED).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                text.truncate(end);
                break;
            }
        }
        text
    }
}

fn is_path(text: &str) -> bool {
    text.split('.').all(|name| cim::Name::parse(name).is_ok())
}

fn shown(object: &Instance, path: &[String]) -> String {
    let Some((name, deeper)) = path.split_first() else { return String::new() };
    match object.value(name) {
        Some(Value::Object(inner)) if !deeper.is_empty() => shown(inner, deeper),
        Some(Value::Object(inner)) => inner.path().map(|path| path.to_string()).unwrap_or_default(),
        Some(Value::Array(elements)) if deeper.is_empty() => {
            let elements: Vec<String> = elements.iter().map(plain).collect();
            format!("{{{}}}", elements.join(","))
        }
        Some(value) if deeper.is_empty() => plain(value),
        None if deeper.is_empty() && name.eq_ignore_ascii_case("__CLASS") => {
            object.class().name().to_string()
        }
        _ => String::new(),
    }
}

fn plain(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_text() }
}

#[cfg(test)]
mod tests {
    use cim::{Namespace, Schema};

    use super::*;

    fn event() -> Instance {
        let schema = Schema::of(Namespace::cimv2());
        let process = Instance::new(schema.class("Win32_Process").expect("a class"))
            .with("Name", "sh; reboot")
            .and_then(|process| process.with("ProcessId", 7_u32))
            .expect("properties");
        let class = schema.class("__InstanceCreationEvent").expect("a class");
        Instance::new(class).with("TargetInstance", Value::Object(process.into())).expect("a property")
    }

    #[test]
    fn placeholders_are_replaced_and_other_percent_signs_kept() {
        for (text, filled) in [
            ("%TargetInstance.Name% is %targetinstance.PROCESSID%", "sh; reboot is 7"),
            ("100%% of %Nothing%%TargetInstance.Caption%.", "100% of ."),
            ("50% and more", "50% and more"),
            ("a %b c% %TargetInstance.ProcessId%", "a %b c% 7"),
            ("%__CLASS% %TargetInstance.__CLASS%", "__InstanceCreationEvent Win32_Process"),
            ("%", "%"),
        ] {
            assert_eq!(Template::parse(text).fill(&event()), filled, "{text}");
        }
        assert!(Template::parse("/bin/100%%").is_fixed() && !Template::parse("%Name%").is_fixed());
    }

    #[test]
    fn event_text_is_not_parsed_as_a_template() {
        let class = event().class().clone();
        let schema = Schema::of(Namespace::cimv2());
        let process = Instance::new(schema.class("Win32_Process").expect("a class"))
            .with("Name", "%TargetInstance.ProcessId%")
            .expect("a property");
        let event = Instance::new(class).with("TargetInstance", Value::Object(process.into()));
        let filled = Template::parse("%TargetInstance.Name%").fill(&event.expect("a property"));
        assert_eq!(filled, "%TargetInstance.ProcessId%");
    }
}
