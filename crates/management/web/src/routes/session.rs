//! Routes of sessions, terminals and this description.

use crate::access::Requirement;
use crate::route::Route;
use crate::{handle_session, handle_terminal};

pub(super) const ROUTES: &[Route] = &[
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
    .returns(200, "Session")
    .quick(handle_session::show_quickly),
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
];
