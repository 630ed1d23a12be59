//! `telarch ipmi raw`: requests as bytes.

use ipmi::proto::{Privilege, Request, raw};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Debug)]
pub(super) struct Raw(pub(super) Request);

impl Operation for Raw {
    fn privilege(&self) -> Privilege {
        // The required level depends on the request and is not known.
        Privilege::Administrator
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let bytes = bmc.run(&raw::Raw(self.0.clone())).await?;
        let written: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines = written.chunks(16).map(|line| format!(" {}\n", line.join(" ")));
        Ok(Answer::new(lines.collect(), vec![vec![("data", Value::from(written.join(" ")))]]))
    }
}
