//! Messages between a host and its keeper, the process of root that has opened the session of its user.
//!
//! The keeper owns the control groups of the user: it makes them, sets their limits and moves the user's processes, so that
//! no process of the user can leave its group. A host may ask for nothing but groups of its own user's shells.

use std::num::NonZeroU64;

use crate::variables::Variables;
use crate::wire::{Malformed, Reader, Writer};

/// The first message of a keeper to its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// For the commands of the user.
    pub variables: Variables,
    /// Whether the keeper makes control groups for the shells.
    pub has_groups: bool,
}

/// Requests of a host to its keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRequest {
    /// To make a group for a shell.
    Make {
        /// Limit of the memory of all its processes together, in bytes.
        memory: Option<NonZeroU64>,
        /// Limit of the number of its processes and threads.
        tasks: Option<NonZeroU64>,
    },
    /// To move a process that the host has just started into a group, with everything that this process has started.
    Admit {
        /// Number of the group.
        group: u32,
        /// Number of the process.
        process: u32,
    },
    /// To kill every process of a group.
    Kill {
        /// Number of the group.
        group: u32,
    },
    /// To remove a group that is empty.
    Remove {
        /// Number of the group.
        group: u32,
    },
}

/// Answers of a keeper to its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAnswer {
    /// A group was made.
    Made {
        /// Its number, for further requests.
        group: u32,
        /// Its folder.
        path: String,
        /// Whether the kernel limits its memory.
        limits_memory: bool,
    },
    /// The request was carried out.
    Done,
    /// There are processes in the group.
    Busy,
    /// The request was not carried out, and why.
    Failed(String),
}

impl Session {
    /// Returns the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(1);
        w.u8(u8::from(self.has_groups));
        self.variables.write(&mut w);
        w.finish().to_vec()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let (1, flag @ (0 | 1)) = (r.u8()?, r.u8()?) else { return Err(Malformed("it is no session")) };
        let variables = Variables::read(&mut r)?;
        r.finish()?;
        Ok(Self { variables, has_groups: flag == 1 })
    }
}

impl GroupRequest {
    /// Maximum length of a request in bytes, by which the keeper judges before it has memory for one.
    pub const LONGEST: usize = 32;

    /// Returns the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        match self {
            Self::Make { memory, tasks } => {
                let number = |limit: Option<NonZeroU64>| limit.map_or(0, NonZeroU64::get);
                w.u8(1).u64(number(*memory)).u64(number(*tasks));
            }
            Self::Admit { group, process } => _ = w.u8(2).u32(*group).u32(*process),
            Self::Kill { group } => _ = w.u8(3).u32(*group),
            Self::Remove { group } => _ = w.u8(4).u32(*group),
        }
        w.finish().to_vec()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let request = match r.u8()? {
            1 => Self::Make { memory: NonZeroU64::new(r.u64()?), tasks: NonZeroU64::new(r.u64()?) },
            2 => Self::Admit { group: r.u32()?, process: r.u32()? },
            3 => Self::Kill { group: r.u32()? },
            4 => Self::Remove { group: r.u32()? },
            _ => return Err(Malformed("unknown request for a control group")),
        };
        r.finish()?;
        Ok(request)
    }
}

impl GroupAnswer {
    /// Returns the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        match self {
            Self::Made { group, path, limits_memory } => {
                w.u8(1).u32(*group).text(path).u8(u8::from(*limits_memory));
            }
            Self::Done => _ = w.u8(2),
            Self::Busy => _ = w.u8(3),
            Self::Failed(reason) => _ = w.u8(4).text(reason),
        }
        w.finish().to_vec()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let answer = match r.u8()? {
            1 => Self::Made { group: r.u32()?, path: r.text()?.to_owned(), limits_memory: r.u8()? == 1 },
            2 => Self::Done,
            3 => Self::Busy,
            4 => Self::Failed(r.text()?.to_owned()),
            _ => return Err(Malformed("unknown answer about a control group")),
        };
        r.finish()?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_keeper_and_host_is_read_as_it_was_written() {
        let (variables, _) = Variables::of_session([("A".to_owned(), "b".to_owned())]);
        let session = Session { variables, has_groups: true };
        assert_eq!(Session::decode(&session.encode()), Ok(session));
        for request in [
            GroupRequest::Make { memory: NonZeroU64::new(7), tasks: None },
            GroupRequest::Admit { group: 1, process: 2 },
            GroupRequest::Kill { group: 3 },
            GroupRequest::Remove { group: 4 },
        ] {
            assert!(request.encode().len() <= GroupRequest::LONGEST);
            assert_eq!(GroupRequest::decode(&request.encode()), Ok(request));
        }
        for answer in [
            GroupAnswer::Made { group: 1, path: "/sys/fs/cgroup/x".to_owned(), limits_memory: true },
            GroupAnswer::Done,
            GroupAnswer::Busy,
            GroupAnswer::Failed("no".to_owned()),
        ] {
            assert_eq!(GroupAnswer::decode(&answer.encode()), Ok(answer));
        }
        assert!(GroupRequest::decode(&[2, 0]).is_err());
    }
}
