//! Writes instances, projections, parameters of methods, and rows of any classes.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Layout, Writer};
use crate::{Class, ColumnSet, Instance, Name, Operation, SystemProperty};

/// Selection of properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All properties, as an instance of its own class.
    Whole,
    /// The properties of a superclass, as an instance of that class.
    AsClass(Name),
    /// These properties, without a class.
    Names(Vec<Name>),
}

impl Writer {
    /// Returns the layout of complete instances of a class, or of some of their columns.
    #[must_use]
    pub fn instances(&self, class: &Arc<Class>, columns: &ColumnSet) -> Layout {
        Layout::of_instances(self, class, columns)
    }

    /// Returns the layout of projections: a `w:XmlFragment` with some properties.
    #[must_use]
    pub fn projection(&self, class: &Arc<Class>, columns: &ColumnSet) -> Layout {
        Layout::of_projection(self, class, columns, Vec::new())
    }

    /// Writes a complete instance.
    pub fn instance(&self, out: &mut xml::Writer, instance: &Instance) {
        self.instances(instance.class(), &instance.class().columns()).write(out, instance);
    }

    /// Writes the output of a method as `p:Method_OUTPUT`.
    ///
    /// `class` is the class on which the method was called.
    pub fn output(&self, out: &mut xml::Writer, class: &Class, operation: &Operation, output: &Instance) {
        let element = format!("{}_OUTPUT", operation.method.name);
        Layout::of_parameters(self, class, &element, &operation.output).write(out, output);
    }

    /// Writes the input of a method as `p:Method_INPUT`, for clients.
    pub fn input(&self, out: &mut xml::Writer, class: &Class, operation: &Operation, input: &Instance) {
        let element = format!("{}_INPUT", operation.method.name);
        Layout::of_parameters(self, class, &element, &operation.input).write(out, input);
    }

    /// Returns a writer for rows of any classes.
    #[must_use]
    pub fn rows(&self, selection: Selection) -> Rows {
        Rows { writer: self.clone(), selection, layouts: HashMap::new() }
    }
}

/// Writes the rows of one query, which may be of different classes; the layout of each class is computed once.
#[derive(Debug)]
pub struct Rows {
    writer: Writer,
    selection: Selection,
    layouts: HashMap<Name, Layout>,
}

impl Rows {
    /// Writes one row.
    pub fn write(&mut self, out: &mut xml::Writer, row: &Instance) {
        let above = match &self.selection {
            Selection::AsClass(name) => ancestor(row.class(), name),
            Selection::Whole | Selection::Names(_) => None,
        };
        match above {
            None => self.write_own(out, row),
            // A row of a subclass is converted to the enumerated class.
            Some(above) => {
                let mut as_class = Instance::new(above.clone());
                for (column, property) in above.columns().iter().zip(above.properties()) {
                    let value = row.value(property.name.as_str()).cloned().unwrap_or_default();
                    // The property has the same type in the superclass, apart from embedded classes.
                    let _ = as_class.set(column, value);
                }
                self.write_own(out, &as_class);
            }
        }
    }

    fn write_own(&mut self, out: &mut xml::Writer, row: &Instance) {
        let class = row.class();
        match self.layouts.get(class.name()).filter(|layout| Arc::ptr_eq(layout.class(), class)) {
            Some(layout) => layout.write(out, row),
            None => {
                let layout = self.layout(class);
                layout.write(out, row);
                self.layouts.insert(class.name().clone(), layout);
            }
        }
    }

    fn layout(&self, class: &Arc<Class>) -> Layout {
        match &self.selection {
            Selection::Whole | Selection::AsClass(_) => self.writer.instances(class, &class.columns()),
            Selection::Names(names) => {
                let columns = names.iter().filter_map(|name| class.column(name.as_str())).collect();
                let mut system: Vec<_> =
                    names.iter().filter_map(|name| SystemProperty::parse(name.as_str())).collect();
                system.sort_unstable();
                system.dedup();
                Layout::of_projection(&self.writer, class, &columns, system)
            }
        }
    }
}

fn ancestor<'c>(class: &'c Arc<Class>, name: &Name) -> Option<&'c Arc<Class>> {
    std::iter::successors(class.superclass(), |class| class.superclass()).find(|class| class.name() == name)
}
