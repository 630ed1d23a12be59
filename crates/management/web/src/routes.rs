//! The table of all routes of the API. Router, permissions and OpenAPI description are made from it.

mod machine;
mod machine_web;
mod machines;
mod management;
mod session;
mod web;

use std::sync::LazyLock;

pub use crate::route::Route;

/// All routes.
pub static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    [session::ROUTES, machine::ROUTES, web::ROUTES, machines::ROUTES, machine_web::ROUTES, management::ROUTES]
        .concat()
});
