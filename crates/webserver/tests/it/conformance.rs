//! Behaviour of every web server. Each product runs each test with its real program, and each change is verified by a
//! request. A capability that a product does not claim must be refused.

mod applications;
mod capabilities;
mod changes;
mod features;
mod sites;

/// Runs each test with every product.
macro_rules! conformance {
    ($($module:ident::$name:ident),* $(,)?) => {
        mod nginx {
            $(#[test] fn $name() { super::$module::$name(crate::fixture::Product::Nginx); })*
        }
        mod apache {
            $(#[test] fn $name() { super::$module::$name(crate::fixture::Product::Apache); })*
        }
        mod caddy {
            $(#[test] fn $name() { super::$module::$name(crate::fixture::Product::Caddy); })*
        }
    };
}

conformance!(
    applications::applications_with_fastcgi_run_scripts,
    applications::applications_with_https_reach_their_servers,
    capabilities::features_are_refused_unless_claimed,
    capabilities::fields_are_refused_unless_supported,
    capabilities::options_of_sites_are_refused_unless_claimed,
    capabilities::protocols_of_applications_are_refused_unless_claimed,
    changes::outside_edits_are_recorded_and_conflict_with_older_plans,
    changes::two_writers_exclude_each_other,
    changes::files_outside_the_roots_are_not_changed,
    changes::values_cannot_change_the_structure,
    changes::a_broken_text_is_rejected_with_its_line,
    changes::a_port_in_use_restores_the_old_configuration,
    changes::the_web_server_is_controlled_and_its_logs_are_read,
    features::documents_and_listings,
    features::error_pages_and_redirects,
    features::headers_types_and_compression,
    features::restrictions_and_authentication,
    features::limits_and_logs,
    features::values_of_all_sites_are_inherited,
    sites::a_site_is_created_changed_stopped_and_restored,
    sites::applications_pass_requests_to_pools,
    sites::a_pool_names_the_unit_of_its_servers,
    sites::virtual_directories_have_features_of_their_own,
    sites::a_site_with_tls_serves_its_certificate,
);
