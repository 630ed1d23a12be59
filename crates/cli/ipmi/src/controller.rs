//! `telarch ipmi restart` and `selftest`: the controller itself.

use ipmi::proto::controller::{GetSelfTest, Restart, SelfTest};
use ipmi::proto::{Command as _, Privilege, ProtoError};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::Answer;

impl Question for Restart {
    fn privilege(&self) -> Privilege {
        Self::PRIVILEGE
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let said = match bmc.run(self).await {
            Ok(()) => "the controller starts anew; it answers again in a minute or two",
            // Many are gone before they answer.
            Err(IpmiError::Proto(ProtoError::Undecided)) => {
                "the controller was told to start anew, and has not answered: info tells when it is back"
            }
            Err(error) => return Err(error),
        };
        Ok(Answer::said("restart", said))
    }
}

/// What the controller finds wrong with itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct SelfTestRequest;

impl Question for SelfTestRequest {
    fn privilege(&self) -> Privilege {
        GetSelfTest::PRIVILEGE
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let (result, what) = match bmc.run(&GetSelfTest).await? {
            SelfTest::Passed => ("passed", None),
            SelfTest::NotThere => ("not there", None),
            SelfTest::Wrong(parts) => ("failed", Some(parts.join(", "))),
            SelfTest::Broken(number) => {
                ("failed", Some(format!("hardware, manufacturer's number {number:02x}h")))
            }
            SelfTest::Other(result, detail) => {
                ("failed", Some(format!("manufacturer's numbers {result:02x}h and {detail:02x}h")))
            }
        };
        let failure = what.as_ref().map(|what| format!("the self test of the controller failed: {what}"));
        let wrong = what.map_or(Value::Null, Value::from);
        let answer =
            Answer::fields([("selftest", "Self Test", Value::from(result)), ("wrong", "Wrong", wrong)]);
        Ok(Answer { failure, ..answer })
    }
}
