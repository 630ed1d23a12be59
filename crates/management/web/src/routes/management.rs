//! Routes of the management service itself.

use crate::route::{ADMINISTRATOR, ELEVATED, Route};
use crate::{handle_deploy, handle_management};

pub(super) const ROUTES: &[Route] = &[
    Route::new(
        "GET",
        "/management/service",
        "Return the settings",
        ADMINISTRATOR,
        handle_management::service,
    )
    .returns(200, "Service"),
    Route::new(
        "PATCH",
        "/management/service",
        "Change settings",
        ELEVATED,
        handle_management::change_service,
    )
    .takes("Settings"),
    Route::new(
        "GET",
        "/management/service/staged",
        "Return the settings in force and the staged ones",
        ADMINISTRATOR,
        handle_management::staged,
    )
    .returns(200, "Staging"),
    Route::new(
        "PUT",
        "/management/service/staged",
        "Stage settings for the next start",
        ELEVATED,
        handle_management::stage,
    )
    .takes("StagedSettings")
    .returns(200, "Staging"),
    Route::new(
        "DELETE",
        "/management/service/staged",
        "Discard the staged settings",
        ELEVATED,
        handle_management::unstage,
    )
    .returns_nothing(),
    Route::new(
        "POST",
        "/management/service/actions/apply",
        "Start again with the staged settings, which return to the old ones without a confirmation in 60 seconds",
        ELEVATED,
        handle_management::apply,
    )
    .returns(202, "Staging"),
    Route::new(
        "POST",
        "/management/service/actions/confirm",
        "Keep the applied settings",
        ADMINISTRATOR,
        handle_management::confirm,
    )
    .returns(200, "Staging"),
    Route::new("GET", "/management/users", "List manager users", ADMINISTRATOR, handle_management::users)
        .returns(200, "Users"),
    Route::new("POST", "/management/users", "Create a manager user", ELEVATED, handle_management::add_user)
        .takes("NewUser")
        .returns(201, "User"),
    Route::new(
        "PATCH",
        "/management/users/{user}",
        "Change a manager user",
        ELEVATED,
        handle_management::change_user,
    )
    .takes("UserChange")
    .returns(200, "User"),
    Route::new(
        "DELETE",
        "/management/users/{user}",
        "Delete a manager user",
        ELEVATED,
        handle_management::remove_user,
    )
    .returns_nothing(),
    Route::new(
        "GET",
        "/management/permissions",
        "List permissions",
        ADMINISTRATOR,
        handle_management::permissions,
    )
    .returns(200, "Permissions"),
    Route::new(
        "POST",
        "/management/permissions",
        "Allow a user on a site",
        ELEVATED,
        handle_management::allow,
    )
    .takes("Permission")
    .returns_nothing(),
    Route::new(
        "DELETE",
        "/management/permissions",
        "Remove a permission",
        ELEVATED,
        handle_management::disallow,
    )
    .query(&["user", "scope"])
    .returns_nothing(),
    Route::new(
        "GET",
        "/management/delegation",
        "List delegation states",
        ADMINISTRATOR,
        handle_management::delegation,
    )
    .query(&["scope"])
    .returns(200, "Delegation"),
    Route::new(
        "PUT",
        "/management/delegation/{feature}",
        "Delegate a feature",
        ELEVATED,
        handle_management::delegate,
    )
    .query(&["scope"])
    .takes("DelegationState")
    .returns_nothing(),
    Route::new(
        "GET",
        "/management/deployment-rules",
        "List deployment rules",
        ADMINISTRATOR,
        handle_deploy::rules,
    )
    .returns(200, "DeploymentRules"),
    Route::new(
        "PUT",
        "/management/deployment-rules",
        "Replace the deployment rules",
        ELEVATED,
        handle_deploy::set_rules,
    )
    .takes("DeploymentRules")
    .returns_nothing(),
    Route::new("GET", "/management/api-keys", "List API keys", ADMINISTRATOR, handle_management::keys)
        .returns(200, "ApiKeys"),
    Route::new("POST", "/management/api-keys", "Create an API key", ELEVATED, handle_management::add_key)
        .takes("NewApiKey")
        .returns(201, "CreatedApiKey"),
    Route::new(
        "DELETE",
        "/management/api-keys/{key}",
        "Delete an API key",
        ELEVATED,
        handle_management::remove_key,
    )
    .returns_nothing(),
    Route::new("GET", "/management/sessions", "List sessions", ADMINISTRATOR, handle_management::sessions)
        .returns(200, "Sessions"),
    Route::new(
        "DELETE",
        "/management/sessions/{session}",
        "End a session",
        ADMINISTRATOR,
        handle_management::end,
    )
    .returns_nothing(),
    Route::new(
        "GET",
        "/management/audit",
        "List audit records, the newest first",
        ADMINISTRATOR,
        handle_management::audit,
    )
    .query(&["before", "limit"])
    .returns(200, "Audit"),
];
