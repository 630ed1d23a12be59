//! One command to many sensors: of a controller, of its logical units, and of controllers behind it.

use std::collections::HashSet;

use ipmi_proto::sdr::Sensor;
use ipmi_proto::{Command, CompletionCode, Destination, ProtoError};

use crate::connection::{PendingAll, reply};
use crate::{Connection, IpmiError};

/// Requests to sensors, the first of which are outstanding.
pub(crate) struct SensorRequests<C> {
    /// Creates the command for a sensor number.
    command: fn(u8) -> C,
    outstanding: (PendingAll, Vec<Target>),
    /// Further sensors of controllers behind this one.
    then: Vec<Target>,
}

/// A sensor that is asked.
struct Target {
    /// Index chosen by the caller.
    index: usize,
    destination: Destination,
    number: u8,
}

impl Connection {
    /// Sends a command to these sensors. Of each controller behind this one, only the first sensor is asked
    /// for now: if the controller does not respond, its other sensors are skipped. Sensors that cannot be
    /// addressed are skipped.
    pub(crate) fn begin_for_sensors<'s, C: Command>(
        &self,
        sensors: impl Iterator<Item = (usize, &'s Sensor)>,
        command: fn(u8) -> C,
    ) -> SensorRequests<C> {
        let (mut first, mut then) = (Vec::with_capacity(sensors.size_hint().0), Vec::new());
        let mut met = HashSet::new();
        for (index, sensor) in sensors {
            let Ok(destination) = sensor.destination() else { continue };
            let is_first = destination.bridged().is_none_or(|there| met.insert(there));
            let targets = if is_first { &mut first } else { &mut then };
            targets.push(Target { index, destination, number: sensor.number });
        }
        SensorRequests { command, outstanding: self.send_to_sensors(first, command), then }
    }

    fn send_to_sensors<C: Command>(
        &self,
        targets: Vec<Target>,
        command: fn(u8) -> C,
    ) -> (PendingAll, Vec<Target>) {
        let requests = targets.iter().map(|target| (target.destination, command(target.number).request()));
        (self.begin_all(requests), targets)
    }

    /// Passes the reply of each sensor with its index to `take`. Sensors without a reply are omitted.
    pub(crate) async fn finish_for_sensors<C: Command>(
        &self,
        requests: SensorRequests<C>,
        mut take: impl FnMut(usize, C::Reply) + Send,
    ) -> Result<(), IpmiError>
    where
        C::Reply: Send,
    {
        let SensorRequests { command, outstanding, mut then } = requests;
        let silent = replies(outstanding, command, &mut take).await?;
        then.retain(|target| target.destination.bridged().is_none_or(|there| !silent.contains(&there)));
        if !then.is_empty() {
            replies(self.send_to_sensors(then, command), command, &mut take).await?;
        }
        Ok(())
    }
}

/// Passes on the replies, and returns the controllers behind this one that do not respond.
async fn replies<C: Command>(
    (pending, targets): (PendingAll, Vec<Target>),
    command: fn(u8) -> C,
    take: &mut (impl FnMut(usize, C::Reply) + Send),
) -> Result<HashSet<(u8, u8)>, IpmiError> {
    let mut silent = HashSet::new();
    for (target, outcome) in targets.into_iter().zip(pending.answers().await?) {
        match (outcome, target.destination.bridged()) {
            (Err(ProtoError::NoAnswer), Some(there)) => drop(silent.insert(there)),
            (outcome, _) => {
                if let Some(reply) = if_available(reply(&command(target.number), &outcome?))? {
                    take(target.index, reply);
                }
            }
        }
    }
    Ok(silent)
}

/// Returns `None` if this sensor does not exist or cannot be read; others may be readable.
pub(crate) fn if_available<T>(answer: Result<T, IpmiError>) -> Result<Option<T>, IpmiError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(IpmiError::Completion(code)) if is_about_sensor(code) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_about_sensor(code: CompletionCode) -> bool {
    // 83h is the code of a bridge: the message was not acknowledged.
    matches!(code.0, 0x83 | 0xc1..=0xc3 | 0xcb..=0xce | 0xd3..=0xd6 | 0xff)
}
