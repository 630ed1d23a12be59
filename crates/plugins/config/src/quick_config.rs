//! Actions of quickconfig on `winrm/config/service`, which `winrm quickconfig` and PowerShell's
//! `Set-WSManQuickConfig` call.
//!
//! There are two stages, each with an analysis and a change: the service itself, and remote access to it. Windows
//! does not document them; element names and result lines are those that its clients parse. Two other actions, which
//! Windows does not have, undo the changes and report with which authentication schemes users can sign in.
//!
//! The client sends the steps proposed by the analysis back with the request to execute them. That request is parsed
//! strictly and can only contain steps that the analysis would propose at that moment.

mod execute;
mod options;
mod plan;
mod sign_in;
mod step;

use std::sync::Arc;

use auth::SignInReport;
use quickconfig::{MachineRequest, MachineResponse, Opening, Outcome, Survey, Unit};
use service::{Answer, Call, Caller};
use wsman::{Action, Fault, Subcode, code};

use self::options::Options;
use self::plan::Plan;
use crate::listening::Sockets;
use crate::{ConfigPlugin, fault, write_access};

/// Access to the parts of the machine that quickconfig changes.
pub trait MachineSetup: Send + Sync {
    /// Executes a request for a caller. Blocks.
    ///
    /// # Errors
    /// A fault if the caller is not permitted to.
    fn execute(&self, caller: &Caller, request: &MachineRequest) -> Result<MachineResponse, Fault>;
}

/// Resource of the actions, which is also the namespace of their elements.
const NAMESPACE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service";

/// Requested action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    AnalyzeService,
    EnableService,
    Analyze,
    EnableRemoting,
    /// Lists the changes to undo; not on Windows.
    AnalyzeUndo,
    /// Undoes changes; not on Windows.
    Undo,
    /// Reports which authentication schemes can be used; not on Windows.
    AnalyzeSignIn,
}

impl Stage {
    const ALL: [Self; 7] = [
        Self::AnalyzeService,
        Self::EnableService,
        Self::Analyze,
        Self::EnableRemoting,
        Self::AnalyzeUndo,
        Self::Undo,
        Self::AnalyzeSignIn,
    ];

    /// Returns the action of a request to `winrm/config/service`, if it is one of these.
    pub(crate) fn requested(call: &Call) -> Option<Self> {
        let Action::Custom(action) = &call.request.head().action else { return None };
        let (resource, name) = action.rsplit_once('/')?;
        if !resource.eq_ignore_ascii_case(NAMESPACE) {
            return None;
        }
        Self::ALL.into_iter().find(|stage| stage.name().eq_ignore_ascii_case(name))
    }

    fn changes(self) -> bool {
        matches!(self, Self::EnableService | Self::EnableRemoting | Self::Undo)
    }

    fn name(self) -> &'static str {
        match self {
            Self::AnalyzeService => "AnalyzeService",
            Self::EnableService => "EnableService",
            Self::Analyze => "Analyze",
            Self::EnableRemoting => "EnableRemoting",
            Self::AnalyzeUndo => "AnalyzeUndo",
            Self::Undo => "Undo",
            Self::AnalyzeSignIn => "AnalyzeSignIn",
        }
    }
}

/// Responds to one of the actions.
pub(crate) async fn answer(plugin: &ConfigPlugin, stage: Stage, call: Call) -> Result<Answer, Fault> {
    if let Some(selector) = call.request.head().selectors.iter().next() {
        return Err(fault::unexpected_selector(&selector.name));
    }
    let (Some(machine), Sockets::Configured(_)) = (&plugin.machine, &plugin.sockets) else {
        return Err(fault::action_not_supported(&call.request.head().action));
    };
    if stage.changes() {
        write_access::require(plugin, NAMESPACE, &call)?;
    }
    let options = Options::read(stage, call.request.body())?;
    let machine = CallerMachine { machine: Arc::clone(machine), caller: Arc::clone(&call.caller) };
    match stage {
        Stage::AnalyzeService => {
            let survey = machine.survey(Vec::new()).await?;
            let plan = Plan::of_service(&survey);
            plan::write(&plan, stage, "EnableService", &options, remarks_on_unit(&survey.unit), &call)
        }
        Stage::Analyze => {
            let (plan, survey) = Plan::of_remoting(plugin, &machine, &options).await?;
            plan::write(&plan, stage, "EnableRemoting", &options, plan::remarks_on_firewall(&survey), &call)
        }
        Stage::EnableService => {
            let plan = Plan::of_service(&machine.survey(Vec::new()).await?);
            let steps = plan.select(&options)?;
            execute::run(plugin, &machine, stage, steps, &call).await
        }
        Stage::EnableRemoting => {
            let (plan, _) = Plan::of_remoting(plugin, &machine, &options).await?;
            let steps = plan.select(&options)?;
            execute::run(plugin, &machine, stage, steps, &call).await
        }
        Stage::AnalyzeUndo => execute::show_recorded(&machine, &call).await,
        Stage::Undo => execute::undo(plugin, &machine, &options, &call).await,
        Stage::AnalyzeSignIn => sign_in::answer(plugin, &machine, &call).await,
    }
}

/// Access to the machine on behalf of a caller.
#[derive(Clone)]
struct CallerMachine {
    machine: Arc<dyn MachineSetup>,
    caller: Arc<Caller>,
}

impl CallerMachine {
    async fn survey(&self, openings: Vec<Opening>) -> Result<Survey, Fault> {
        match self.execute(MachineRequest::Survey(openings)).await? {
            MachineResponse::Survey(survey) => Ok(survey),
            _ => Err(interrupted()),
        }
    }

    async fn sign_in(&self) -> Result<SignInReport, Fault> {
        match self.execute(MachineRequest::SignIn).await? {
            MachineResponse::SignIn(report) => Ok(report),
            MachineResponse::Done(Outcome::Failed(reason)) => {
                Err(Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, reason))
            }
            _ => Err(interrupted()),
        }
    }

    /// Executes a step. If the caller is not permitted to, the step fails like for any other reason, and the other
    /// steps continue.
    async fn done(&self, request: MachineRequest) -> Outcome {
        match self.execute(request).await {
            Ok(MachineResponse::Done(outcome)) => outcome,
            Ok(_) => Outcome::Failed(interrupted().to_string()),
            Err(fault) => Outcome::Failed(fault.reason().to_owned()),
        }
    }

    async fn execute(&self, request: MachineRequest) -> Result<MachineResponse, Fault> {
        let Self { machine, caller } = self.clone();
        let executing = tokio::task::spawn_blocking(move || machine.execute(&caller, &request));
        executing.await.unwrap_or_else(|_| Err(interrupted()))
    }
}

fn interrupted() -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::INTERNAL_ERROR,
        "the request to the machine was interrupted; retry, and see the log of the service",
    )
}

/// Returns remarks on the start of the service at boot.
fn remarks_on_unit(unit: &Unit) -> Vec<String> {
    let remark = match unit {
        Unit::NoSystemd => {
            "This machine does not use systemd: configure its service manager to start telarchd."
        }
        Unit::NotInstalled => {
            "The unit telarchd.service is not installed: install it to start the service at boot."
        }
        Unit::Private => "This is the service of a single user: it is not started at boot.",
        Unit::Known { active: false, .. } => {
            "This service was not started by systemd: telarchd.service is not running."
        }
        Unit::Known { active: true, .. } => return Vec::new(),
    };
    vec![remark.to_owned()]
}
