//! Association queries: ASSOCIATORS OF and REFERENCES OF (MS-WMI, WQL).

use std::sync::Arc;

use cim::wql::{Associators, Columns, Detail, PropertyPath, References, Select, Span};
use cim::{CimType, Class, Column, Identity, Instance, Name, Namespace, ObjectPath, Property, Schema, Value};

use crate::change::equals;
use crate::engine::{Outcome, everything};
use crate::omission::SourceResults;
use crate::plan::Step;
use crate::rows::RowSender;
use crate::table::Served;
use crate::{Context, Engine, Error, ProviderError};

/// A path through an association class: in through one reference, out through another.
struct Way {
    step: Step,
    /// Reference that leads to the other instance; `None` for the association itself.
    out: Option<Column>,
}

/// The source of a query: looked up only if no rows were found, because rows imply that it exists.
struct Source {
    path: ObjectPath,
    /// Lookups in its class and the subclasses.
    lookups: Vec<Step>,
}

impl Source {
    /// Returns an error if the instance does not exist. Blocks.
    ///
    /// An instance whose class cannot be read is assumed to exist.
    fn check(self) -> Result<(), Error> {
        let is_missing =
            !self.lookups.is_empty() && self.lookups.iter().all(|step| step.has_row() == Some(false));
        if is_missing { Err(Error::NotFound(Box::new(self.path.to_relative()))) } else { Ok(()) }
    }
}

impl Engine {
    /// Returns the instances associated with an instance, once for each association that leads to them.
    ///
    /// A query for classes returns the classes that the associations declare for their ends.
    pub(crate) fn associators(
        &self,
        context: &Context,
        namespace: &Namespace,
        query: &Associators,
    ) -> Result<Outcome, Error> {
        let schema = self.schema(namespace)?;
        let source = schema.require(query.source.class.as_str())?;
        let mut ways = Vec::new();
        let mut ends: Vec<Arc<Class>> = Vec::new();
        for served in self.table(namespace)?.associations() {
            let class = &served.class;
            let fits = query.association_class.as_ref().is_none_or(|wanted| class.is_a(wanted.as_str()));
            let qualified = query.required_association_qualifier.as_ref().is_none_or(|q| says(class, q));
            if !fits || !qualified {
                continue;
            }
            for way_in in entrances(class, schema, &source, query.role.as_ref()) {
                for way_out in references_of(class).filter(|out| out.name != way_in.name) {
                    let is_role = query.result_role.as_ref().is_none_or(|role| way_out.name == *role);
                    let declared = declared_class(way_out).and_then(|name| schema.class(name.as_str()));
                    let can_lead =
                        declared.as_ref().is_none_or(|end| can_be(schema, end, query.result_class.as_ref()));
                    if is_role && can_lead {
                        ends.extend(declared);
                        if is_of_classes(query.detail) {
                            continue;
                        }
                        let step =
                            self.step(context, namespace, &served, way_in, Some(way_out), &query.source)?;
                        ways.extend(step.map(|step| Way { step, out: class.column(way_out.name.as_str()) }));
                    }
                }
            }
        }
        if is_of_classes(query.detail) {
            return Ok(Outcome::Classes(unique(ends)));
        }
        let results: Vec<Name> = schema
            .names()
            .map(|(name, _)| name.clone())
            .filter(|name| is_result(schema, name, query))
            .collect();
        let start = self.source(context, namespace, &query.source)?;
        let engine = self.clone();
        let (context, namespace, detail) = (context.clone(), namespace.clone(), query.detail);
        let named = query.association_class.clone();
        let rows = self.spawn(source.name().clone(), move |rows| {
            follow(&ways, named.as_ref(), start, rows, |path| {
                if !results.contains(&path.class)
                    || path.namespace.as_ref().is_some_and(|other| *other != namespace)
                {
                    return Ok(None);
                }
                engine.end(&context, &namespace, path, detail)
            })
        })?;
        Ok(Outcome::Rows(rows, None))
    }

