//! `telarch ipmi raw`.

use ipmi::proto::{Privilege, Request, raw};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::Answer;

#[derive(Clone, Debug)]
pub(super) struct Raw(pub(super) Request);

impl Question for Raw {
    fn privilege(&self) -> Privilege {
        // Nobody knows what it takes.
        Privilege::Administrator
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let octets = bmc.run(&raw::Raw(self.0.clone())).await?;
        let written: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let lines = written.chunks(16).map(|line| format!(" {}\n", line.join(" ")));
        Ok(Answer::new(lines.collect(), vec![vec![("data", Value::from(written.join(" ")))]]))
    }
}
