//! Boot device selection (IPMI 2.0, 28.13).

use ipmi_proto::boot::{BootFlags, GetBootFlags, SetBootOption};

use crate::{Connection, IpmiError};

impl Connection {
    /// Returns the current boot flags.
    ///
    /// # Errors
    /// If the controller does not respond, or does not support boot flags.
    pub async fn boot_flags(&self) -> Result<BootFlags, IpmiError> {
        self.run(&GetBootFlags).await
    }

    /// Sets the boot flags, and returns them as read back. They stay valid until the next start of the
    /// machine, however long that takes.
    ///
    /// # Errors
    /// If the controller does not respond, or rejects the flags themselves. Rejected locking and commit steps
    /// are ignored, because many controllers do not support them. [`IpmiError::Unchanged`] if the machine
    /// would start in another way.
    pub async fn set_boot_flags(&self, flags: BootFlags) -> Result<BootFlags, IpmiError> {
        self.send_boot_flags(flags).await?;
        let found = self.boot_flags().await?;
        if found.have_effect_of(&flags) {
            Ok(found)
        } else {
            Err(IpmiError::unchanged("the boot flags", flags, found))
        }
    }

    async fn send_boot_flags(&self, flags: BootFlags) -> Result<(), IpmiError> {
        let mut begun = false;
        for step in [SetBootOption::Begin, SetBootOption::KeepUntilStart, SetBootOption::Unread] {
            match self.run(&step).await {
                Ok(()) => begun |= step == SetBootOption::Begin,
                Err(IpmiError::Completion(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let set = self.run(&SetBootOption::Flags(flags)).await;
        // Unlock the parameters even after a failure.
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
