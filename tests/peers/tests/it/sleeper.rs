//! A process that is there as long as a test looks for it.

use std::process::{Child, Command};

pub(crate) struct Sleeper(Child);

impl Sleeper {
    pub(crate) fn start() -> Self {
        Self(Command::new("sleep").arg("600").spawn().expect("sleep"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Harmless when it has ended already, and either way it is reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
