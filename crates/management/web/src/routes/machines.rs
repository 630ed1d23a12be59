//! Routes of other machines.

use crate::route::{ADMINISTRATOR, ELEVATED, Route};
use crate::{handle_machine_wmi, handle_machine_wsman, handle_machines};

pub(super) const ROUTES: &[Route] = &[
    Route::new(
        "GET",
        "/machines",
        "List the user's machines with their last known states, or follow the states while each machine is asked",
        ADMINISTRATOR,
        handle_machines::list,
    )
    .query(&["follow"])
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
        handle_machine_wmi::query,
    )
    .takes("WmiQuery")
    .returns(200, "WmiRows")
    .only_reads(),
    Route::new(
        "GET",
        "/machines/{machine}/wmi/namespaces",
        "List the WMI namespaces of a machine that the account may read",
        ADMINISTRATOR,
        handle_machine_wmi::namespaces,
    )
    .returns(200, "WmiNamespaces"),
    Route::new(
        "GET",
        "/machines/{machine}/wmi/namespaces/{namespace}/classes",
        "List classes of a machine whose name contains a text",
        ADMINISTRATOR,
        handle_machine_wmi::classes,
    )
    .query(&["filter"])
    .returns(200, "WmiClasses"),
    Route::new(
        "GET",
        "/machines/{machine}/wmi/namespaces/{namespace}/classes/{class}",
        "Return a class of a machine",
        ADMINISTRATOR,
        handle_machine_wmi::class,
    )
    .returns(200, "WmiClass"),
    Route::new(
        "GET",
        "/machines/{machine}/wmi/namespaces/{namespace}/classes/{class}/instances",
        "List instances of a class of a machine and its subclasses",
        ADMINISTRATOR,
        handle_machine_wmi::instances,
    )
    .query(&["limit", "cursor"])
    .returns(200, "WmiRows"),
    Route::new(
        "POST",
        "/machines/{machine}/wmi/namespaces/{namespace}/classes/{class}/methods/{method}",
        "Call a method of a class or of an instance on a machine",
        ELEVATED,
        handle_machine_wmi::invoke,
    )
    .takes("WmiCall")
    .returns(200, "WmiCallResult"),
    Route::new(
        "GET",
        "/machines/{machine}/wmi/namespaces/{namespace}/instance",
        "Return the instance of a machine with a path",
        ADMINISTRATOR,
        handle_machine_wmi::instance,
    )
    .query(&["path"])
    .returns(200, "WmiInstance"),
    Route::new(
        "GET",
        "/machines/{machine}/wmi/namespaces/{namespace}/associations",
        "List the instances of a machine that are associated with an instance, or the associations",
        ADMINISTRATOR,
        handle_machine_wmi::associations,
    )
    .query(&["path", "kind", "limit", "cursor"])
    .returns(200, "WmiRows"),
    Route::new(
        "GET",
        "/machines/{machine}/events/channels",
        "List the event logs of a machine",
        ADMINISTRATOR,
        handle_machine_wmi::channels,
    )
    .returns(200, "EventChannels"),
    Route::new(
        "GET",
        "/machines/{machine}/events",
        "List events of a machine's logs, the newest first; query is a condition of WQL",
        ADMINISTRATOR,
        handle_machine_wmi::events,
    )
    .query(&["channel", "query", "limit", "cursor", "only_first"])
    .returns(200, "Events"),
    Route::new(
        "GET",
        "/machines/{machine}/events/records/{channel}/{record}",
        "Return an event of a machine",
        ADMINISTRATOR,
        handle_machine_wmi::record,
    )
    .returns(200, "Event"),
    Route::new(
        "GET",
        "/machines/{machine}/events/collector",
        "Return the subscriptions of a machine's collector, and their sources",
        ADMINISTRATOR,
        handle_machines::collector,
    )
    .returns(200, "MachineCollector"),
    Route::new(
        "GET",
        "/machines/{machine}/wsman",
        "Return configuration, listeners and shells of a machine's WS-Management service",
        ADMINISTRATOR,
        handle_machine_wsman::configuration,
    )
    .returns(200, "MachineWsMan"),
    Route::new(
        "POST",
        "/machines/{machine}/wsman/changes",
        "Change a setting or a listener of a machine's WS-Management service",
        ELEVATED,
        handle_machine_wsman::change,
    )
    .query(&["dry_run"])
    .takes("WsManChange")
    .returns(200, "WsManChangeResult"),
    Route::new(
        "DELETE",
        "/machines/{machine}/wsman/shells/{shell}",
        "End a shell of a machine with its processes",
        ELEVATED,
        handle_machine_wsman::end_shell,
    )
    .returns_nothing(),
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
];
