//! Identify: who is there (MS-WSMV 3.1.4.17).

use config::Config;
use wsman::identify::Identity;
use wsman::namespace;

use crate::service::Product;

const PROFILES: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile";

/// What someone who has signed in is told.
pub(crate) fn identity(product: &Product, config: &Config) -> Identity {
    let auth = &config.service.auth;
    let mut profiles = Vec::new();
    if auth.basic {
        if config.service.allow_unencrypted {
            profiles.push(format!("{PROFILES}/http/basic"));
        }
        profiles.push(format!("{PROFILES}/https/basic"));
    }
    Identity {
        protocol_version: namespace::WSMAN.to_owned(),
        product_vendor: product.vendor.clone(),
        product_version: format!("OS: {} SP: 0.0 Stack: 3.0", product.os_version),
        security_profiles: profiles,
    }
}
