//! Telling a machine what to start from (IPMI 2.0, 28.13).

use ipmi_proto::boot::{BootFlags, GetBootFlags, SetBootOption};

use crate::{Connection, IpmiError};

impl Connection {
    /// What the machine is told to start from, and whether it is told anything.
    ///
    /// # Errors
    /// When the controller does not answer, or does not know.
    pub async fn boot_flags(&self) -> Result<BootFlags, IpmiError> {
        self.run(&GetBootFlags).await
    }

    /// Tells the machine what to start from; it counts until it has started, however long that takes.
    ///
    /// # Errors
    /// When the controller does not answer, or refuses the flags themselves. That it knows nothing of what stands
    /// around them is no error: many do not.
    pub async fn set_boot_flags(&self, flags: BootFlags) -> Result<(), IpmiError> {
        let mut begun = false;
        for step in [SetBootOption::Begin, SetBootOption::KeepUntilStart, SetBootOption::Unread] {
            match self.run(&step).await {
                Ok(()) => begun |= step == SetBootOption::Begin,
                Err(IpmiError::Completion(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let set = self.run(&SetBootOption::Flags(flags)).await;
        // Whatever became of it, others may go on.
        let last = if set.is_ok() {
            &[SetBootOption::Commit, SetBootOption::End][..]
        } else {
            &[SetBootOption::End]
        };
        for step in last.iter().filter(|_| begun) {
            match self.run(step).await {
                Ok(()) | Err(IpmiError::Completion(_)) => {}
                Err(error) => return set.and(Err(error)),
            }
        }
        set
    }
}
