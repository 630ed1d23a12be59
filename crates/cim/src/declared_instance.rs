//! Creates instances from their declarations in MOF.

use crate::mof::{InstanceDeclaration, Literal};
use crate::{CimType, Error, Instance, Schema, Type, Value};

impl InstanceDeclaration {
    /// Creates the instance, with the defaults of its class for properties that are not written.
    ///
    /// `aliased` returns the instances whose aliases were defined before.
    ///
    /// # Errors
    /// [`Error::NoClass`], [`Error::NoProperty`], [`Error::Type`] and [`Error::Lexical`] for values that do not match the
    /// class.
    pub fn resolve(
        &self,
        schema: &Schema,
        aliased: &dyn Fn(&str) -> Option<Instance>,
    ) -> Result<Instance, Error> {
        let mut instance = Instance::with_defaults(schema.require(self.class.as_str())?);
        for (name, literal) in &self.values {
            let column = instance.class().require(name.as_str())?;
            let kind = instance.class().property(column).map(|property| property.kind.clone());
            if let Some(kind) = kind {
                instance.set(column, literal.resolve(&kind, schema, aliased)?)?;
            }
        }
        Ok(instance)
    }
}

impl Literal {
    fn resolve(
        &self,
        kind: &Type,
        schema: &Schema,
        aliased: &dyn Fn(&str) -> Option<Instance>,
    ) -> Result<Value, Error> {
        self.with(kind, &|element, literal| match (element, literal) {
            (CimType::Reference(_) | CimType::Object(_), Self::Alias(name)) => {
                let instance =
                    aliased(name).ok_or_else(|| Error::NoClass { name: format!("or instance ${name}") })?;
                match element {
                    CimType::Object(_) => Ok(Value::Object(Box::new(instance))),
                    _ => Ok(Value::Reference(Box::new(instance.path()?))),
                }
            }
            (CimType::Object(_), Self::Instance(declaration)) => {
                Ok(Value::Object(Box::new(declaration.resolve(schema, aliased)?)))
            }
            (element, plain) => plain.single(element),
        })
    }
}
