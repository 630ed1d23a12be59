//! Enumerations and their filters.

use std::sync::Arc;

use wording::association;
use wsman::enumeration::{EnumerationMode, Filter as WireFilter, PolymorphismMode};
use wsman::{AssociationFilter, AssociationResult, Fault, SelectorSet, namespace};

use crate::error::Error;
use crate::error_context::ErrorContext;
use crate::flags::EnumerationFlags;
use crate::{PartialResults, Resource};

/// Filter of an enumeration.
///
/// ```
/// use telarch::Filter;
///
/// let running = Filter::wql("select * from Win32_Service where State = 'Running'");
/// let automatic = Filter::selectors([("StartMode", "Auto")]);
/// # let _ = (running, automatic);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    text: String,
    /// `None` determines the dialect from the text.
    dialect: Option<String>,
    selectors: SelectorSet,
}

impl Filter {
    /// Dialect of WQL.
    pub const WQL: &'static str = namespace::DIALECT_WQL;
    /// Dialect of selector filters.
    pub const SELECTOR: &'static str = namespace::DIALECT_SELECTOR;

    /// Dialect of association filters.
    pub const ASSOCIATION: &'static str = namespace::DIALECT_ASSOCIATION;

    /// Creates a filter in a dialect, which is a URI or one of the words `wql`, `selector` and `association`. Selector and
    /// association filters are XML; association filters may also be written
    /// `{Object=CLASS?Key=Value;ResultClassName=NAME;Role=NAME}`.
    ///
    /// Without a dialect, a text that begins like XML is XML, unless [`EnumerationFlags::NON_XML_TEXT`] is set; any other
    /// text is WQL.
    #[must_use]
    pub fn new(text: impl Into<String>, dialect: Option<&str>) -> Self {
        let dialect = dialect.map(|dialect| expand_dialect(dialect).to_owned());
        Self { text: text.into(), dialect, selectors: SelectorSet::new() }
    }

    /// Creates a WQL filter.
    #[must_use]
    pub fn wql(query: impl Into<String>) -> Self {
        Self::new(query, Some(Self::WQL))
    }

    /// Creates a filter of required property values.
    #[must_use]
    pub fn selectors<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let selectors =
            pairs.into_iter().fold(SelectorSet::new(), |set, (name, value)| set.with(name, value));
        Self { text: String::new(), dialect: Some(Self::SELECTOR.to_owned()), selectors }
    }

    /// Converts the filter to its wire form; `resource` is the enumerated resource.
    pub(crate) fn for_client(self, flags: EnumerationFlags, resource: &str) -> Result<WireFilter, Error> {
        let Self { text, dialect, selectors } = self;
        let is_markup = text.trim_start().starts_with('<') && !flags.contains(EnumerationFlags::NON_XML_TEXT);
        match dialect {
            Some(dialect) if dialect == Self::ASSOCIATION && text.trim_start().starts_with('{') => {
                let result = if flags.contains(EnumerationFlags::ASSOCIATION_INSTANCE) {
                    AssociationResult::Associations
                } else {
                    AssociationResult::Instances
                };
                let association = association::AssociationFilter::parse(&text, result, resource)?.to_wire();
                let association = Some(association.map_err(invalid_filter)?);
                Ok(WireFilter { dialect, association, ..WireFilter::default() })
            }
            Some(dialect)
                if [Self::SELECTOR, Self::ASSOCIATION].contains(&dialect.as_str()) && !text.is_empty() =>
            {
                of_markup(&text)
            }
            Some(dialect) => Ok(WireFilter { dialect, text, selectors, ..WireFilter::default() }),
            None if is_markup => of_markup(&text),
            None => Ok(WireFilter { dialect: Self::WQL.to_owned(), text, ..WireFilter::default() }),
        }
    }
}

/// Converts a `w:SelectorSet`, `b:AssociatedInstances` or `b:AssociationInstances` element into a filter.
fn of_markup(markup: &str) -> Result<WireFilter, Error> {
    let document = Resource::parse(markup)?;
    let filter = WireFilter::default();
    match document.name() {
        "SelectorSet" => {
            let selectors = SelectorSet::parse(document.element()).map_err(invalid_filter)?;
            Ok(WireFilter { dialect: Filter::SELECTOR.to_owned(), selectors, ..filter })
        }
        "AssociatedInstances" | "AssociationInstances" => {
            let association = Some(AssociationFilter::parse(document.element()).map_err(invalid_filter)?);
            Ok(WireFilter { dialect: Filter::ASSOCIATION.to_owned(), association, ..filter })
        }
        other => Err(Error::argument(
            format!("unknown filter element {other}"),
            Some("use WQL, a wsman:SelectorSet, or a wsmb:AssociatedInstances"),
        )),
    }
}