    /// Returns the associations that refer to an instance.
    pub(crate) fn references(
        &self,
        context: &Context,
        namespace: &Namespace,
        query: &References,
    ) -> Result<Outcome, Error> {
        let schema = self.schema(namespace)?;
        let source = schema.require(query.source.class.as_str())?;
        let mut ways = Vec::new();
        let mut classes = Vec::new();
        for served in self.table(namespace)?.associations() {
            let class = &served.class;
            let fits = query.result_class.as_ref().is_none_or(|wanted| class.is_a(wanted.as_str()));
            let qualified = query.required_qualifier.as_ref().is_none_or(|q| says(class, q));
            if !fits || !qualified {
                continue;
            }
            for way_in in entrances(class, schema, &source, query.role.as_ref()) {
                classes.push(class.clone());
                if is_of_classes(query.detail) {
                    continue;
                }
                let step = self.step(context, namespace, &served, way_in, None, &query.source)?;
                ways.extend(step.map(|step| Way { step, out: None }));
            }
        }
        if is_of_classes(query.detail) {
            return Ok(Outcome::Classes(unique(classes)));
        }
        let start = self.source(context, namespace, &query.source)?;
        let named = query.result_class.clone();
        let rows = self.spawn(source.name().clone(), move |rows| {
            follow(&ways, named.as_ref(), start, rows, |_| Ok(None))
        })?;
        Ok(Outcome::Rows(rows, None))
    }

    /// Plans the query for the instances of an association class that refer to the source.
    fn step(
        &self,
        context: &Context,
        namespace: &Namespace,
        served: &Served,
        way_in: &Property,
        way_out: Option<&Property>,
        source: &ObjectPath,
    ) -> Result<Option<Step>, Error> {
        let class = self.schema(namespace)?.require(source.class.as_str())?;
        // Use the declared names and types of the keys, independent of their spelling in the query.
        let keys = class.keys().iter().filter_map(|key| class.property(*key)).map(|key| key.name.clone());
        let values = source.key_values(&class)?;
        let keys: Vec<_> = keys.zip(values.iter().map(Into::into)).collect();
        let mut source = ObjectPath::from_keys(class.name().clone(), keys)?;
        if source.identity == Identity::Class {
            // The path of a singleton has no keys; associations refer to `Class=@`.
            source.identity = Identity::Singleton;
        }
        let columns = way_out.map_or(Columns::All, |out| Columns::Some(vec![column_of(&out.name)]));
        let condition = Some(equals(&way_in.name, &Value::from(source)));
        let select = Select { columns, condition, ..everything(served.class.name()) };
        Step::plan(context, served.clone(), &select, &self.origin(namespace))
    }

    /// Plans the lookup of the source of a query.
    fn source(&self, context: &Context, namespace: &Namespace, path: &ObjectPath) -> Result<Source, Error> {
        let mut source = Source { path: path.clone(), lookups: Vec::new() };
        if path.namespace.as_ref().is_some_and(|other| other != namespace) {
            return Ok(source);
        }
        let class = self.schema(namespace)?.require(path.class.as_str())?;
        let select = self.select_of(namespace, path)?;
        let keys = class.keys().iter().filter_map(|key| class.property(*key));
        let keys: Vec<_> = keys.map(|key| column_of(&key.name)).collect();
        if keys.is_empty() {
            return Ok(source);
        }
        let select = Select { columns: Columns::Some(keys), ..select };
        for served in self.table(namespace)?.below(&class) {
            source.lookups.extend(Step::plan(context, served, &select, &self.origin(namespace))?);
        }
        Ok(source)
    }

