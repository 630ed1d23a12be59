//! `telarch ipmi restart` and `telarch ipmi selftest`.

use ipmi::proto::controller::{GetSelfTest, Restart, SelfTest};
use ipmi::proto::{Command as _, Privilege, ProtoError};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;

impl Operation for Restart {
    fn privilege(&self) -> Privilege {
        Self::PRIVILEGE
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let message = match bmc.run(self).await {
            Ok(()) => "the controller is restarting; this takes a minute or two",
            // Many controllers restart before they respond.
            Err(IpmiError::Proto(ProtoError::Undecided)) => {
                "restart requested, but the controller did not confirm it; check with info"
            }
            Err(error) => return Err(error),
        };
        Ok(Answer::message("restart", message))
    }
}

/// The request for the self-test result of a controller.
#[derive(Clone, Copy, Debug)]
pub(super) struct SelfTestRequest;

impl Operation for SelfTestRequest {
    fn privilege(&self) -> Privilege {
        GetSelfTest::PRIVILEGE
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let (result, fault) = match bmc.run(&GetSelfTest).await? {
            SelfTest::Passed => ("passed", None),
            SelfTest::NotThere => ("not there", None),
            SelfTest::Wrong(parts) => ("failed", Some(parts.join(", "))),
            SelfTest::Broken(number) => {
                ("failed", Some(format!("hardware, manufacturer-specific code {number:02x}h")))
            }
            SelfTest::Other(result, detail) => {
                ("failed", Some(format!("manufacturer-specific codes {result:02x}h and {detail:02x}h")))
            }
        };
        let failure = fault.as_ref().map(|fault| format!("the self-test of the controller failed: {fault}"));
        let fault = fault.map_or(Value::Null, Value::from);
        let answer =
            Answer::fields([("selftest", "Self Test", Value::from(result)), ("wrong", "Fault", fault)]);
        Ok(Answer { failure, ..answer })
    }
}
