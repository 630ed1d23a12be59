//! The table of all routes of the API. Router, permissions and OpenAPI description are made from it.

use management::Role;

use crate::access::Requirement;
pub use crate::route::Route;
use crate::{
    handle_deploy, handle_events, handle_machine, handle_machines, handle_management, handle_session,
    handle_terminal, handle_web, handle_wmi, handle_wsman,
};

/// All routes.
pub static ROUTES: &[Route] = &[
    Route::new("POST", "/session", "Sign in", Requirement::Public, handle_session::sign_in)
        .takes("SignIn")
        .returns(201, "Session"),
    Route::new(
        "GET",
        "/session",
        "Return the session of this client",
        Requirement::SignedIn,
        handle_session::show,
    )
    .returns(200, "Session"),
    Route::new("DELETE", "/session", "Sign out", Requirement::SignedIn, handle_session::sign_out)
        .returns_nothing(),
    Route::new(
        "POST",
        "/session/elevate",
        "Repeat the password",
        Requirement::SignedIn,
        handle_session::elevate,
    )
    .takes("Elevation")
    .returns(200, "Session"),
    Route::new(
        "GET",
        "/openapi.json",
        "Return this description",
        Requirement::Public,
        handle_session::openapi,
    ),
    Route::new(
        "POST",
        "/terminals",
        "Create a ticket for one terminal",
        Requirement::Terminal,
        handle_terminal::create,
    )
    .returns(201, "TerminalTicket"),
    Route::new(
        "GET",
        "/terminals/socket",
        "Open a terminal as a WebSocket, with the protocol telarch.terminal and a ticket as second protocol",
        Requirement::Session,
        handle_terminal::open,
    )
    .opens_socket(),
    Route::new("GET", "/machine", "Return the machine's overview", VIEWER, handle_machine::overview)
        .returns(200, "Machine"),
    Route::new(
        "GET",
        "/machine/metrics",
        "Return or follow samples of the load",
        VIEWER,
        handle_machine::metrics,
    )
    .query(&["since", "follow"])
    .returns(200, "Metrics"),
    Route::new(
        "GET",
        "/web",
        "Return product, state and revision of the web server",
        SITE_OR_VIEWER,
        handle_web::info,
    )
    .returns(200, "WebServer"),
    Route::new(
        "POST",
        "/web/actions/{action}",
        "Start, stop or reload the web server",
        OPERATOR,
        handle_web::control,
    )
    .returns(200, "WebStatus"),
    Route::new("GET", "/web/sites", "List sites", SITE_OR_VIEWER, handle_web::sites).returns(200, "Sites"),
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
    Route::new("GET", "/web/certificates", "List certificates", VIEWER, handle_web::certificates)
        .returns(200, "Certificates"),
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
    Route::new(
        "GET",
        "/wmi/namespaces",
        "List the WMI namespaces of this machine that the caller may read",
        VIEWER,
        handle_wmi::namespaces,
    )
    .returns(200, "WmiNamespaces"),
    Route::new(
        "GET",
        "/wmi/namespaces/{namespace}/classes",
        "List classes whose name contains a text",
        VIEWER,
        handle_wmi::classes,
    )
    .query(&["filter"])
    .returns(200, "WmiClasses"),
    Route::new(
        "GET",
        "/wmi/namespaces/{namespace}/classes/{class}",
        "Return a class",
        VIEWER,
        handle_wmi::class,
    )
    .returns(200, "WmiClass"),
    Route::new(
        "GET",
        "/wmi/namespaces/{namespace}/classes/{class}/instances",
        "List instances of a class and its subclasses",
        VIEWER,
        handle_wmi::instances,
    )
    .query(&["limit", "cursor"])
    .returns(200, "WmiRows"),
    Route::new(
        "POST",
        "/wmi/namespaces/{namespace}/classes/{class}/methods/{method}",
        "Call a method of a class or of an instance",
        ELEVATED,
        handle_wmi::invoke,
    )
    .takes("WmiCall")
    .returns(200, "WmiCallResult"),
    Route::new(
        "GET",
        "/wmi/namespaces/{namespace}/instance",
        "Return the instance with a path",
        VIEWER,
        handle_wmi::instance,
    )
    .query(&["path"])
    .returns(200, "WmiInstance"),
    Route::new(
        "GET",
        "/wmi/namespaces/{namespace}/associations",
        "List the instances that are associated with an instance, or the associations",
        VIEWER,
        handle_wmi::associations,
    )
    .query(&["path", "kind", "limit", "cursor"])
    .returns(200, "WmiRows"),
    Route::new("POST", "/wmi/query", "Run a WQL query, or return its next page", VIEWER, handle_wmi::query)
        .takes("WmiQuery")
        .returns(200, "WmiRows")
        .only_reads(),
    Route::new(
        "GET",
        "/events/channels",
        "List the channels of the local logs",
        VIEWER,
        handle_events::channels,
    )
    .returns(200, "EventChannels"),
    Route::new(
        "GET",
        "/events",
        "List or follow events of the local logs, the newest first",
        VIEWER,
        handle_events::events,
    )
    .query(&["channel", "query", "limit", "cursor", "follow"])
    .returns(200, "Events"),
    Route::new(
        "GET",
        "/events/records/{channel}/{record}",
        "Return an event with its fields",
        VIEWER,
        handle_events::record,
    )
    .returns(200, "Event"),
    Route::new(
        "GET",
        "/events/collector",
        "List subscriptions and sources of the collector of events",
        VIEWER,
        handle_events::collector,
    )
    .returns(200, "EventCollector"),
    Route::new(
        "GET",
        "/wsman",
        "Return the configuration of the machine's WS-Management service",
        VIEWER,
        handle_wsman::configuration,
    )
    .returns(200, "WsMan"),
    Route::new(
        "GET",
        "/wsman/shells",
        "List the open shells that the WS-Management service shows to the account of this service",
        ADMINISTRATOR,
        handle_wsman::shells,
    )
    .returns(200, "WsManShells"),
    Route::new(
        "DELETE",
        "/wsman/shells/{shell}",
        "End a shell with its processes",
        ELEVATED,
        handle_wsman::end_shell,
    )
    .returns_nothing(),
    Route::new(
        "GET",
        "/wsman/certificate-mappings",
        "List the mappings of client certificates to accounts",
        ADMINISTRATOR,
        handle_wsman::certificate_mappings,
    )
    .returns(200, "WsManCertificateMappings"),
    Route::new(
        "GET",
        "/machines",
        "List the user's machines with their last known states",
        ADMINISTRATOR,
        handle_machines::list,
    )
    .returns(200, "SavedMachines"),
    Route::new(
        "POST",
        "/machines",
        "Add a machine and connect to it",
        ELEVATED,
        handle_machines::add,
    )
    .takes("NewMachine")
    .returns(201, "SavedMachine"),
    Route::new(
        "GET",
        "/machines/{machine}",
        "Ask a machine for its identity",
        ADMINISTRATOR,
        handle_machines::check,
    )
    .returns(200, "SavedMachine"),
    Route::new("DELETE", "/machines/{machine}", "Remove a machine", ADMINISTRATOR, handle_machines::remove)
        .returns_nothing(),
    Route::new(
        "POST",
        "/machines/{machine}/connect",
        "Connect to a machine for this session",
        ELEVATED,
        handle_machines::connect,
    )
    .takes("MachineConnection")
    .returns(200, "SavedMachine"),
    Route::new(
        "POST",
        "/machines/{machine}/wmi/query",
        "Run a WQL query on a machine",
        ADMINISTRATOR,
        handle_machines::query,
    )
    .takes("WmiQuery")
    .returns(200, "WmiRows")
    .only_reads(),
    Route::new(
        "GET",
        "/machines/{machine}/wsman",
        "Return configuration, listeners and shells of a machine's WS-Management service",
        ADMINISTRATOR,
        handle_machines::wsman,
    )
    .returns(200, "MachineWsMan"),
    Route::new(
        "POST",
        "/machine-runs",
        "Run a command or a query on several machines",
        ELEVATED,
        handle_machines::run,
    )
    .takes("NewMachineRun")
    .returns(201, "MachineRun"),
    Route::new(
        "GET",
        "/machine-runs/{run}",
        "Return or follow the events of a run",
        ADMINISTRATOR,
        handle_machines::events,
    )
    .query(&["follow"])
    .returns(200, "MachineRunEvents"),
    Route::new("DELETE", "/machine-runs/{run}", "Stop a run", ADMINISTRATOR, handle_machines::cancel)
        .returns_nothing(),
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

const VIEWER: Requirement = Requirement::Role(Role::Viewer);
const OPERATOR: Requirement = Requirement::Role(Role::Operator);
const ADMINISTRATOR: Requirement = Requirement::Role(Role::Administrator);
const ELEVATED: Requirement = Requirement::Elevated(Role::Administrator);
const SITE_OR_VIEWER: Requirement = Requirement::SiteOr(Role::Viewer);
const SITE_OR_ADMIN: Requirement = Requirement::SiteOr(Role::Administrator);