fn expand_dialect(dialect: &str) -> &str {
    let dialects =
        [("wql", Filter::WQL), ("selector", Filter::SELECTOR), ("association", Filter::ASSOCIATION)];
    let found = dialects
        .into_iter()
        .find(|(word, uri)| word.eq_ignore_ascii_case(dialect) || uri.eq_ignore_ascii_case(dialect));
    found.map_or(dialect, |(_, uri)| uri)
}

fn invalid_filter(fault: Fault) -> Error {
    Error::argument(format!("invalid filter: {}", fault.reason()), None)
}

/// Returns the form of the items and the treatment of subclasses.
pub(crate) fn modes(flags: EnumerationFlags) -> Result<(EnumerationMode, PolymorphismMode), Error> {
    use EnumerationFlags as F;
    let unknown = flags.bits() & !F::all().bits();
    if unknown != 0 {
        return Err(Error::argument(format!("unknown enumeration flag 0x{unknown:X}"), None));
    }
    let mode = match (flags.contains(F::RETURN_EPR), flags.contains(F::RETURN_OBJECT_AND_EPR)) {
        (true, true) => {
            return Err(Error::argument("RETURN_EPR and RETURN_OBJECT_AND_EPR cannot be combined", None));
        }
        (true, false) => EnumerationMode::Reference,
        (false, true) => EnumerationMode::ObjectAndReference,
        (false, false) => EnumerationMode::Object,
    };
    let polymorphism = if flags.contains(F::HIERARCHY_SHALLOW) {
        PolymorphismMode::None
    } else if flags.contains(F::HIERARCHY_DEEP_BASE_PROPS_ONLY) {
        PolymorphismMode::ExcludeSubClassProperties
    } else {
        PolymorphismMode::IncludeSubClassProperties
    };
    Ok((mode, polymorphism))
}

/// Active enumeration (`IWSManEnumerator`). Dropping it before the end releases it on the service in the background.
#[derive(Debug)]
pub struct Enumerator {
    items: client::Enumerator,
    context: Arc<ErrorContext>,
}

impl Enumerator {
    pub(crate) fn new(items: client::Enumerator, context: Arc<ErrorContext>) -> Self {
        Self { items, context }
    }

    /// Returns the next item (`ReadItem`), or `None` at the end (`AtEndOfStream`). The flags determine its form: an
    /// object, a reference, or a `w:Item` with both.
    ///
    /// The future is cancellation-safe.
    ///
    /// # Errors
    /// [`Error`]; the enumeration has ended then.
    pub async fn next(&mut self) -> Option<Result<Resource, Error>> {
        let item = self.items.next().await?;
        Some(item.map_err(|error| self.context.explain(error)).and_then(|item| Resource::parse(item.xml())))
    }

    /// Returns the sources that are missing in the items received so far; `None` if none is known to be missing. Complete after the last item.
    #[must_use]
    pub fn partial_results(&self) -> Option<PartialResults> {
        PartialResults::of(self.items.omissions())
    }

    /// Releases the enumeration on the service before the last item was received.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn release(self) -> Result<(), Error> {
        self.items.release().await.map_err(|error| self.context.explain(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*";

    #[test]
    fn associations_are_accepted_as_text_or_xml() {
        let written = "{Object=Win32_Service?Name=spooler;ResultClassName=Win32_Process;Role=Antecedent}";
        let flags = EnumerationFlags::ASSOCIATION_INSTANCE;
        for dialect in ["Association", &Filter::ASSOCIATION.replace("/association", "/Association")] {
            let sent = Filter::new(written, Some(dialect)).for_client(flags, WHAT).unwrap();
            assert_eq!(sent.dialect, Filter::ASSOCIATION);
            let association = sent.association.unwrap();
            assert_eq!(association.object.resource.as_str(), WHAT.replace('*', "Win32_Service"));
            assert_eq!(association.object.selectors.text("Name"), Some("spooler"));
            assert_eq!(association.result, AssociationResult::Associations);
            assert_eq!(association.result_class.as_deref(), Some("Win32_Process"));
            assert_eq!(association.role.as_deref(), Some("Antecedent"));
        }
    }

    #[test]
    fn an_invalid_association_filter_returns_advice() {
        for text in ["{Role=a}", "{Object=a;Object=b}", "{Object=a", "{Other=a}", "{Object=nobody/a}"] {
            let refused = Filter::new(text, Some("association")).for_client(EnumerationFlags::empty(), WHAT);
            let Err(Error::Argument { what, fix }) = refused else { panic!("{text}: {refused:?}") };
            assert!(!what.is_empty() && fix.is_some(), "{text}: {what}");
        }
    }
}
