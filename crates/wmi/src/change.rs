//! Methods, and instances that change, come and go.

use cim::wql::{Condition, Constant, Operator, PropertyPath, Select, Span};
use cim::{ColumnSet, Instance, Name, Namespace, ObjectPath, Value};

use crate::engine::everything;
use crate::registration;
use crate::table::Served;
use crate::{Context, Engine, Error, Lookup, MethodCall, ProviderError, Rights, Storage, Target};

impl Engine {
    /// Calls a method on a class or an instance and gives what comes out.
    ///
    /// `input` makes the parameters of the method's [`Operation::input`](cim::Operation::input).
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::NoMethod`], [`Error::NoParameter`], [`Error::StaticMethod`] and
    /// [`Error::InstanceMethod`] for a call that does not fit, and those of providers. A method that ran and failed is no error.
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
        // A singleton is named by its class alone.
        let names_class = path.identity == cim::Identity::Class;
        let keys = match (operation.method.is_static(), names_class) {
            (true, true) => None,
            (true, false) => return Err(Error::StaticMethod(name.clone())),
            (false, true) if !class.is_singleton() => return Err(Error::InstanceMethod(name.clone())),
            (false, _) => Some(path.key_values(&class)?),
        };
        let input = input(&operation).map_err(|error| match error {
            // Its parameters are properties of a class that nobody else knows.
            cim::Error::NoProperty { name: given, .. } => {
                Error::NoParameter { class: class.name().clone(), method: name.clone(), name: given }
            }
            error => error.into(),
        })?;
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

    /// Changes an instance and gives it as it is then.
    ///
    /// `given` are the columns that the client gave; of those the ones that differ are changed.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::NotFound`] if there is none, [`Error::ReadOnly`] for a property that cannot be written, and those of
    /// providers.
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
            // A key that differs does so in the case of its letters only, or it would be another instance.
            if property.is_key() {
                continue;
            }
            // What is kept in the repository belongs to whoever may write there.
            if provider.storage() == Storage::Provider && !property.is_writable() {
                let (class, property) = (instance.class().name().clone(), property.name.clone());
                return Err(Error::ReadOnly { class, property });
            }
            after.set(column, instance.at(column).clone())?;
            changed.insert(column);
        }
        if changed.is_empty() {
            return Ok(before);
        }
        if let Some(creator) = self.register(context, namespace, &mut after)? {
            changed.insert(creator);
        }
        let owned = context.clone();
        self.call(class.name(), move || provider.put(&owned, &after, &changed)).await?;
        self.get(context, namespace, &path).await
    }

    /// Makes an instance and says what it is called.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], and those of providers.
    pub async fn create(
        &self,
        context: &Context,
        namespace: &Namespace,
        mut instance: Instance,
    ) -> Result<ObjectPath, Error> {
        let path = ObjectPath::of_class(instance.class().name().clone());
        let Served { class, provider } = self.server_for_writing(context, namespace, &path)?;
        self.register(context, namespace, &mut instance)?;
        let context = context.clone();
        self.call(class.name(), move || provider.create(&context, &instance)).await
    }

    /// Removes an instance.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::NotFound`] if there is none, and those of providers.
    pub async fn delete(
        &self,
        context: &Context,
        namespace: &Namespace,
        path: &ObjectPath,
    ) -> Result<(), Error> {
        let Served { class, provider } = self.server_for_writing(context, namespace, path)?;
        let (keys, context, name) = (path.key_values(&class)?, context.clone(), class.name().clone());
        let is_gone = self
            .call(&name, move || {
                let columns = ColumnSet::new();
                provider.delete(&Lookup { context: &context, class: &class, keys: &keys, columns: &columns })
            })
            .await?;
        if is_gone { Ok(()) } else { Err(Error::NotFound(Box::new(path.to_relative()))) }
    }

    /// The same as [`Engine::server_of`], for a caller who may write instances of the class.
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

    /// The class of a path itself, with its provider.
    fn server_of(&self, namespace: &Namespace, path: &ObjectPath) -> Result<Served, Error> {
        let table = self.table(namespace)?;
        let class = table.schema.require(path.class.as_str())?;
        table.served(&class).ok_or_else(|| Error::NoProvider(class.name().clone()))
    }

    /// The selection of the instance of a path.
    pub(crate) fn select_of(&self, namespace: &Namespace, path: &ObjectPath) -> Result<Select, Error> {
        let class = self.schema(namespace)?.require(path.class.as_str())?;
        let values = path.key_values(&class)?;
        let keys = class.keys().iter().filter_map(|key| class.property(*key));
        let equal = keys.zip(&values).map(|(property, value)| equals(&property.name, value)).collect();
        Ok(Select { condition: Some(Condition::And(equal)), ..everything(class.name()) })
    }
}

/// A property with a value.
pub(crate) fn equals(property: &Name, value: &Value) -> Condition {
    let constant = match value {
        Value::Boolean(value) => Constant::Boolean(*value),
        value => value.as_integer().filter(|_| !matches!(value, Value::Char16(_))).map_or_else(
            || {
                let mut text = String::new();
                value.write_text(&mut text);
                Constant::Text(text)
            },
            Constant::Integer,
        ),
    };
    Condition::Compare {
        property: PropertyPath { parts: vec![property.clone()], index: None, span: Span::default() },
        operator: Operator::Equal,
        constant,
        span: Span::default(),
    }
}

/// For providers that fail in words.
impl From<Error> for ProviderError {
    fn from(error: Error) -> Self {
        Self::failed(error.status(), error.to_string())
    }
}
