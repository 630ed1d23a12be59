//! Methods of instances, executed by the controller that the instance belongs to.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use ipmi::proto::boot::Persistence;
use wmi::{MethodCall, ProviderError};

use crate::controller::Controller;
use crate::controllers::Controllers;
use crate::results;
use crate::rows::{self, Subject};

/// Calls a method of the instance with these keys.
pub(crate) async fn call(
    controllers: &Controllers,
    controller: &Arc<Controller>,
    subject: Subject,
    keys: &[Value],
    call: &MethodCall<'_>,
) -> Result<Instance, ProviderError> {
    let given = |name: &str| call.input.value(name).unwrap_or(&Value::Null);
    let text = |name: &str| given(name).as_str().unwrap_or_default();
    let result = match (subject, call.operation.method.name.as_str()) {
        (Subject::ComputerSystem | Subject::View, "RequestStateChange") => {
            let state = given("RequestedState").as_integer().and_then(|state| u16::try_from(state).ok());
            match state {
                _ if !given("TimeoutPeriod").is_null() => results::TIMEOUT_NOT_SUPPORTED,
                None => results::INVALID_PARAMETER,
                // Only the machine has a power state, not the controller itself.
                Some(_) if !is_machine(call, keys) => results::NOT_SUPPORTED,
                Some(state) => rows::change_state(controller, state).await?,
            }
        }
        (Subject::ComputerSystem, "SetPowerState") => {
            let state = given("PowerState").as_integer().and_then(|state| u32::try_from(state).ok());
            match state {
                None => results::INVALID_PARAMETER,
                Some(_) if !is_machine(call, keys) => results::NOT_SUPPORTED,
                Some(state) => rows::set_power_state(controller, state).await?,
            }
        }
        (Subject::RecordLog | Subject::View, "ClearLog") => rows::clear(controller).await?,
        (Subject::NumericSensor, "GetNonLinearFactors") => {
            return factors(controller, keys, call).await;
        }
        (Subject::View, "SetOneTimeBootSource") => {
            rows::change_boot(controller, text("StructuredBootString"), Persistence::Once).await?
        }
        (Subject::View, "ModifyPersistentBootConfigOrder") => {
            rows::set_order(controller, given("StructuredBootString").elements()).await?
        }
        (Subject::View, "ChangeBootConfiguration") => {
            match (text("OneTimeBootSource"), given("PersistentBootSource").elements()) {
                ("", []) => results::INVALID_PARAMETER,
                ("", order) => rows::set_order(controller, order).await?,
                (source, []) => rows::change_boot(controller, source, Persistence::Once).await?,
                // Only one boot source at a time, as on Windows.
                _ => results::INVALID_PARAMETER,
            }
        }
        (Subject::View, "ChangeNetworkConfiguration") => rows::change_network(controller, call.input).await?,
        (Subject::View, "ChangeUserPassword") => {
            let (current, new) = (text("CurrentCredential"), text("NewPassword"));
            // A password that was changed but not stored would lock this machine out.
            controllers.demand_change()?;
            let user = controllers.user(controller).unwrap_or_default();
            let result = rows::change_password(controller, &user, current, new).await?;
            if result == results::DONE {
                controllers.keep_password(controller, new)?;
            }
            result
        }
        (Subject::View, "ReadLog") => return rows::read_log(controller, call).await,
        (Subject::Driver, "RequestResponse") => return rows::request_response(controller, call).await,
        (Subject::Driver, "RequestResponseEx") => return rows::request_response_ex(controller, call).await,
        (Subject::Driver, "SMS_Attention") => return rows::attention(controller, call).await,
        (Subject::Driver, _) => return Err(ProviderError::NotCapable),
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
    let name = key(call, keys, "Name");
    name.is_none_or(|name| !name.contains(':'))
}

fn key<'k>(call: &MethodCall<'_>, keys: &'k [Value], name: &str) -> Option<&'k str> {
    let column = call.class.column(name)?;
    let place = call.class.keys().iter().position(|key| *key == column)?;
    keys.get(place)?.as_str()
}

async fn factors(
    controller: &Arc<Controller>,
    keys: &[Value],
    call: &MethodCall<'_>,
) -> Result<Instance, ProviderError> {
    let device = key(call, keys, "DeviceID").unwrap_or_default();
    let gone = || {
        ProviderError::failed(
            Status::NotFound,
            format!("there is no sensor {device}, or it measures no such reading"),
        )
    };
    let reading = call.input.value("SensorReading").and_then(Value::as_integer);
    let reading = reading.and_then(|reading| i32::try_from(reading).ok());
    let factors = rows::factors(controller, device, reading).await?.ok_or_else(gone)?;
    Ok(factors.fill(Instance::new(call.operation.output.clone()))?.with("ReturnValue", results::DONE)?)
}
