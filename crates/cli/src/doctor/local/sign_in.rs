//! Check of the schemes with which users can sign in.

use auth::SignInReport;

use super::LocalService;
use crate::connection::{Connection, Delegation, Target};
use crate::doctor::finding::Outcome;
use crate::failure::Kind;
use crate::session::RemoteService;
use crate::settings::ClientSettings;
use crate::sign_in_analysis::{AnalysisResponse, SignInAnalysis};

/// Asks the running service. If it does not run, or does not answer this user, `problem` of `telarchd --check` counts.
pub(super) async fn check(
    service: &LocalService,
    problem: Option<Outcome>,
    has_listener: bool,
) -> (Outcome, Option<()>) {
    if !has_listener {
        return Outcome::skip("no listener is enabled").without_data();
    }
    match (ask(service).await, problem) {
        (Some(report), _) => evaluate(&report),
        (None, Some(problem)) => problem,
        (None, None) => Outcome::skip("the service does not report its schemes to this user"),
    }
    .without_data()
}

async fn ask(service: &LocalService) -> Option<SignInReport> {
    let connection = Connection { target: Target::Local(service.sockets.clone()), ..Connection::default() };
    let settings = ClientSettings::new(config::Client::default());
    let service = RemoteService::new(connection, &settings, Delegation::Refused).ok()?;
    match SignInAnalysis::request(&service).await {
        Ok(AnalysisResponse::Answered(analysis)) => Some(analysis.report),
        _ => None,
    }
}

fn evaluate(report: &SignInReport) -> Outcome {
    match report.problem() {
        Some(problem) => {
            let mut lines = problem.lines();
            let seen = lines.next().unwrap_or_default();
            Outcome::fail(Kind::Authentication, seen).fixes(lines.map(|line| line.trim().to_owned()))
        }
        None => {
            let usable: Vec<String> = report.usable().map(|scheme| scheme.to_string()).collect();
            Outcome::pass(format!("users can sign in with {}", usable.join(", ")))
        }
    }
}
