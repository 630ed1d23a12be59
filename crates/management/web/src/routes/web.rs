//! Routes of the web server.

use crate::route::{ADMINISTRATOR, ELEVATED, OPERATOR, Route, SITE_OR_ADMIN, SITE_OR_VIEWER, VIEWER};
use crate::{handle_certificates, handle_deploy, handle_web};

pub(super) const ROUTES: &[Route] = &[
    Route::new(
        "GET",
        "/web",
        "Return product, state and revision of the web server",
        SITE_OR_VIEWER,
        handle_web::info,
    )
    .returns(200, "WebServer"),
    Route::new(
        "GET",
        "/web/request-rates",
        "Return the requests per second of the last minute, from the access logs",
        VIEWER,
        handle_web::request_rates,
    )
    .returns(200, "WebRequestRates"),
    Route::new(
        "POST",
        "/web/actions/{action}",
        "Start, stop or reload the web server",
        OPERATOR,
        handle_web::control,
    )
    .returns(200, "WebStatus"),
    Route::new("GET", "/web/sites", "List sites", SITE_OR_VIEWER, handle_web::sites)
        .returns(200, "Sites")
        .quick(handle_web::sites_quickly),
    Route::new("POST", "/web/sites", "Create a site", ADMINISTRATOR, handle_web::create_site)
        .takes("NewSite")
        .changes_web(),
    Route::new("GET", "/web/sites/{site}", "Return a site", SITE_OR_VIEWER, handle_web::site)
        .returns(200, "Site"),
    Route::new(
        "PATCH",
        "/web/sites/{site}",
        "Change bindings, folder or state",
        ADMINISTRATOR,
        handle_web::change_site,
    )
    .takes("SiteChange")
    .changes_web(),
    Route::new("DELETE", "/web/sites/{site}", "Delete a site", ADMINISTRATOR, handle_web::delete_site)
        .changes_web(),
    Route::new("GET", "/web/sites/{site}/features", "List features", SITE_OR_VIEWER, handle_web::features)
        .returns(200, "Features"),
    Route::new(
        "GET",
        "/web/sites/{site}/features/{feature}",
        "Return a feature",
        SITE_OR_VIEWER,
        handle_web::feature,
    )
    .returns(200, "Feature"),
    Route::new(
        "PUT",
        "/web/sites/{site}/features/{feature}",
        "Set a feature",
        SITE_OR_ADMIN,
        handle_web::set_feature,
    )
    .takes("FeatureValue")
    .changes_web(),
    Route::new(
        "DELETE",
        "/web/sites/{site}/features/{feature}",
        "Revert a feature to the inherited value",
        SITE_OR_ADMIN,
        handle_web::revert_feature,
    )
    .changes_web(),
    Route::new(
        "POST",
        "/web/sites/{site}/uploads",
        "Begin the upload of an archive",
        SITE_OR_ADMIN,
        handle_deploy::begin_upload,
    )
    .returns(201, "Upload"),
    Route::new(
        "PUT",
        "/web/sites/{site}/uploads/{upload}",
        "Upload a piece of at most 1 MiB",
        SITE_OR_ADMIN,
        handle_deploy::upload,
    )
    .query(&["offset"])
    .takes_bytes()
    .returns(200, "Upload"),
    Route::new(
        "DELETE",
        "/web/sites/{site}/uploads/{upload}",
        "Remove an upload",
        SITE_OR_ADMIN,
        handle_deploy::remove_upload,
    )
    .returns_nothing(),
    Route::new(
        "GET",
        "/web/sites/{site}/deployments",
        "List deployments, the newest first",
        SITE_OR_VIEWER,
        handle_deploy::deployments,
    )
    .returns(200, "Deployments"),
    Route::new(
        "POST",
        "/web/sites/{site}/deployments",
        "Replace the content of a site with that of an uploaded archive",
        SITE_OR_ADMIN,
        handle_deploy::deploy,
    )
    .takes("NewDeployment")
    .changes_content(),
    Route::new(
        "POST",
        "/web/sites/{site}/deployments/{deployment}/rollback",
        "Restore the content before a deployment",
        SITE_OR_ADMIN,
        handle_deploy::rollback,
    )
    .changes_content(),
    Route::new("POST", "/web/changes", "Make several changes together", SITE_OR_ADMIN, handle_web::change)
        .takes("Changes")
        .changes_web(),
    Route::new("GET", "/web/pools", "List pools", VIEWER, handle_web::pools).returns(200, "Pools"),
    Route::new(
        "POST",
        "/web/pools/{pool}/actions/{action}",
        "Start, stop or recycle the unit of a pool",
        OPERATOR,
        handle_web::control_pool,
    )
    .returns(200, "PoolUnit"),
    Route::new("GET", "/web/certificates", "List certificates", VIEWER, handle_certificates::list)
        .returns(200, "Certificates"),
    Route::new(
        "POST",
        "/web/certificates",
        "Create, request or import a certificate for sites",
        ELEVATED,
        handle_certificates::create,
    )
    .query(&["dry_run"])
    .takes("NewCertificate")
    .returns(201, "StoredCertificate"),
    Route::new(
        "DELETE",
        "/web/certificates/{certificate}",
        "Delete a certificate that no site uses",
        ELEVATED,
        handle_certificates::delete,
    )
    .returns_nothing(),
    Route::new("GET", "/web/history", "List commits, the newest first", VIEWER, handle_web::history)
        .query(&["before", "limit"])
        .returns(200, "History"),
    Route::new(
        "GET",
        "/web/history/{commit}",
        "Return a commit with its differences",
        VIEWER,
        handle_web::commit,
    )
    .returns(200, "CommitDetails"),
    Route::new(
        "POST",
        "/web/history/{commit}/rollback",
        "Restore a commit",
        ADMINISTRATOR,
        handle_web::rollback,
    )
    .changes_web(),
    Route::new("GET", "/web/logs", "List log files", VIEWER, handle_web::logs).returns(200, "Logs"),
    Route::new(
        "GET",
        "/web/logs/lines",
        "Return or follow the lines of a log file",
        VIEWER,
        handle_web::log_lines,
    )
    .query(&["path", "lines", "follow"])
    .returns(200, "LogLines"),
];
