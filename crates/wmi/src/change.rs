//! Calling methods, and changing, creating and deleting instances.

use cim::wql::{Condition, Constant, Operator, PropertyPath, Select, Span};
use cim::{ColumnSet, Instance, Name, Namespace, ObjectPath, Value};

use crate::engine::everything;
use crate::registration;
use crate::table::Served;
use crate::{Context, Engine, Error, Lookup, MethodCall, ProviderError, Rights, Storage, Target};

impl Engine {
    /// Calls a method on a class or an instance and returns its output.
    ///
    /// `input` creates the instance of the method's [`Operation::input`](cim::Operation::input).
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::NoMethod`], [`Error::NoParameter`], [`Error::StaticMethod`] and
    /// [`Error::InstanceMethod`] for a call that does not fit, and the errors of providers. A method that was
    /// executed and failed is not an error.
    pub async fn invoke(
        &self,
        context: &Context,
        namespace: &Namespace,
        path: &ObjectPath,
        method: &str,
        input: impl FnOnce(&cim::Operation) -> Result<Instance, cim::Error>,
    ) -> Result<Instance, Error> {
        self.admit(context, namespace, Rights::ENABLE)?;
        let Served { class, provider } = self.server_of(namespace, path)?;
        let unknown =
            || Error::NoMethod { class: class.name().clone(), name: method.chars().take(80).collect() };
        let operation = class.method(method).cloned().ok_or_else(unknown)?;
        let name = &operation.method.name;
        self.admit(context, namespace, Rights::to_call(class.name(), name))?;
        // The path of a singleton is its class name alone.
        let names_class = path.identity == cim::Identity::Class;
        let keys = match (operation.method.is_static(), names_class) {
            (true, true) => None,
            (true, false) => return Err(Error::StaticMethod(name.clone())),
            (false, true) if !class.is_singleton() => return Err(Error::InstanceMethod(name.clone())),
            (false, _) => Some(path.key_values(&class)?),
        };
        let input = input(&operation).map_err(|error| match error {
            // Parameters are properties of an internal class, whose name means nothing to the caller.
            cim::Error::NoProperty { name: given, .. } => {
                Error::NoParameter { class: class.name().clone(), method: name.clone(), name: given }
            }
            error => error.into(),
        })?;
        if context.is_only_checking() {
            if keys.is_some() {
                self.get(context, namespace, path).await?;
            }
            return Ok(Instance::with_defaults(operation.output.clone()));
        }
        let (context, name) = (context.clone(), class.name().clone());
        self.call(&name, move || {
            let target = keys.as_deref().map_or(Target::Class, Target::Instance);
            provider.invoke(&MethodCall {
                context: &context,
                class: &class,
                operation: &operation,
                target,
                input: &input,
            })
        })
        .await
    }

    /// Changes an instance and returns its new state.
    ///
    /// `given` are the columns that the client sent; those with a different value are changed.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::NotFound`] if the instance does not exist, [`Error::ReadOnly`] for a
    /// property that cannot be written, and the errors of providers.
    pub async fn put(
        &self,
        context: &Context,
        namespace: &Namespace,
        instance: Instance,
        given: &ColumnSet,
    ) -> Result<Instance, Error> {
        let path = instance.path()?;
        let Served { class, provider } = self.server_for_writing(context, namespace, &path)?;
        let before = self.get(context, namespace, &path).await?;
        let (mut after, mut changed) = (before.clone(), ColumnSet::new());
        for column in given.iter().filter(|column| before.at(*column) != instance.at(*column)) {
            let Some(property) = instance.class().property(column) else { continue };
            // A key can differ only in case here; otherwise it would be another instance.
            if property.is_key() {
                continue;
            }
            // In the repository, write access covers all properties.
            if provider.storage() == Storage::Provider && !property.is_writable() {
                let (class, property) = (instance.class().name().clone(), property.name.clone());
                return Err(Error::ReadOnly { class, property });
            }
            after.set(column, instance.at(column).clone())?;
            changed.insert(column);
        }
        if changed.is_empty() || context.is_only_checking() {
            return Ok(before);
        }
        if let Some(creator) = self.register(context, namespace, &mut after)? {
            changed.insert(creator);
        }
        let owned = context.clone();
        self.call(class.name(), move || provider.put(&owned, &after, &changed)).await?;
        self.get(context, namespace, &path).await
    }

    /// Creates an instance and returns its path.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], and the errors of providers.
    pub async fn create(
        &self,
        context: &Context,
        namespace: &Namespace,
        mut instance: Instance,
    ) -> Result<ObjectPath, Error> {
        let path = ObjectPath::of_class(instance.class().name().clone());
        let Served { class, provider } = self.server_for_writing(context, namespace, &path)?;
        self.register(context, namespace, &mut instance)?;
        if context.is_only_checking() {
            return Ok(path);
        }
        let context = context.clone();
        self.call(class.name(), move || provider.create(&context, &instance)).await
    }

    /// Deletes an instance.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::NotFound`] if the instance does not exist, and the errors of
    /// providers.
    pub async fn delete(
        &self,
        context: &Context,
        namespace: &Namespace,
        path: &ObjectPath,
    ) -> Result<(), Error> {
        let Served { class, provider } = self.server_for_writing(context, namespace, path)?;
        if context.is_only_checking() {
            return self.get(context, namespace, path).await.map(drop);
        }
        let (keys, context, name) = (path.key_values(&class)?, context.clone(), class.name().clone());
        let is_gone = self
            .call(&name, move || {
                let columns = ColumnSet::new();
                provider.delete(&Lookup { context: &context, class: &class, keys: &keys, columns: &columns })
            })
            .await?;
        if is_gone { Ok(()) } else { Err(Error::NotFound(Box::new(path.to_relative()))) }
    }

    /// Returns the provider of a path's class, if the caller may write instances of the class.
    fn server_for_writing(
        &self,
        context: &Context,
        namespace: &Namespace,
        path: &ObjectPath,
    ) -> Result<Served, Error> {
        self.admit(context, namespace, Rights::ENABLE)?;
        let served = self.server_of(namespace, path)?;
        self.admit_writing(context, namespace, served.class.name(), served.provider.storage())?;
        self.admit(context, namespace, registration::rights(&served.class))?;
        Ok(served)
    }

    /// Returns the class of a path itself, with its provider.
    fn server_of(&self, namespace: &Namespace, path: &ObjectPath) -> Result<Served, Error> {
        let table = self.table(namespace)?;
        let class = table.schema.require(path.class.as_str())?;
        table.served(&class).ok_or_else(|| Error::NoProvider(class.name().clone()))
    }

    /// Returns the selection of the instance with this path.
    pub(crate) fn select_of(&self, namespace: &Namespace, path: &ObjectPath) -> Result<Select, Error> {
        let class = self.schema(namespace)?.require(path.class.as_str())?;
        let values = path.key_values(&class)?;
        let keys = class.keys().iter().filter_map(|key| class.property(*key));
        let equal = keys.zip(&values).map(|(property, value)| equals(&property.name, value)).collect();
        Ok(Select { condition: Some(Condition::And(equal)), ..everything(class.name()) })
    }
}

/// Returns the condition that a property has a value.
pub(crate) fn equals(property: &Name, value: &Value) -> Condition {
    let constant = match value {
        Value::Boolean(value) => Constant::Boolean(*value),
        value => value
            .as_integer()
            .filter(|_| !matches!(value, Value::Char16(_)))
            .map_or_else(|| Constant::Text(value.to_text()), Constant::Integer),
    };
    Condition::Compare {
        property: PropertyPath { parts: vec![property.clone()], index: None, span: Span::default() },
        operator: Operator::Equal,
        constant,
        span: Span::default(),
    }
}

/// Converts the error for providers, whose errors are a status and a text.
impl From<Error> for ProviderError {
    fn from(error: Error) -> Self {
        Self::failed(error.status(), error.to_string())
    }
}
