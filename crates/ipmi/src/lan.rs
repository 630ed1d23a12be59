//! Reading and changing the LAN configuration (IPMI 2.0, 23).

use ipmi_proto::ProtoError;
use ipmi_proto::channel::ChannelNumber;
use ipmi_proto::lan::{GetLanParameter, LanChange, LanParameter, LanValue, SetLanParameter};
use ipmi_proto::user::AccessLevel;

use crate::read_back::{or_nothing, verify};
use crate::{Connection, IpmiError};

impl Connection {
    /// Returns those of the parameters that the controller supports, in order. Lists of cipher suites are as
    /// long as the controller says; the rest of them is not used.
    ///
    /// # Errors
    /// If the controller does not respond, or rejects all of them.
    pub async fn lan_parameters(
        &self,
        channel: ChannelNumber,
        parameters: &[LanParameter],
    ) -> Result<Vec<(LanParameter, LanValue)>, IpmiError> {
        let (mut values, mut refused, mut suites) = (Vec::new(), None, None);
        for parameter in parameters {
            match self.run(&GetLanParameter { channel, parameter: *parameter }).await {
                Ok(value @ (LanValue::Suites(_) | LanValue::SuiteLimits(_))) => {
                    let count = match suites {
                        Some(count) => count,
                        None => *suites.insert(self.suite_count(channel).await?),
                    };
                    values.push((*parameter, value.with_suites(count)));
                }
                Ok(value) => values.push((*parameter, value)),
                Err(IpmiError::Completion(code)) => refused = Some(code),
                // A parameter with an invalid value is treated as not supported.
                Err(IpmiError::Proto(error)) if error.is_about_octets() => {}
                Err(error) => return Err(error),
            }
        }
        match refused {
            Some(code) if values.is_empty() => Err(IpmiError::Completion(code)),
            _ => Ok(values),
        }
    }

    /// Returns the number of cipher suites; 16, which is the most, if the controller does not report it.
    async fn suite_count(&self, channel: ChannelNumber) -> Result<u8, IpmiError> {
        match self.run(&GetLanParameter { channel, parameter: LanParameter::SuiteCount }).await {
            Ok(LanValue::SuiteCount(count)) if count > 0 => Ok(count),
            Ok(_) | Err(IpmiError::Completion(_)) => Ok(MOST_SUITES),
            Err(IpmiError::Proto(error)) if error.is_about_octets() => Ok(MOST_SUITES),
            Err(error) => Err(error),
        }
    }

    /// Sets the maximum privilege level of a cipher suite; [`AccessLevel::NoAccess`] disables the suite.
    ///
    /// # Errors
    /// If the controller does not list the suite, or rejects the change; [`IpmiError::Unchanged`] if the
    /// change has no effect.
    pub async fn limit_suite(
        &self,
        channel: ChannelNumber,
        suite: u8,
        level: AccessLevel,
    ) -> Result<(), IpmiError> {
        let mut limits = [AccessLevel::Unknown; 16];
        let (suites, known) = self.suite_limits(channel).await?;
        limits.iter_mut().zip(&known).for_each(|(to, from)| *to = *from);
        let index = suites.iter().position(|listed| *listed == suite);
        let slot = index.and_then(|index| limits.get_mut(index));
        *slot.ok_or(ProtoError::Absent { what: "this cipher suite" })? = level;
        self.change_lan(channel, &[LanChange::SuiteLimits(limits)]).await?;
        let (_, read) = self.suite_limits(channel).await?;
        let found = index.and_then(|index| read.get(index));
        if found == Some(&level) {
            return Ok(());
        }
        let found = or_nothing(found.map(|level| level.name()));
        Err(IpmiError::unchanged("the limit of the cipher suite", level.name(), found))
    }

