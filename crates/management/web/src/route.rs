//! A route of the API with its rights and schemas.

use management::Role;

use crate::access::Requirement;
use crate::call::Admitted;
use crate::console::Console;
use crate::problem::Problem;
use crate::reply::Reply;

/// A route of the API.
#[derive(Clone, Copy)]
pub struct Route {
    /// Method.
    pub method: &'static str,
    /// Path below `/api/v1`, with `{name}` for parts that vary.
    pub path: &'static str,
    /// Purpose, as an imperative.
    pub summary: &'static str,
    /// Rights that the caller needs.
    pub requirement: Requirement,
    /// Parameters of the query.
    pub(crate) query: &'static [&'static str],
    /// Schema of the body.
    pub(crate) request: Option<&'static str>,
    /// Status and schema of a successful response.
    pub(crate) response: (u16, Option<&'static str>),
    /// The change needs `If-Match` with the revision of the configuration.
    pub(crate) needs_revision: bool,
    /// The request has a body, but changes nothing.
    pub(crate) only_reads: bool,
    /// The response opens a WebSocket, only for pages of this service.
    pub(crate) opens_socket: bool,
    pub(crate) handler: Handler,
    pub(crate) quick: Option<QuickHandler>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Function that answers an admitted request.
pub(crate) type Handler = fn(&Console, &Admitted<'_>) -> Result<Reply, Problem>;
/// Function that answers an admitted request from memory; `None` if the [`Handler`] must answer it.
pub(crate) type QuickHandler = fn(&Console, &Admitted<'_>) -> Option<Reply>;

impl Route {
    pub(crate) const fn new(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        requirement: Requirement,
        handler: Handler,
    ) -> Self {
        Self {
            method,
            path,
            summary,
            requirement,
            query: &[],
            request: None,
            response: (200, None),
            needs_revision: false,
            only_reads: false,
            opens_socket: false,
            handler,
            quick: None,
        }
    }

    pub(crate) const fn query(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    pub(crate) const fn takes(self, schema: &'static str) -> Self {
        Self { request: Some(schema), ..self }
    }

    pub(crate) const fn returns(self, status: u16, schema: &'static str) -> Self {
        Self { response: (status, Some(schema)), ..self }
    }

    pub(crate) const fn returns_nothing(self) -> Self {
        Self { response: (204, None), ..self }
    }

    /// A request with a body that changes nothing.
    pub(crate) const fn only_reads(self) -> Self {
        Self { only_reads: true, ..self }
    }

    /// A reading request that can be answered without another thread.
    pub(crate) const fn quick(self, handler: QuickHandler) -> Self {
        Self { quick: Some(handler), ..self }
    }

    /// A request that opens a WebSocket.
    pub(crate) const fn opens_socket(self) -> Self {
        Self { opens_socket: true, response: (101, None), ..self }
    }

    /// A request whose body is a piece of a file.
    pub(crate) const fn takes_bytes(self) -> Self {
        Self { request: Some(BYTES), ..self }
    }

    /// A change of the content of a site, with a preview.
    pub(crate) const fn changes_content(self) -> Self {
        let with_preview = self.query(&["dry_run", "message"]).returns(200, "DeploymentResult");
        Self { needs_revision: true, ..with_preview }
    }

    /// A change of the web server's configuration, with a preview.
    pub(crate) const fn changes_web(self) -> Self {
        let with_preview = self.query(&["dry_run", "message"]).returns(200, "ChangeResult");
        Self { needs_revision: true, ..with_preview }
    }
}

pub(crate) const VIEWER: Requirement = Requirement::Role(Role::Viewer);
pub(crate) const OPERATOR: Requirement = Requirement::Role(Role::Operator);
pub(crate) const ADMINISTRATOR: Requirement = Requirement::Role(Role::Administrator);
pub(crate) const ELEVATED: Requirement = Requirement::Elevated(Role::Administrator);
pub(crate) const SITE_OR_VIEWER: Requirement = Requirement::SiteOr(Role::Viewer);
pub(crate) const SITE_OR_ADMIN: Requirement = Requirement::SiteOr(Role::Administrator);

/// Schema of a body that is not JSON.
pub(crate) const BYTES: &str = "application/octet-stream";
