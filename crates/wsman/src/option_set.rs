//! Switches of an operation (DSP0226 6.4).

use xml::{Element, Writer};

use crate::fault::{Detail, Fault, Subcode, code};
use crate::namespace::{WSMAN, XSI};

/// Options in the order they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionSet(Vec<WsmanOption>);

/// One `w:Option`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsmanOption {
    /// Its name.
    pub name: String,
    /// Its value; `None` is `xsi:nil`.
    pub value: Option<String>,
    /// A service that does not know the option must refuse the request.
    pub must_comply: bool,
}

impl OptionSet {
    /// How many options one message may carry.
    pub const MAX: usize = 100;

    /// Asks for what gives each value of the configuration. It is ours: other services pass over it.
    pub const SOURCES: &str = "telarch:Sources";

    /// No options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The set with one more option that need not be obeyed.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push(WsmanOption { name: name.into(), value: Some(value.into()), must_comply: false });
        self
    }

    /// Adds an option.
    pub fn push(&mut self, option: WsmanOption) {
        self.0.push(option);
    }

    /// Reads a `w:OptionSet`; attribute names are compared without regard to case, as clients vary.
    ///
    /// # Errors
    /// `w:InvalidOptions` for an option without name, `w:EncodingLimit` for too many.
    pub fn parse(element: Element<'_>) -> Result<Self, Fault> {
        let mut set = Self::default();
        for option in element.children().filter(|child| child.is(WSMAN, "Option")) {
            let attribute = |name: &str| {
                option
                    .attributes()
                    .find(|attribute| attribute.name().eq_ignore_ascii_case(name))
                    .map(|attribute| attribute.value().trim().to_owned())
            };
            let Some(name) = attribute("Name").filter(|name| !name.is_empty()) else {
                return Err(Fault::new(
                    Subcode::InvalidOptions,
                    code::INVALID_OPTION_NAME,
                    "an Option has no Name attribute",
                )
                .with_detail(Detail::INVALID_NAME));
            };
            if set.0.len() >= Self::MAX {
                return Err(Fault::new(
                    Subcode::EncodingLimit,
                    code::OPTION_LIMIT,
                    format!("more than {} options", Self::MAX),
                )
                .with_detail(Detail::OPTION_LIMIT));
            }
            let is_nil = option.attribute(XSI, "nil").is_some_and(|nil| is_true(&nil));
            let value = (!is_nil).then(|| option.text().trim().to_owned());
            let must_comply = attribute("MustComply").is_some_and(|value| is_true(&value));
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

    /// The value of an option, its name compared without regard to case; nil counts as empty.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let option = self.0.iter().find(|option| option.name.eq_ignore_ascii_case(name))?;
        Some(option.value.as_deref().unwrap_or_default())
    }

    /// Whether an option is given as `TRUE`, `true` or `1`.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some_and(is_true)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &WsmanOption> {
        self.0.iter()
    }

    /// Refuses an option that must be complied with and is not among the known.
    ///
    /// # Errors
    /// `w:InvalidOptions`, detail `NotSupported`.
    pub fn require_known(&self, known: &[&str]) -> Result<(), Fault> {
        let is_known = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        match self.0.iter().find(|option| option.must_comply && !is_known(&option.name)) {
            Some(option) => Err(Fault::new(
                Subcode::InvalidOptions,
                code::OPTION_NOT_SUPPORTED,
                format!("the option {} is not supported here, and the request insists on it", option.name),
            )
            .with_detail(Detail::NOT_SUPPORTED)),
            None => Ok(()),
        }
    }
}

pub(crate) fn is_true(value: &str) -> bool {
    let value = value.trim();
    value == "1" || value.eq_ignore_ascii_case("true")
}
