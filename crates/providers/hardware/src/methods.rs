//! Methods of instances, executed by the controller that the instance belongs to.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use ipmi::proto::boot::Persistence;
use wmi::{MethodCall, ProviderError};

use crate::controller::Controller;
use crate::controllers::Controllers;
use crate::rows::{self, SupportedClass};
use crate::{names, results};

/// Calls a method of the instance with these keys.
pub(crate) async fn call(
    controllers: &Controllers,
    controller: &Arc<Controller>,
    subject: SupportedClass,
    keys: &[Value],
    call: &MethodCall<'_>,
) -> Result<Instance, ProviderError> {
    let result = match (subject, call.operation.method.name.as_str()) {
        (SupportedClass::ComputerSystem | SupportedClass::View, "RequestStateChange") => {
            let state =
                input(call, "RequestedState").as_integer().and_then(|state| u16::try_from(state).ok());
            match state {
                _ if !input(call, "TimeoutPeriod").is_null() => results::TIMEOUT_NOT_SUPPORTED,
                None => results::INVALID_PARAMETER,
                // Only the machine has a power state, not the controller itself.
                Some(_) if !is_machine(call, keys) => results::NOT_SUPPORTED,
                Some(state) => rows::change_state(controller, state).await?,
            }
        }
        (SupportedClass::ComputerSystem, "SetPowerState") => {
            let state = input(call, "PowerState").as_integer().and_then(|state| u32::try_from(state).ok());
            match state {
                None => results::INVALID_PARAMETER,
                Some(_) if !is_machine(call, keys) => results::NOT_SUPPORTED,
                Some(state) => rows::set_power_state(controller, state).await?,
            }
        }
        (SupportedClass::RecordLog | SupportedClass::View, "ClearLog") => rows::clear(controller).await?,
        (SupportedClass::NumericSensor, "GetNonLinearFactors") => {
            return factors(controller, keys, call).await;
        }
        (SupportedClass::View, "SetOneTimeBootSource") => {
            rows::change_boot(controller, text(call, "StructuredBootString"), Persistence::Once).await?
        }
        (SupportedClass::View, "ModifyPersistentBootConfigOrder") => {
            rows::set_order(controller, input(call, "StructuredBootString").elements()).await?
        }
        (SupportedClass::View, "ChangeBootConfiguration") => {
            match (text(call, "OneTimeBootSource"), input(call, "PersistentBootSource").elements()) {
                ("", []) => results::INVALID_PARAMETER,
                ("", order) => rows::set_order(controller, order).await?,
                (source, []) => rows::change_boot(controller, source, Persistence::Once).await?,
                // Only one boot source at a time, as on Windows.
                _ => results::INVALID_PARAMETER,
            }
        }
        (SupportedClass::View, "ChangeNetworkConfiguration") => {
            rows::change_network(controller, call.input).await?
        }
        (SupportedClass::View, "ChangeUserPassword") => {
            let (current, new) = (text(call, "CurrentCredential"), text(call, "NewPassword"));
            // A password that was changed but not stored would lock this machine out.
            controllers.require_writable()?;
            let user = controllers.user(controller).unwrap_or_default();
            let result = rows::change_password(controller, &user, current, new).await?;
            if result == results::DONE {
                controllers.store_password(controller, new)?;
            }
            result
        }
        (SupportedClass::View, "ReadLog") => return rows::read_log(controller, call).await,
        (SupportedClass::Driver, "RequestResponse") => return rows::request_response(controller, call).await,
        (SupportedClass::Driver, "RequestResponseEx") => {
            return rows::request_response_ex(controller, call).await;
        }
        (SupportedClass::Driver, "SMS_Attention") => return rows::attention(controller, call).await,
        (SupportedClass::Driver, _) => return Err(ProviderError::NotCapable),
        // Sensors and logs are always enabled and have no settings to restore.
        _ => results::NOT_SUPPORTED,
    };
    returns(call, result)
}

/// Returns the output of a method that has only a return value.
pub(crate) fn returns(call: &MethodCall<'_>, result: u32) -> Result<Instance, ProviderError> {
    Ok(Instance::new(call.operation.output.clone()).with("ReturnValue", result)?)
}

/// Returns whether an instance represents the machine rather than its controller.
fn is_machine(call: &MethodCall<'_>, keys: &[Value]) -> bool {
    let name = names::key(call.class, keys, "Name");
    name.is_none_or(|name| !name.contains(':'))
}

fn input<'c>(call: &'c MethodCall<'_>, name: &str) -> &'c Value {
    call.input.value(name).unwrap_or(&Value::Null)
}

fn text<'c>(call: &'c MethodCall<'_>, name: &str) -> &'c str {
    input(call, name).as_str().unwrap_or_default()
}

async fn factors(
    controller: &Arc<Controller>,
    keys: &[Value],
    call: &MethodCall<'_>,
) -> Result<Instance, ProviderError> {
    let device = names::key(call.class, keys, "DeviceID").unwrap_or_default();
    let reading = call.input.value("SensorReading").and_then(Value::as_integer);
    let reading = reading.and_then(|reading| i32::try_from(reading).ok());
    let factors = rows::factors(controller, device, reading).await?.ok_or_else(|| {
        let problem = format!("unknown sensor {device}, or reading out of its range");
        ProviderError::failed(Status::NotFound, problem)
    })?;
    Ok(factors.fill(Instance::new(call.operation.output.clone()))?.with("ReturnValue", results::DONE)?)
}
