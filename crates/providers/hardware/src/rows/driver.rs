//! Microsoft_IPMI: raw requests.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use ipmi::proto::message_flags::GetMessageFlags;
use ipmi::proto::{Destination, NetFn, Request};
use wmi::{MethodCall, ProviderError};

use crate::controller::Controller;
use crate::query::Query;
use crate::{HardwareError, names};

/// Returns the instance of a controller.
pub(super) fn driver(controller: &Arc<Controller>, query: &Query) -> Result<Vec<Instance>, HardwareError> {
    let row = query
        .row()
        .with("InstanceName", controller.name().to_string())?
        .with("Active", true)?
        .with("BMCAddress", names::CONTROLLER)?;
    Ok(vec![row])
}

/// Implements RequestResponse: the response data begins with the completion code, which is included in its
/// size.
pub(crate) async fn request_response(
    controller: &Arc<Controller>,
    call: &MethodCall<'_>,
) -> Result<Instance, ProviderError> {
    answer(controller, call, "RequestData").await
}

/// Implements RequestResponseEx: like RequestResponse, but `Data` may hold bytes of the caller after the request.
pub(crate) async fn request_response_ex(
    controller: &Arc<Controller>,
    call: &MethodCall<'_>,
) -> Result<Instance, ProviderError> {
    answer(controller, call, "Data").await
}

/// Implements SMS_Attention: whether the controller has a message for the software of its machine, for which
/// it sets the bit of this name (IPMI 2.0, 9.7 and 22.4). Only the driver can read the register with this
/// bit, so the message flags are read instead.
pub(crate) async fn attention(
    controller: &Arc<Controller>,
    call: &MethodCall<'_>,
) -> Result<Instance, ProviderError> {
    let flags = match controller.run(|bmc| async move { bmc.run(&GetMessageFlags).await }).await {
        Ok(flags) => flags,
        Err(HardwareError::Refused { code, .. }) => {
            let problem = format!(
                "the controller {} tells this only the driver of its own machine: {code}",
                controller.name()
            );
            return Err(ProviderError::failed(Status::NotSupported, problem));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Instance::new(call.operation.output.clone()).with("AttentionSet", flags.any())?)
}

async fn answer(
    controller: &Arc<Controller>,
    call: &MethodCall<'_>,
    data: &str,
) -> Result<Instance, ProviderError> {
    let (destination, request) = request(call.input, data)?;
    let response = controller.run_once(|bmc| async move { bmc.ask_at(destination, request).await }).await?;
    let code = response.code.0;
    let octets: Vec<u8> = std::iter::once(code).chain(response.data.iter().copied()).collect();
    let size = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    Ok(Instance::new(call.operation.output.clone())
        .with("CompletionCode", code)?
        .with("ResponseDataSize", size)?
        .with("ResponseData", octets)?)
}

/// Returns destination and request from the method parameters.
fn request(input: &Instance, data: &str) -> Result<(Destination, Request), ProviderError> {
    let net_fn = NetFn::new(octet(input, "NetworkFunction")?)
        .map_err(|_| invalid("NetworkFunction is not a request: it must be even and below 64".to_owned()))?;
    // Other responder addresses are reached through the controller, over the internal bus.
    let unit = octet_or(input, "Lun", 0)?;
    let address = octet_or(input, "ResponderAddress", names::CONTROLLER)?;
    let destination =
        Destination::on_channel(IPMB, address, unit).map_err(|error| invalid(error.to_string()))?;
    let octets = input.value(data).map(Value::elements).unwrap_or_default();
    let octets: Vec<u8> = octets
        .iter()
        .map(|value| value.as_integer().and_then(|number| u8::try_from(number).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| invalid(format!("{data} contains values that are not bytes")))?;
    // As on Windows, the array may be longer than its declared size; a shorter one is an error.
    let size = match number(input, "RequestDataSize") {
        None => octets.len(),
        Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
    };
    let octets = octets.get(..size).ok_or_else(|| {
        invalid(format!("RequestDataSize is {size}, but {data} contains only {} bytes", octets.len()))
    })?;
    if octets.len() > MAX_OCTETS {
        return Err(invalid(format!("{} bytes of data; the maximum is {MAX_OCTETS}", octets.len())));
    }
    Ok((destination, Request::new(net_fn, octet(input, "Command")?, octets)))
}

fn number(input: &Instance, name: &str) -> Option<i64> {
    input.value(name).and_then(Value::as_integer).and_then(|number| i64::try_from(number).ok())
}

fn octet(input: &Instance, name: &str) -> Result<u8, ProviderError> {
    let octet = number(input, name).and_then(|number| u8::try_from(number).ok());
    octet.ok_or_else(|| invalid(format!("{name} is missing or not a byte")))
}

fn octet_or(input: &Instance, name: &str, default: u8) -> Result<u8, ProviderError> {
    if number(input, name).is_none() { Ok(default) } else { octet(input, name) }
}

fn invalid(problem: String) -> ProviderError {
    ProviderError::failed(Status::InvalidMethodParameters, problem)
}

/// Channel of the internal bus (IPMI 2.0, 6.3).
const IPMB: u8 = 0;
/// Maximum number of data bytes; no controller accepts more in one message.
const MAX_OCTETS: usize = 255;
