//! Permanent event registrations: filters, consumers and their bindings. Consumers run with the rights of the
//! creator, so a caller must not be able to register on behalf of another. Therefore the creator is set only
//! here, and the query of a filter must be permitted for its creator.

use cim::wql::{self, Query};
use cim::{Class, Column, Instance, Namespace, Value};

use crate::event::check_event_query;
use crate::{Context, Engine, Error, Rights};

/// Returns whether instances of a class are event registrations.
pub(crate) fn is_registered(class: &Class) -> bool {
    ["__EventFilter", "__EventConsumer", "__FilterToConsumerBinding"].iter().any(|own| class.is_a(own))
}

/// Returns the rights needed to register, in addition to those for writing.
pub(crate) fn rights(class: &Class) -> Rights {
    if is_registered(class) { Rights::FULL_WRITE_REP | Rights::SUBSCRIBE } else { Rights::empty() }
}

impl Engine {
    /// Sets the creator of a registration, whatever the instance contains, and rejects a filter whose query
    /// is invalid or not permitted for its creator. Returns the column that was set.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], and errors of the query.
    pub(crate) fn register(
        &self,
        context: &Context,
        namespace: &Namespace,
        instance: &mut Instance,
    ) -> Result<Option<Column>, Error> {
        if !is_registered(instance.class()) {
            return Ok(None);
        }
        self.admit(context, namespace, rights(instance.class()))?;
        // This process itself acts for the user who owns the file.
        let creator = context.token().map_or(Value::Null, |token| {
            Value::Array(token.user().encode().into_iter().map(Value::Uint8).collect())
        });
        let column = instance.class().column("CreatorSID");
        if let Some(column) = column {
            instance.set(column, creator)?;
        }
        if instance.class().is_a("__EventFilter") {
            self.admit_filter(context, namespace, instance)?;
        }
        Ok(column)
    }

    fn admit_filter(&self, context: &Context, namespace: &Namespace, filter: &Instance) -> Result<(), Error> {
        let events = text(filter, "EventNamespace").map(Namespace::parse).transpose()?;
        let events = events.as_ref().unwrap_or(namespace);
        self.admit(context, events, Rights::SUBSCRIBE)?;
        if text(filter, "QueryLanguage").is_some_and(|language| !language.eq_ignore_ascii_case("WQL")) {
            return Err(Error::NotEvents("QueryLanguage must be WQL"));
        }
        let Query::Select(select) = wql::parse(text(filter, "Query").unwrap_or_default())? else {
            return Err(Error::NotEvents(
                "an association query returns no events; select from an event class",
            ));
        };
        check_event_query(self, events, select)
    }
}

/// Returns a property as non-empty text.
fn text<'i>(instance: &'i Instance, name: &str) -> Option<&'i str> {
    instance.value(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}