    /// Returns the instance at the end of a path; `None` if it no longer exists. Blocks.
    fn end(
        &self,
        context: &Context,
        namespace: &Namespace,
        path: &ObjectPath,
        detail: Detail,
    ) -> Result<Option<Instance>, Error> {
        let class = self.schema(namespace)?.require(path.class.as_str())?;
        if detail.keys_only {
            let mut instance = Instance::new(class.clone());
            for (key, value) in class.keys().iter().zip(path.key_values(&class)?) {
                instance.set(*key, value)?;
            }
            return Ok(Some(instance));
        }
        let select = self.select_of(namespace, path)?;
        for served in self.table(namespace)?.below(&class) {
            let Some(step) = Step::plan(context, served, &select, &self.origin(namespace))? else { continue };
            let mut found = None;
            let mut take = |row| {
                found = Some(row);
                false
            };
            match step.run(&mut take, &|| true) {
                Ok(()) | Err(ProviderError::Stopped) => {}
                Err(error) => return Err(error.of(step.class())),
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

fn column_of(name: &Name) -> PropertyPath {
    PropertyPath { parts: vec![name.clone()], index: None, span: Span::default() }
}

/// Follows all paths one after the other, and sends the result of `end_of` for each end. Without any row, the source
/// must exist. A path whose source fails costs only its own rows, unless the query names its class.
fn follow(
    ways: &[Way],
    named: Option<&Name>,
    source: Source,
    rows: &RowSender,
    end_of: impl Fn(&ObjectPath) -> Result<Option<Instance>, Error>,
) -> Result<(), Error> {
    let mut is_empty = true;
    let mut results = SourceResults::new(named);
    for (at, Way { step, out }) in ways.iter().enumerate() {
        let mut failed = None;
        let before = ways.get(..at).unwrap_or_default().iter().map(|way| &way.step);
        let before: Vec<&Step> = before.filter(|earlier| earlier.class() == step.class()).collect();
        let mut take = |association: Instance| {
            let end = match (out, out.map(|out| association.at(out))) {
                // An association that refers to the source twice is returned once.
                (None, _) => {
                    Ok(Some(association).filter(|row| !before.iter().any(|earlier| earlier.wants(row))))
                }
                (_, Some(Value::Reference(path))) => end_of(path),
                _ => Ok(None),
            };
            match end {
                Ok(Some(end)) => {
                    is_empty = false;
                    rows.send(Ok(end))
                }
                Ok(None) => true,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        };
        let result = step.run(&mut take, &|| !rows.is_closed());
        match (failed, result) {
            (Some(error), _) => results.add_error(error),
            (None, Ok(())) => match step.missing_source() {
                Some(source) => results.add_missing_source(step.class(), source),
                None => results.add_answer(),
            },
            (None, Err(error @ ProviderError::Stopped)) => return step.end(error, rows),
            (None, Err(error)) => results.add_failure(step.class(), error)?,
        }
    }
    rows.omit(results.into_omissions()?);
    if is_empty && !rows.is_closed() { source.check() } else { Ok(()) }
}

/// Returns the references of an association that may refer to an instance of the source class.
fn entrances<'c>(
    class: &'c Class,
    schema: &Schema,
    source: &Arc<Class>,
    role: Option<&Name>,
) -> Vec<&'c Property> {
    references_of(class)
        .filter(|property| {
            role.is_none_or(|role| property.name == *role) && may_refer_to(property, schema, source)
        })
        .collect()
}

/// Returns whether a reference may refer to an instance of a class. Providers may declare a superclass or a
/// subclass of the actual class.
fn may_refer_to(property: &Property, schema: &Schema, class: &Arc<Class>) -> bool {
    declared_class(property).is_none_or(|declared| {
        let declared_class = schema.class(declared.as_str());
        class.is_a(declared.as_str())
            || declared_class.is_some_and(|declared| declared.is_a(class.name().as_str()))
    })
}

/// Returns whether instances of a class satisfy the result class and qualifier of a query.
fn is_result(schema: &Schema, name: &Name, query: &Associators) -> bool {
    let class = schema.class(name.as_str());
    let fits = query
        .result_class
        .as_ref()
        .is_none_or(|wanted| class.as_ref().is_some_and(|class| class.is_a(wanted.as_str())));
    let qualified = query
        .required_qualifier
        .as_ref()
        .is_none_or(|qualifier| class.as_ref().is_some_and(|class| says(class, qualifier)));
    fits && qualified
}

fn references_of(class: &Class) -> impl Iterator<Item = &Property> {
    class.properties().iter().filter(|property| matches!(property.kind.element, CimType::Reference(_)))
}

fn declared_class(property: &Property) -> Option<&Name> {
    if let CimType::Reference(class) = &property.kind.element { class.as_ref() } else { None }
}

/// Returns whether a reference declared for a class may refer to an instance of the wanted class.
fn can_be(schema: &Schema, declared: &Arc<Class>, wanted: Option<&Name>) -> bool {
    let Some(wanted) = wanted else { return true };
    let wanted_class = schema.class(wanted.as_str());
    declared.is_a(wanted.as_str()) || wanted_class.is_some_and(|class| class.is_a(declared.name().as_str()))
}

fn says(class: &Class, qualifier: &Name) -> bool {
    class.qualifiers().find(qualifier.as_str()).is_some()
}

fn is_of_classes(detail: Detail) -> bool {
    detail.class_definitions_only || detail.schema_only
}

fn unique(mut classes: Vec<Arc<Class>>) -> Vec<Arc<Class>> {
    classes.sort_by(|left, right| left.name().cmp(right.name()));
    classes.dedup_by(|left, right| left.name() == right.name());
    classes
}
