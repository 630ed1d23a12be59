//! Microsoft_IPMI: raw requests.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use ipmi::proto::message_flags::GetMessageFlags;
use ipmi::proto::{Destination, NetFn, Request};
use wmi::{MethodCall, ProviderError};

use crate::controller::Controller;
use crate::question::Question;
use crate::{HardwareError, names};

/// Returns the instance of a controller.
pub(super) fn driver(
    controller: &Arc<Controller>,
    question: &Question,
) -> Result<Vec<Instance>, HardwareError> {
    let row = question
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
    let flags = match controller.ask(|bmc| async move { bmc.run(&GetMessageFlags).await }).await {
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
    let response = controller.order(|bmc| async move { bmc.ask_at(destination, request).await }).await?;
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
    let wrong = |problem: String| ProviderError::failed(Status::InvalidMethodParameters, problem);
    let number = |name: &str| input.value(name).and_then(Value::as_integer);
    let octet = |name: &str| {
        let octet = number(name).and_then(|number| u8::try_from(number).ok());
        octet.ok_or_else(|| wrong(format!("{name} is missing")))
    };
    let net_fn = NetFn::new(octet("NetworkFunction")?).map_err(|_| {
        wrong("NetworkFunction is none of a request: those are even, and below 64".to_owned())
    })?;
    let or = |name: &str, default: u8| match number(name) {
        None => Ok(default),
        Some(_) => octet(name),
    };
    // Other responder addresses are reached through the controller, over the internal bus.
    let (unit, address) = (or("Lun", 0)?, or("ResponderAddress", names::CONTROLLER)?);
    let destination =
        Destination::on_channel(IPMB, address, unit).map_err(|error| wrong(error.to_string()))?;
    let octets = input.value(data).map(Value::elements).unwrap_or_default();
    let octets: Vec<u8> = octets
        .iter()
        .map(|value| value.as_integer().and_then(|number| u8::try_from(number).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| wrong(format!("{data} has something else than octets in it")))?;
    // As on Windows, the array may be longer than its declared size; a shorter one is an error.
    let size = match number("RequestDataSize") {
        None => octets.len(),
        Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
    };
    let octets = octets
        .get(..size)
        .ok_or_else(|| wrong(format!("RequestDataSize is {size}, and {data} has {} octets", octets.len())))?;
    if octets.len() > MOST_OCTETS {
        return Err(wrong(format!("{} octets are more than {MOST_OCTETS}", octets.len())));
    }
    Ok((destination, Request::new(net_fn, octet("Command")?, octets)))
}

/// Channel of the internal bus (IPMI 2.0, 6.3).
const IPMB: u8 = 0;
/// Maximum number of data bytes; no controller accepts more in one message.
const MOST_OCTETS: usize = 255;