    /// Returns the suites in the order of the controller, and the maximum level of each.
    async fn suite_limits(&self, channel: ChannelNumber) -> Result<(Vec<u8>, Vec<AccessLevel>), IpmiError> {
        let suites = GetLanParameter { channel, parameter: LanParameter::Suites };
        let limits = GetLanParameter { channel, parameter: LanParameter::SuiteLimits };
        let suites = match self.run(&suites).await? {
            LanValue::Suites(suites) => suites,
            _ => Vec::new(),
        };
        match self.run(&limits).await? {
            LanValue::SuiteLimits(limits) => Ok((suites, limits)),
            _ => Ok((suites, Vec::new())),
        }
    }

    /// Changes parameters together, and reads them back. A lost connection is not an error: the response of a
    /// controller that changed its address does not arrive.
    ///
    /// # Errors
    /// If the controller rejects the change; [`IpmiError::Unchanged`] if the change has no effect.
    pub async fn change_lan(
        &self,
        channel: ChannelNumber,
        changes: &[LanChange],
    ) -> Result<ChangeOutcome, IpmiError> {
        let set_all = async || {
            for change in changes {
                self.run(&SetLanParameter { channel, change: change.clone() }).await?;
            }
            Ok(())
        };
        if self.in_lan_transaction(channel, set_all).await? == ChangeOutcome::Unreachable {
            return Ok(ChangeOutcome::Unreachable);
        }
        let mut outcome = ChangeOutcome::Confirmed;
        for change in changes {
            let Some((parameter, wanted)) = change.read_back() else {
                outcome = ChangeOutcome::Unverified;
                continue;
            };
            let read = self.run(&GetLanParameter { channel, parameter }).await;
            match verify_change(read, |read| verify(change.setting(), &wanted, &read))? {
                ChangeOutcome::Confirmed => {}
                ChangeOutcome::Unverified => outcome = ChangeOutcome::Unverified,
                ChangeOutcome::Unreachable => return Ok(ChangeOutcome::Unreachable),
            }
        }
        Ok(outcome)
    }

    /// Runs a change while the parameters of the channel are locked, if the controller supports that. Returns
    /// [`ChangeOutcome::Unverified`] if it still responds afterwards, and [`ChangeOutcome::Unreachable`] if not.
    pub(crate) async fn in_lan_transaction(
        &self,
        channel: ChannelNumber,
        change: impl AsyncFnOnce() -> Result<(), IpmiError>,
    ) -> Result<ChangeOutcome, IpmiError> {
        let begin = SetLanParameter { channel, change: LanChange::Begin };
        let has_begun = match self.run(&begin).await {
            Ok(()) => true,
            Err(IpmiError::Completion(_)) => false,
            Err(error) => return Err(error),
        };
        let changed = match change().await {
            Err(error) if error.is_silence() => return Ok(ChangeOutcome::Unreachable),
            other => other,
        };
        if has_begun {
            // Unlock the parameters even after a failure. A controller whose address has changed does not
            // receive this, and must not be waited for twice.
            let commit = SetLanParameter { channel, change: LanChange::Commit };
            if changed.is_ok() && self.run(&commit).await.is_err_and(|error| error.is_silence()) {
                return Ok(ChangeOutcome::Unreachable);
            }
            let _ = self.run(&SetLanParameter { channel, change: LanChange::End }).await;
        }
        changed.map(|()| ChangeOutcome::Unverified)
    }
}

/// Maximum number of cipher suites (IPMI 2.0, table 23-4, parameter 22).
const MOST_SUITES: u8 = 16;

/// Result of reading back a change that was not rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The value is as requested.
    Confirmed,
    /// The value cannot be read.
    Unverified,
    /// The controller no longer responds: its address may have changed.
    Unreachable,
}

/// Compares a value with the wanted one by `compare`, if it could be read.
pub(crate) fn verify_change<T>(
    read: Result<T, IpmiError>,
    compare: impl FnOnce(T) -> Result<(), IpmiError>,
) -> Result<ChangeOutcome, IpmiError> {
    match read {
        Ok(read) => compare(read).map(|()| ChangeOutcome::Confirmed),
        Err(IpmiError::Completion(_)) => Ok(ChangeOutcome::Unverified),
        Err(error) if error.is_silence() => Ok(ChangeOutcome::Unreachable),
        Err(error) => Err(error),
    }
}
