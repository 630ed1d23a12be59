//! JSON; the mapping is described at [`Format::print`](super::Format::print).

use xml::Element;

use crate::markup::{XSI, by_name, has_children, is_nil};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Indented,
    OneLine,
}

/// The element as an object of one member, without a line end behind it.
pub(super) fn print(element: Element<'_>, layout: Layout) -> String {
    let mut json = Json { out: String::new(), layout, depth: 0, first: true };
    json.open('{');
    json.values(element.name(), &[element]);
    json.close('}');
    json.out
}

/// JSON being written: it knows where commas and line ends go.
struct Json {
    out: String,
    layout: Layout,
    depth: usize,
    /// Nothing has been written yet inside the innermost bracket.
    first: bool,
}

impl Json {
    /// The member or members for the elements of one name.
    fn values(&mut self, name: &str, same_name: &[Element<'_>]) {
        let leaves_with_source = same_name
            .iter()
            .any(|element| !has_children(*element) && element.attribute("", "Source").is_some());
        self.member(name);
        match same_name {
            [only] => self.value(*only),
            many => self.array(many, Self::value),
        }
        if leaves_with_source {
            self.member(&format!("{name}@Source"));
            match same_name {
                [only] => self.source(*only),
                many => self.array(many, Self::source),
            }
        }
    }

    fn value(&mut self, element: Element<'_>) {
        if has_children(element) {
            self.object(element);
        } else if is_nil(element) {
            self.out.push_str("null");
        } else {
            self.string(&element.text());
        }
    }

    fn source(&mut self, element: Element<'_>) {
        match element.attribute("", "Source").filter(|_| !has_children(element)) {
            Some(source) => self.string(&source),
            None => self.out.push_str("null"),
        }
    }

    fn object(&mut self, element: Element<'_>) {
        self.open('{');
        if let Some(class) = telling_type(element) {
            self.member("@type");
            self.string(&class);
        }
        if let Some(source) = element.attribute("", "Source") {
            self.member("@Source");
            self.string(&source);
        }
        for same_name in by_name(element) {
            match same_name.first() {
                Some(first) if first.name() == "Selector" => self.selectors(&same_name),
                Some(first) => self.values(first.name(), &same_name),
                None => {}
            }
        }
        self.close('}');
    }

    fn selectors(&mut self, selectors: &[Element<'_>]) {
        self.member("Selector");
        self.open('{');
        for selector in selectors {
            self.member(&selector.attribute("", "Name").unwrap_or_default());
            self.value(*selector);
        }
        self.close('}');
    }

    fn array(&mut self, elements: &[Element<'_>], write: impl Fn(&mut Self, Element<'_>)) {
        self.open('[');
        for element in elements {
            self.separate();
            write(self, *element);
        }
        self.close(']');
    }

    fn member(&mut self, name: &str) {
        self.separate();
        self.string(name);
        self.out.push_str(if self.layout == Layout::Indented { ": " } else { ":" });
    }

    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.depth += 1;
        self.first = true;
    }

    fn separate(&mut self) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        self.new_line();
    }

    fn close(&mut self, bracket: char) {
        self.depth = self.depth.saturating_sub(1);
        self.new_line();
        self.out.push(bracket);
        self.first = false;
    }

    fn new_line(&mut self) {
        if self.layout == Layout::Indented {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", self.depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                c if c.is_control() => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

/// The name of the type where it is not just the element's own: `Win32_Service` and `Win32_Service_Type`
/// on an element `Win32_Service` say nothing new.
fn telling_type(element: Element<'_>) -> Option<String> {
    let qualified = element.attribute(XSI, "type")?;
    let local = qualified.rsplit(':').next().unwrap_or_default().trim();
    let told = local.is_empty() || local.strip_suffix("_Type").unwrap_or(local) == element.name();
    (!told).then(|| local.to_owned())
}
