//! Options of an operation (DSP0226 6.4).

use xml::{Element, Writer};

use crate::fault::{Detail, Fault, Subcode, code};
use crate::namespace::{WSMAN, XSI};

/// Options in the order of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionSet(Vec<WsmanOption>);

/// A `w:Option` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsmanOption {
    /// Name of the option.
    pub name: String,
    /// Value; `None` is `xsi:nil`.
    pub value: Option<String>,
    /// Whether a service that does not know the option must reject the request.
    pub must_comply: bool,
}

impl OptionSet {
    /// Maximum number of options in a message.
    pub const MAX: usize = 100;

    /// Option that requests the origin of each configuration value; an extension that other services ignore.
    pub const SOURCES: &str = "telarch:Sources";

    /// Option that checks a change of the configuration without making it; an extension. It must be sent with
    /// `MustComply`, because a service that ignores it makes the change.
    pub const VALIDATE_ONLY: &str = "telarch:ValidateOnly";

    /// Option that requests the name of the data source that a WMI class lacks, instead of an instance; an extension. It
    /// must be sent with `MustComply`.
    pub const MISSING_SOURCE: &str = "telarch:MissingSource";

    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an option that the service may ignore.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push(WsmanOption { name: name.into(), value: Some(value.into()), must_comply: false });
        self
    }

    /// Returns whether the set has an option with any value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|option| option.name.eq_ignore_ascii_case(name))
    }

    /// Adds an option.
    pub fn push(&mut self, option: WsmanOption) {
        self.0.push(option);
    }

    /// Parses a `w:OptionSet`; attribute names are compared without regard to case, because clients differ.
    ///
    /// # Errors
    /// `w:InvalidOptions` for an option without a name, `w:EncodingLimit` for too many options.
    pub fn parse(element: Element<'_>) -> Result<Self, Fault> {
        let mut set = Self::default();
        for option in element.children().filter(|child| child.is(WSMAN, "Option")) {
            let Some(name) = attribute(option, "Name").filter(|name| !name.is_empty()) else {
                return Err(Fault::new(
                    Subcode::InvalidOptions,
                    code::INVALID_OPTION_NAME,
                    "an Option has no Name attribute; add it",
                )
                .with_detail(Detail::INVALID_NAME));
            };
            if set.0.len() >= Self::MAX {
                return Err(Fault::new(
                    Subcode::EncodingLimit,
                    code::OPTION_LIMIT,
                    format!("more than {} options; send fewer", Self::MAX),
                )
                .with_detail(Detail::OPTION_LIMIT));
            }
            let is_nil = option.attribute(XSI, "nil").is_some_and(|nil| is_true(&nil));
            let value = (!is_nil).then(|| option.text().trim().to_owned());
            let must_comply = attribute(option, "MustComply").is_some_and(|value| is_true(&value));
            set.0.push(WsmanOption { name, value, must_comply });
        }
        Ok(set)
    }

    /// Writes a `w:OptionSet`; an empty set writes nothing.
    pub fn write(&self, writer: &mut Writer) {
        if self.0.is_empty() {
            return;
        }
        writer.start("w:OptionSet").attribute("s:mustUnderstand", "true");
        for option in &self.0 {
            writer.start("w:Option").attribute("Name", &option.name);
            if option.must_comply {
                writer.attribute("MustComply", "true");
            }
            match &option.value {
                Some(value) => writer.text(value).end(),
                None => writer.namespace("xsi", XSI).attribute("xsi:nil", "true").end_empty(),
            };
        }
        writer.end();
    }

    /// Returns the value of an option, whose name is compared without regard to case; nil is an empty value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let option = self.0.iter().find(|option| option.name.eq_ignore_ascii_case(name))?;
        Some(option.value.as_deref().unwrap_or_default())
    }

    /// Returns whether an option is `TRUE`, `true` or `1`.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some_and(is_true)
    }

    /// Options in order.
    pub fn iter(&self) -> impl Iterator<Item = &WsmanOption> {
        self.0.iter()
    }

    /// Checks that every option marked `MustComply` is in the list.
    ///
    /// # Errors
    /// `w:InvalidOptions` with the detail `NotSupported` for an unknown one.
    pub fn require_known(&self, known: &[&str]) -> Result<(), Fault> {
        let unknown = self.0.iter().find(|option| {
            option.must_comply && !known.iter().any(|known| known.eq_ignore_ascii_case(&option.name))
        });
        match unknown {
            Some(option) => Err(Fault::new(
                Subcode::InvalidOptions,
                code::OPTION_NOT_SUPPORTED,
                format!(
                    "the option {} is marked MustComply and not supported; omit the option or the mark",
                    option.name
                ),
            )
            .with_detail(Detail::NOT_SUPPORTED)),
            None => Ok(()),
        }
    }
}

fn attribute(option: Element<'_>, name: &str) -> Option<String> {
    let attribute = option.attributes().find(|attribute| attribute.name().eq_ignore_ascii_case(name))?;
    Some(attribute.value().trim().to_owned())
}

pub(crate) fn is_true(value: &str) -> bool {
    let value = value.trim();
    value == "1" || value.eq_ignore_ascii_case("true")
}
