//! The service of this machine.

use std::io;
use std::path::PathBuf;

use super::round::Round;

/// Where the service keeps what is looked at.
pub(super) struct Place;

impl Place {
    pub(super) fn find(_config: Option<PathBuf>, _state: Option<PathBuf>, _sockets: Vec<PathBuf>) -> Self {
        Self
    }
    pub(super) fn title(&self) -> String {
        "this machine".to_owned()
    }
}

pub(super) async fn examine(_place: &Place, _round: &mut Round<'_>) -> io::Result<()> {
    Ok(())
}
