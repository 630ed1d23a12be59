//! Writes the XML of events in the compact style of Windows: attributes in single quotes, no white space.

use std::fmt::Write as _;

use super::{Body, DataItem, Event, NAMESPACE, RenderingInfo, System, Tree};

impl Event<'_> {
    /// Returns the XML of the event. Characters that XML does not allow are written as U+FFFD.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut out = String::with_capacity(1_024);
        self.write_xml(&mut out);
        out
    }

    /// Appends the XML of the event to a buffer.
    pub fn write_xml(&self, out: &mut String) {
        out.push_str("<Event xmlns='");
        out.push_str(NAMESPACE);
        out.push_str("'>");
        write_system(out, &self.system);
        match &self.body {
            Some(Body::EventData { name, items }) => {
                out.push_str("<EventData");
                attribute(out, "Name", name.as_deref());
                out.push('>');
                items.iter().for_each(|item| write_item(out, item));
                out.push_str("</EventData>");
            }
            Some(Body::Other(tree)) => write_tree(out, tree, NAMESPACE),
            None => {}
        }
        if let Some(info) = &self.rendering {
            write_rendering(out, info);
        }
        out.push_str("</Event>");
    }
}

fn write_system(out: &mut String, system: &System<'_>) {
    out.push_str("<System><Provider");
    attribute(out, "Name", Some(&system.provider.name).filter(|name| !name.is_empty()).map(AsRef::as_ref));
    attribute(out, "Guid", system.provider.guid.as_deref());
    attribute(out, "EventSourceName", system.provider.event_source.as_deref());
    out.push_str("/><EventID");
    numeric_attribute(out, "Qualifiers", system.qualifiers.map(u32::from));
    append(out, format_args!(">{}</EventID>", system.event_id));
    for (name, value) in [
        ("Version", system.version.map(u16::from)),
        ("Level", system.level.map(u16::from)),
        ("Task", system.task),
        ("Opcode", system.opcode.map(u16::from)),
    ] {
        if let Some(value) = value {
            append(out, format_args!("<{name}>{value}</{name}>"));
        }
    }
    if let Some(keywords) = system.keywords {
        append(out, format_args!("<Keywords>0x{keywords:x}</Keywords>"));
    }
    if let Some(time) = system.time_created {
        append(out, format_args!("<TimeCreated SystemTime='{time}'/>"));
    }
    if let Some(record) = system.record_id {
        append(out, format_args!("<EventRecordID>{record}</EventRecordID>"));
    }
    if let Some(correlation) = &system.correlation {
        out.push_str("<Correlation");
        attribute(out, "ActivityID", correlation.activity.as_deref());
        attribute(out, "RelatedActivityID", correlation.related_activity.as_deref());
        out.push_str("/>");
    }
    if let Some(execution) = &system.execution {
        out.push_str("<Execution");
        for (name, value) in [
            ("ProcessID", Some(execution.process)),
            ("ThreadID", Some(execution.thread)),
            ("ProcessorID", execution.processor),
            ("SessionID", execution.session),
            ("KernelTime", execution.kernel_time),
            ("UserTime", execution.user_time),
            ("ProcessorTime", execution.processor_time),
        ] {
            numeric_attribute(out, name, value);
        }
        out.push_str("/>");
    }
    if let Some(channel) = &system.channel {
        element(out, "Channel", channel);
    }
    element(out, "Computer", &system.computer);
    if let Some(security) = &system.security {
        out.push_str("<Security");
        attribute(out, "UserID", security.user.as_deref());
        out.push_str("/>");
    }
    out.push_str("</System>");
}

fn write_item(out: &mut String, item: &DataItem<'_>) {
    match item {
        DataItem::Data { name, value } => {
            out.push_str("<Data");
            attribute(out, "Name", name.as_deref());
            content(out, "Data", value);
        }
        DataItem::Binary(digits) => element(out, "Binary", digits),
        DataItem::Complex(tree) => write_tree(out, tree, NAMESPACE),
    }
}

fn write_tree(out: &mut String, tree: &Tree<'_>, outer: &str) {
    /// Namespace of the prefix `xml`, which is never declared.
    const XML: &str = "http://www.w3.org/XML/1998/namespace";
    let is_xml = tree.namespace == XML;
    append(out, format_args!("<{}{}", if is_xml { "xml:" } else { "" }, tree.name));
    let inner = if is_xml { outer } else { tree.namespace.as_ref() };
    if inner != outer {
        attribute(out, "xmlns", Some(inner));
    }
    for (number, (namespace, name, value)) in tree.attributes.iter().enumerate() {
        match namespace.as_ref() {
            "" => attribute(out, name, Some(value)),
            XML => attribute(out, &format!("xml:{name}"), Some(value)),
            uri => {
                attribute(out, &format!("xmlns:n{number}"), Some(uri));
                attribute(out, &format!("n{number}:{name}"), Some(value));
            }
        }
    }
    if tree.text.is_empty() && tree.children.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    escape(out, &tree.text, Context::Text);
    tree.children.iter().for_each(|child| write_tree(out, child, inner));
    append(out, format_args!("</{}{}>", if is_xml { "xml:" } else { "" }, tree.name));
}

fn write_rendering(out: &mut String, info: &RenderingInfo<'_>) {
    out.push_str("<RenderingInfo");
    attribute(out, "Culture", info.culture.as_deref());
    out.push('>');
    for (name, text) in [
        ("Message", &info.message),
        ("Level", &info.level),
        ("Task", &info.task),
        ("Opcode", &info.opcode),
        ("Channel", &info.channel),
        ("Provider", &info.provider),
    ] {
        if let Some(text) = text {
            element(out, name, text);
        }
    }
    if !info.keywords.is_empty() {
        out.push_str("<Keywords>");
        info.keywords.iter().for_each(|keyword| element(out, "Keyword", keyword));
        out.push_str("</Keywords>");
    }
    out.push_str("</RenderingInfo>");
}

fn element(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    content(out, name, text);
}

/// Closes a start tag and writes text and end tag; an element without text is `<name/>`.
fn content(out: &mut String, name: &str, text: &str) {
    if text.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    escape(out, text, Context::Text);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn attribute(out: &mut String, name: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    escape(out, value, Context::Attribute);
    out.push('\'');
}

fn numeric_attribute(out: &mut String, name: &str, value: Option<u32>) {
    if let Some(value) = value {
        append(out, format_args!(" {name}='{value}'"));
    }
}

/// Appends formatted text; writing to a string never fails.
fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Text,
    Attribute,
}

/// Escapes text. Line ends, and tabs in attributes, become references, so that readers do not change them.
fn escape(out: &mut String, text: &str, context: Context) {
    let mut copied = 0;
    for (at, c) in text.char_indices() {
        let reference = match c {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '\'' if context == Context::Attribute => "&apos;",
            '\n' => "&#10;",
            '\r' => "&#13;",
            '\t' if context == Context::Attribute => "&#9;",
            '\t' => continue,
            '\0'..'\u{20}' | '\u{FFFE}' | '\u{FFFF}' => "\u{FFFD}",
            _ => continue,
        };
        out.push_str(text.get(copied..at).unwrap_or_default());
        out.push_str(reference);
        copied = at + c.len_utf8();
    }
    out.push_str(text.get(copied..).unwrap_or_default());
}
