//! Messages between a host and its session process, the root process that has opened the PAM session of the user.
//!
//! The session process owns the control groups of the user: it creates them, sets their limits and moves the user's
//! processes, so that no process of the user can leave its group. A host may request groups for its own user's shells
//! only.

use std::num::NonZeroU64;

use crate::variables::Variables;
use crate::wire::{Malformed, Reader, Writer};

/// First message from the session process to its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSession {
    /// Environment variables of the PAM session, for the user's commands.
    pub variables: Variables,
    /// Whether the session process can create control groups for shells.
    pub has_groups: bool,
}

/// Requests of a host to its session process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRequest {
    /// Creates a group for a shell.
    Create {
        /// Memory limit of all its processes together, in bytes; `None` for no limit.
        memory: Option<NonZeroU64>,
        /// Limit of its processes and threads; `None` for no limit.
        tasks: Option<NonZeroU64>,
    },
    /// Moves a process that the host has just started, and all its descendants, into a group.
    AddProcess {
        /// Number of the group.
        group: u32,
        /// Process ID.
        process: u32,
    },
    /// Kills every process of a group.
    Kill {
        /// Number of the group.
        group: u32,
    },
    /// Removes an empty group.
    Remove {
        /// Number of the group.
        group: u32,
    },
}

/// Answers of a session process to its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAnswer {
    /// The group was created.
    Created {
        /// Number of the group, for further requests.
        group: u32,
        /// Directory of the group in the cgroup file system.
        path: String,
        /// Whether the memory controller is available for the group.
        limits_memory: bool,
    },
    /// The request was carried out.
    Done,
    /// The group cannot be removed because it has processes.
    Busy,
    /// The request failed, with the reason.
    Failed(String),
}

impl HostSession {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(1);
        w.u8(u8::from(self.has_groups));
        self.variables.write(&mut w);
        w.finish().to_vec()
    }

    /// Decodes the message.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not such a message.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let (1, flag @ (0 | 1)) = (r.u8()?, r.u8()?) else { return Err(Malformed("not a session message")) };
        let variables = Variables::read(&mut r)?;
        r.finish()?;
        Ok(Self { variables, has_groups: flag == 1 })
    }
}

impl GroupRequest {
    /// Maximum length of a request in bytes, checked before memory is allocated for it.
    pub const MAX_LENGTH: usize = 32;

    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        match self {
            Self::Create { memory, tasks } => {
                w.u8(1).u64(memory.map_or(0, NonZeroU64::get)).u64(tasks.map_or(0, NonZeroU64::get));
            }
            Self::AddProcess { group, process } => _ = w.u8(2).u32(*group).u32(*process),
            Self::Kill { group } => _ = w.u8(3).u32(*group),
            Self::Remove { group } => _ = w.u8(4).u32(*group),
        }
        w.finish().to_vec()
    }

    /// Decodes the message.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not such a message.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let request = match r.u8()? {
            1 => Self::Create { memory: NonZeroU64::new(r.u64()?), tasks: NonZeroU64::new(r.u64()?) },
            2 => Self::AddProcess { group: r.u32()?, process: r.u32()? },
            3 => Self::Kill { group: r.u32()? },
            4 => Self::Remove { group: r.u32()? },
            _ => return Err(Malformed("unknown request for a control group")),
        };
        r.finish()?;
        Ok(request)
    }
}

impl GroupAnswer {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        match self {
            Self::Created { group, path, limits_memory } => {
                w.u8(1).u32(*group).text(path).u8(u8::from(*limits_memory));
            }
            Self::Done => _ = w.u8(2),
            Self::Busy => _ = w.u8(3),
            Self::Failed(reason) => _ = w.u8(4).text(reason),
        }
        w.finish().to_vec()
    }

    /// Decodes the message.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not such a message.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let answer = match r.u8()? {
            1 => Self::Created { group: r.u32()?, path: r.text()?.to_owned(), limits_memory: r.u8()? == 1 },
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
    fn every_message_of_session_process_and_host_survives_a_round_trip() {
        let (variables, _) = Variables::from_session([("A".to_owned(), "b".to_owned())]);
        let session = HostSession { variables, has_groups: true };
        assert_eq!(HostSession::decode(&session.encode()), Ok(session));
        for request in [
            GroupRequest::Create { memory: NonZeroU64::new(7), tasks: None },
            GroupRequest::AddProcess { group: 1, process: 2 },
            GroupRequest::Kill { group: 3 },
            GroupRequest::Remove { group: 4 },
        ] {
            assert!(request.encode().len() <= GroupRequest::MAX_LENGTH);
            assert_eq!(GroupRequest::decode(&request.encode()), Ok(request));
        }
        for answer in [
            GroupAnswer::Created { group: 1, path: "/sys/fs/cgroup/x".to_owned(), limits_memory: true },
            GroupAnswer::Done,
            GroupAnswer::Busy,
            GroupAnswer::Failed("no".to_owned()),
        ] {
            assert_eq!(GroupAnswer::decode(&answer.encode()), Ok(answer));
        }
        assert!(GroupRequest::decode(&[2, 0]).is_err());
    }
}
