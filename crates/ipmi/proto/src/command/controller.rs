//! The controller itself: how it starts anew, and what it finds wrong with itself (IPMI 2.0, 20.2 to 20.4).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Cold Reset and Warm Reset: the controller starts anew, and its machine goes on. It knows no session afterwards, and
/// many are gone before they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// As after power on: settings that are not kept have their defaults.
    Cold,
    /// What can be kept is kept.
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

/// Get Self Test Results: what the controller found when it looked at itself last.
#[derive(Clone, Copy, Debug)]
pub struct GetSelfTest;

/// What a self test has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelfTest {
    /// Nothing is wrong.
    Passed,
    /// It does not test itself.
    NotThere,
    /// These do not work, or hold what cannot be read.
    Wrong(Vec<&'static str>),
    /// The hardware is broken; the number is the manufacturer's.
    Broken(u8),
    /// Something else, in numbers of the manufacturer.
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

/// By their bits (IPMI 2.0, table 20-4).
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
    fn what_a_self_test_found_has_words() {
        let found = |octets: [u8; 2]| GetSelfTest.reply(&octets).expect("an answer");
        assert_eq!((found([0x55, 0]), found([0x56, 0])), (SelfTest::Passed, SelfTest::NotThere));
        assert_eq!(found([0x57, 0x81]), SelfTest::Wrong(vec!["the firmware that runs", "the event log"]));
        assert_eq!((found([0x58, 7]), found([0x70, 1])), (SelfTest::Broken(7), SelfTest::Other(0x70, 1)));
        assert!(GetSelfTest.reply(&[0x55]).is_err());
    }
}
