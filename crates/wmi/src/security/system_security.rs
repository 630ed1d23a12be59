//! `__SystemSecurity`: the namespace descriptor, for scripts.

use std::sync::Arc;

use cim::{Instance, Name, Namespace, Schema, Value};
use sddl::{Guard, SecurityDescriptor};
use tracing::info;

use super::{Descriptors, Rights, effective, own_part};
use crate::descriptor::{self, Form, refused, wrong};
use crate::{Lookup, MethodCall, Provider, ProviderError, Scan, Sink};

/// Provider of `__SystemSecurity` in one namespace. The engine has already checked access to the methods.
pub(crate) struct SystemSecurity {
    namespace: Namespace,
    descriptors: Arc<dyn Descriptors>,
    /// System classes, for embedded objects.
    schema: Schema,
}

impl SystemSecurity {
    pub(crate) fn new(namespace: Namespace, descriptors: Arc<dyn Descriptors>) -> Self {
        Self { schema: Schema::of(namespace.clone()), namespace, descriptors }
    }

    fn set(&self, call: &MethodCall<'_>, descriptor: SecurityDescriptor) -> Result<(), ProviderError> {
        let guard = Guard::new(descriptor).map_err(|error| refused(&error))?;
        self.descriptors.replace(&self.namespace, own_part(guard))?;
        info!(identity = %call.context.caller(), namespace = %self.namespace, "Security of a namespace changed");
        Ok(())
    }

    /// Returns the rights of the caller by its token; all rights for this process itself.
    fn rights_of(&self, call: &MethodCall<'_>) -> Rights {
        let Some(token) = call.context.token() else { return Rights::all() };
        let descriptor = effective(self.descriptors.as_ref(), &self.namespace);
        Rights::all()
            .iter()
            .filter(|right| descriptor.access_check(token, right.mask()).is_granted())
            .collect()
    }
}

impl Provider for SystemSecurity {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        Name::parse("__SystemSecurity").map(|class| (self.namespace.clone(), class)).into_iter().collect()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        rows.push(Instance::new(scan.class().clone()))
    }

    fn get(&self, lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        Ok(Some(Instance::new(lookup.class.clone())))
    }

    fn invoke(&self, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let output = Instance::new(call.operation.output.clone()).with("ReturnValue", 0_u32)?;
        match call.operation.method.name.as_str() {
            "GetSD" => {
                let current = effective(self.descriptors.as_ref(), &self.namespace);
                let octets = current.encode(call.context.token()).map_err(|error| refused(&error))?;
                Ok(output.with("SD", Value::Array(octets.into_iter().map(Value::from).collect()))?)
            }
            "GetSecurityDescriptor" => {
                let current = effective(self.descriptors.as_ref(), &self.namespace);
                let object = descriptor::write(&self.schema, Form::System, &current, &call.context.token())?;
                Ok(output.with("Descriptor", object)?)
            }
            "SetSD" => {
                let octets = descriptor::octets(call.input.value("SD"))
                    .ok_or_else(|| wrong("SD must be a binary descriptor, an array of uint8"))?;
                self.set(call, SecurityDescriptor::decode(&octets).map_err(|error| refused(&error))?)?;
                Ok(output)
            }
            "SetSecurityDescriptor" => {
                let Some(Value::Object(object)) = call.input.value("Descriptor") else {
                    return Err(wrong("Descriptor must be a __SecurityDescriptor"));
                };
                let set = descriptor::read(object, &call.context.token())?;
                if set.dacl().is_none() {
                    return Err(wrong("the descriptor has no DACL, which would grant everyone access"));
                }
                // The SACL is dropped, because namespaces are not audited.
                let set = SecurityDescriptor::new(set.owner(), set.group(), set.dacl().cloned(), None);
                self.set(call, set.map_err(|error| refused(&error))?)?;
                Ok(output)
            }
            "GetCallerAccessRights" => {
                let rights = i32::try_from(self.rights_of(call).bits()).unwrap_or_default();
                Ok(output.with("rights", rights)?)
            }
            _ => Err(ProviderError::NotCapable),
        }
    }
}
