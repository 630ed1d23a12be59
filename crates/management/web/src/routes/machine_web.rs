//! Routes of the IIS of other machines.

use crate::route::{ADMINISTRATOR, ELEVATED, Route};
use crate::{handle_machine_iis, handle_web};

pub(super) const ROUTES: &[Route] = &[
    Route::new(
        "GET",
        "/machines/{machine}/iis",
        "List sites and application pools of a machine's IIS",
        ADMINISTRATOR,
        handle_machine_iis::overview,
    )
    .returns(200, "MachineIis"),
    Route::new(
        "POST",
        "/machines/{machine}/iis/sites/{site}/actions/{action}",
        "Start or stop a site of a machine's IIS",
        ELEVATED,
        handle_machine_iis::control_site,
    )
    .returns(200, "Site"),
    Route::new(
        "POST",
        "/machines/{machine}/iis/pools/{pool}/actions/{action}",
        "Start, stop or recycle an application pool of a machine's IIS",
        ELEVATED,
        handle_machine_iis::control_pool,
    )
    .returns(200, "ApplicationPool"),
    Route::new(
        "GET",
        "/machines/{machine}/web",
        "Return state and revision of a machine's IIS",
        ADMINISTRATOR,
        handle_web::info,
    )
    .returns(200, "WebServer"),
    Route::new(
        "GET",
        "/machines/{machine}/web/sites",
        "List sites of a machine's IIS",
        ADMINISTRATOR,
        handle_web::sites,
    )
    .returns(200, "Sites"),
    Route::new(
        "POST",
        "/machines/{machine}/web/sites",
        "Create a site of a machine's IIS",
        ELEVATED,
        handle_web::create_site,
    )
    .takes("NewSite")
    .changes_web(),
    Route::new(
        "GET",
        "/machines/{machine}/web/sites/{site}",
        "Return a site of a machine's IIS",
        ADMINISTRATOR,
        handle_web::site,
    )
    .returns(200, "Site"),
    Route::new(
        "PATCH",
        "/machines/{machine}/web/sites/{site}",
        "Change bindings, folder or state of a site of a machine's IIS",
        ELEVATED,
        handle_web::change_site,
    )
    .takes("SiteChange")
    .changes_web(),
    Route::new(
        "DELETE",
        "/machines/{machine}/web/sites/{site}",
        "Delete a site of a machine's IIS",
        ELEVATED,
        handle_web::delete_site,
    )
    .changes_web(),
    Route::new(
        "GET",
        "/machines/{machine}/web/sites/{site}/features",
        "List features of a site of a machine's IIS",
        ADMINISTRATOR,
        handle_web::features,
    )
    .returns(200, "Features"),
    Route::new(
        "GET",
        "/machines/{machine}/web/sites/{site}/features/{feature}",
        "Return a feature of a site of a machine's IIS",
        ADMINISTRATOR,
        handle_web::feature,
    )
    .returns(200, "Feature"),
    Route::new(
        "PUT",
        "/machines/{machine}/web/sites/{site}/features/{feature}",
        "Set a feature of a site of a machine's IIS",
        ELEVATED,
        handle_web::set_feature,
    )
    .takes("FeatureValue")
    .changes_web(),
    Route::new(
        "DELETE",
        "/machines/{machine}/web/sites/{site}/features/{feature}",
        "Revert a feature of a site of a machine's IIS to the inherited value",
        ELEVATED,
        handle_web::revert_feature,
    )
    .changes_web(),
    Route::new(
        "POST",
        "/machines/{machine}/web/changes",
        "Make several changes of a machine's IIS together",
        ELEVATED,
        handle_web::change,
    )
    .takes("Changes")
    .changes_web(),
    Route::new(
        "GET",
        "/machines/{machine}/web/history",
        "List commits to a machine's IIS, the newest first",
        ADMINISTRATOR,
        handle_web::history,
    )
    .query(&["before", "limit"])
    .returns(200, "History"),
    Route::new(
        "GET",
        "/machines/{machine}/web/history/{commit}",
        "Return a commit to a machine's IIS",
        ADMINISTRATOR,
        handle_web::commit,
    )
    .returns(200, "CommitDetails"),
    Route::new(
        "POST",
        "/machines/{machine}/web/history/{commit}/rollback",
        "Restore the configuration of a commit to a machine's IIS",
        ELEVATED,
        handle_web::rollback,
    )
    .changes_web(),
];
