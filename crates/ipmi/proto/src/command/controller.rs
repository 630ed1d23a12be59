//! Restart and self test of the controller (IPMI 2.0, 20.2 to 20.4).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Cold Reset and Warm Reset: the controller restarts, the machine keeps running. All sessions are lost, and
/// many controllers restart before they respond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Cold reset: volatile settings return to their defaults.
    Cold,
    /// Warm reset: volatile settings are kept where possible.
    Warm,
}

impl Command for Restart {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        let command = match self {
            Self::Cold => 0x02,
            Self::Warm => 0x03,
        };
        Request::new(NetFn::APP, command, &[])
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Get Self Test Results: the result of the last self test.
#[derive(Clone, Copy, Debug)]
pub struct GetSelfTest;

/// Result of a self test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelfTest {
    /// No error.
    Passed,
    /// The controller has no self test.
    NotThere,
    /// Names of the components that failed or are not readable.
    Wrong(Vec<&'static str>),
    /// Fatal hardware error, with a manufacturer-defined code.
    Broken(u8),
    /// Another result, with manufacturer-defined codes.
    Other(u8, u8),
}

impl Command for GetSelfTest {
    type Reply = SelfTest;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x04, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<SelfTest, ProtoError> {
        let [result, detail] = Octets::new("the answer to Get Self Test Results", octets).array()?;
        Ok(match result {
            0x55 => SelfTest::Passed,
            0x56 => SelfTest::NotThere,
            0x57 => SelfTest::Wrong(
                (0..).zip(PARTS).filter(|(bit, _)| detail >> bit & 1 == 1).map(|(_, part)| part).collect(),
            ),
            0x58 => SelfTest::Broken(detail),
            _ => SelfTest::Other(result, detail),
        })
    }
}

/// Names of components by bit (IPMI 2.0, table 20-4).
const PARTS: [&str; 8] = [
    "the firmware that runs",
    "the boot block of the firmware",
    "the internal area of the inventory",
    "the repository of sensors is empty",
    "the bus to other controllers",
    "the inventory of the machine",
    "the repository of sensors",
    "the event log",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_test_results_are_described() {
        let found = |octets: [u8; 2]| GetSelfTest.reply(&octets).expect("an answer");
        assert_eq!((found([0x55, 0]), found([0x56, 0])), (SelfTest::Passed, SelfTest::NotThere));
        assert_eq!(found([0x57, 0x81]), SelfTest::Wrong(vec!["the firmware that runs", "the event log"]));
        assert_eq!((found([0x58, 7]), found([0x70, 1])), (SelfTest::Broken(7), SelfTest::Other(0x70, 1)));
        assert!(GetSelfTest.reply(&[0x55]).is_err());
    }
}
