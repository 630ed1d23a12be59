//! Serial console of a machine (IPMI 2.0, 15 and 24).

use std::time::{Duration, Instant};

use ipmi_proto::channel::ChannelNumber;
use ipmi_proto::payload::{
    ActivateSerial, DeactivateSerial, GetSerialParameter, Protection, SerialChange, SetSerialParameter,
};
use ipmi_proto::serial::{SerialConsole, SerialEvent};
use ipmi_proto::{CompletionCode, ProtoError};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::read_back::verify;
use crate::{Connection, IpmiError};

/// A serial console. Close it after use, because a machine has only one.
#[derive(Debug)]
pub struct Console {
    bmc: Connection,
    serial: SerialConsole,
    arrived: mpsc::Receiver<Vec<u8>>,
    events: std::collections::VecDeque<SerialEvent>,
}

impl Connection {
    /// Opens the serial console of the machine.
    ///
    /// # Errors
    /// If the controller does not respond, or the console is in use. After an error it may be unknown whether
    /// this session owns the console: close the session, which releases it (IPMI 2.0, 24.2).
    pub async fn console(&self) -> Result<Console, IpmiError> {
        let protection = match self.suite() {
            Some(suite) if !suite.is_in_clear() => Protection::Full,
            Some(suite) if suite.is_authenticated() => Protection::Authenticated,
            Some(_) => Protection::None,
            None => return Err(ProtoError::Absent { what: "a serial console outside of IPMI 2.0" }.into()),
        };
        let payload = match self.run(&ActivateSerial { protection }).await {
            Err(IpmiError::Completion(CompletionCode(code))) => {
                return Err(match ActivateSerial::refusal(code) {
                    Some(reason) => IpmiError::Refused { reason, code },
                    None => IpmiError::Completion(CompletionCode(code)),
                });
            }
            // The console is active, but its parameters are not readable.
            Err(error @ IpmiError::Proto(_)) if !error.is_silence() => {
                let _ = self.deactivate_console().await;
                return Err(error);
            }
            other => other?,
        };
        // Earlier packets were not acknowledged, so the controller resends them.
        let (serial, arrived) = (SerialConsole::new(payload, RETRY), self.serial_packets());
        Ok(Console { bmc: self.clone(), serial, arrived, events: std::collections::VecDeque::new() })
    }

    /// Changes the configuration of serial over LAN, and reads it back.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the change; [`IpmiError::Unchanged`] if the change has
    /// no effect.
    pub async fn change_console(
        &self,
        channel: ChannelNumber,
        change: SerialChange,
    ) -> Result<(), IpmiError> {
        self.run(&SetSerialParameter { channel, change }).await?;
        let Some((parameter, wanted)) = change.read_back() else { return Ok(()) };
        let read = self.run(&GetSerialParameter { channel, parameter }).await?;
        verify(change.setting(), &wanted, &read)
    }

    /// Deactivates the console, whichever session owns it.
    ///
    /// # Errors
    /// If the controller does not respond, or rejects the request. It is not an error if the console is not
    /// active.
    pub async fn deactivate_console(&self) -> Result<(), IpmiError> {
        match self.run(&DeactivateSerial).await {
            Err(IpmiError::Completion(CompletionCode(NOT_ACTIVE))) => Ok(()),
            other => other,
        }
    }
}

impl Console {
    /// Queues typed characters. Returns how many were accepted.
    pub fn write(&mut self, characters: &[u8]) -> usize {
        let written = self.serial.write(characters);
        self.send();
        written
    }

    /// Sends a break.
    pub fn send_break(&mut self) {
        self.serial.send_break();
        self.send();
    }

    /// Waits for the next event. Cancel-safe: no event is lost if the future is dropped.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn next(&mut self) -> Result<SerialEvent, IpmiError> {
        loop {
            self.send();
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let deadline = self.serial.deadline();
            let wake = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                payload = self.arrived.recv() => {
                    let payload = payload.ok_or(ProtoError::Ended)?;
                    // A damaged packet is resent by the controller.
                    self.events.extend(self.serial.receive(&payload, Instant::now()).unwrap_or_default());
                }
                () = wake => self.events.extend(self.serial.tick(Instant::now())),
            }
        }
    }

    /// Returns whether all typed characters have been acknowledged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.serial.is_idle()
    }

    /// Deactivates the console, so that others can use it.
    ///
    /// # Errors
    /// If the controller does not respond.
    pub async fn close(mut self) -> Result<(), IpmiError> {
        self.send();
        self.bmc.deactivate_console().await
    }

    fn send(&mut self) {
        while let Some(payload) = self.serial.transmit(Instant::now()) {
            self.bmc.send_serial(payload);
        }
    }
}

/// Controllers use retry intervals of 50 to 500 ms.
const RETRY: Duration = Duration::from_millis(250);
/// Completion code of Deactivate Payload.
const NOT_ACTIVE: u8 = 0x80;
