//! Routes of this machine: overview, WMI, events and WS-Management service.

use crate::route::{ADMINISTRATOR, ELEVATED, Route, VIEWER};
use crate::{handle_events, handle_forwarded, handle_machine, handle_wmi, handle_wsman};

pub(super) const ROUTES: &[Route] = &[
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
        "/events/forwarded",
        "List the newest events that the collector has stored",
        VIEWER,
        handle_forwarded::forwarded,
    )
    .query(&["source", "query", "limit"])
    .returns(200, "ForwardedEvents"),
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
        "POST",
        "/wsman/changes",
        "Change a setting or a listener of the machine's WS-Management service",
        ELEVATED,
        handle_wsman::change,
    )
    .query(&["dry_run"])
    .takes("WsManChange")
    .returns(200, "WsManChangeResult"),
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
];
