//! Sites and application pools with their states, and operations that take effect at once, without plans and history.

use std::collections::BTreeSet;

use serde::Serialize;

use super::configuration::IisConfiguration;
use super::document::site_file;
use super::draft::Draft;
use super::{WebAdministration, operations, pools, sites};
use crate::application_pool::{ApplicationPool, PoolOperation};
use crate::change::Change;
use crate::engine::Configuration as _;
use crate::error::WebServerError;
use crate::model::{Site, SiteState};
use crate::plan::Problem;
use crate::value::SiteId;

/// Sites and application pools of an IIS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IisOverview {
    /// Sites, sorted by name.
    pub sites: Vec<Site>,
    /// Application pools, sorted by name.
    pub pools: Vec<ApplicationPool>,
    /// Objects that cannot be shown.
    pub problems: Vec<Problem>,
}

/// An IIS of another machine, of which only states are changed. It stores nothing on this machine.
#[derive(Clone, Copy)]
pub struct IisControl<'a>(&'a dyn WebAdministration);

impl std::fmt::Debug for IisControl<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("IisControl").field(&self.0.machine()).finish()
    }
}

impl<'a> IisControl<'a> {
    /// Uses a connection to a machine. Nothing is sent.
    #[must_use]
    pub fn new(connection: &'a dyn WebAdministration) -> Self {
        Self(connection)
    }

    /// Reads the sites and application pools. A site needs one request.
    ///
    /// # Errors
    /// [`WebServerError::Windows`] if the machine has no IIS, or does not answer.
    pub fn overview(self) -> Result<IisOverview, WebServerError> {
        let configuration = IisConfiguration::read_sites(self.0)?;
        Ok(IisOverview {
            sites: sites::all(&configuration),
            pools: pools::list(self.0)?,
            problems: configuration.problems(),
        })
    }

    /// Starts or stops a site, which keeps this state when the machine starts, and returns the site.
    ///
    /// # Errors
    /// [`WebServerError::NotFound`] for an unknown site, and [`WebServerError::Windows`] if IIS refuses the change.
    pub fn set_site_state(self, site: &SiteId, state: SiteState) -> Result<Site, WebServerError> {
        let before = IisConfiguration::read_sites(self.0)?;
        let mut draft = Draft::new(&before);
        draft.apply(&Change::SetSiteState { site: site.clone(), state })?;
        let file = site_file(&before.documents.site_name(site)?);
        let files = BTreeSet::from([file.as_str()]);
        operations::perform(self.0, &operations::between(&before.documents, &draft.documents, &files))?;
        let found = sites::all(&IisConfiguration::read_sites(self.0)?);
        found
            .into_iter()
            .find(|found| found.id == *site)
            .ok_or_else(|| WebServerError::not_found("site", site))
    }

    /// Performs an operation on an application pool, and waits until it has the new state.
    ///
    /// # Errors
    /// [`WebServerError::NotFound`] for an unknown pool, and [`WebServerError::Windows`] if IIS refuses the operation.
    pub fn control_application_pool(
        self,
        name: &str,
        operation: PoolOperation,
    ) -> Result<ApplicationPool, WebServerError> {
        pools::control(self.0, name, operation)
    }
}
