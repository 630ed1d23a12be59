//! Rights of a caller on sites and their features.

use management::{FeatureAccess, Role, SiteScope};
use serde_json::Value;
use webserver::{Change, Feature, SiteId};

use crate::caller::Caller;
use crate::console::Console;
use crate::problem::Problem;

impl Console {
    /// Returns whether a caller may read a site.
    pub(crate) fn can_read(&self, caller: &Caller, site: &SiteId) -> bool {
        caller.role >= Role::Viewer || self.is_granted(caller, site)
    }

    /// Returns whether a caller may administer a site because of a permission for it.
    pub(crate) fn is_granted(&self, caller: &Caller, site: &SiteId) -> bool {
        let scope = SiteScope::of_site(site.as_str());
        scope.is_some_and(|scope| self.permissions.is_granted(&caller.name, &scope))
    }

    /// Refuses a site that the caller may not read, in the same way as a site that does not exist.
    pub(crate) fn require_readable(&self, caller: &Caller, site: &SiteId) -> Result<(), Problem> {
        if self.can_read(caller, site) { Ok(()) } else { Err(Problem::not_found("site")) }
    }

    /// Returns the access of a caller to a feature of a site.
    pub(crate) fn feature_access(&self, caller: &Caller, site: &SiteId, feature: Feature) -> FeatureAccess {
        if caller.role == Role::Administrator {
            return FeatureAccess::Write;
        }
        let scope = SiteScope::of_site(site.as_str());
        if self.is_granted(caller, site) {
            return self.delegation.state(feature, scope.as_ref()).access();
        }
        if caller.role >= Role::Viewer { FeatureAccess::Read } else { FeatureAccess::Hidden }
    }

    /// Refuses a change unless the caller is an administrator, or it sets a delegated feature of a site that the caller
    /// administers, without naming a file.
    pub(crate) fn require_change(&self, caller: &Caller, change: &Change) -> Result<(), Problem> {
        if caller.role == Role::Administrator {
            return Ok(());
        }
        let (Change::SetFeature { scope, .. } | Change::RevertFeature { scope, .. }) = change else {
            return Err(Problem::forbidden("this change requires a server administrator"));
        };
        let (Some(site), Some(feature)) = (scope.site(), change.feature()) else {
            return Err(Problem::forbidden("settings of the whole server require a server administrator"));
        };
        self.require_readable(caller, site)?;
        match self.feature_access(caller, site, feature) {
            FeatureAccess::Write => {}
            FeatureAccess::Read => {
                let detail = format!("the feature {feature} is locked and read only for this site");
                return Err(Problem::forbidden(detail).with("locked", Value::Bool(true)));
            }
            FeatureAccess::Hidden => return Err(Problem::not_found("feature")),
        }
        // A file could be one that the site does not own.
        if change.file_paths().is_empty() {
            Ok(())
        } else {
            Err(Problem::forbidden("a setting that names a file requires a server administrator"))
        }
    }
}
