//! quickconfig: what `winrm quickconfig` and PowerShell's `Set-WSManQuickConfig` ask of `winrm/config/service`.
//!
//! Two stages, each of which analyzes and then enables: the service itself, and remote access to it. Windows documents
//! neither; the names of elements and the lines of results are those that its clients read. A third one, ours, takes
//! back what the others did.
//!
//! What analyzing proposes comes back with the request to do it, over the network: it is read strictly, and names
//! nothing but steps that would be proposed at that moment as well.

mod carry_out;
mod plan;
mod step;
mod wanted;

use std::sync::Arc;

use quickconfig::{Answer as Told, Opening, Outcome, Survey, Unit, Wish};
use service::{Answer, Call, Caller};
use wsman::{Action, Fault, Subcode, code};

use self::plan::Plan;
use self::wanted::Wanted;
use crate::listening::Sockets;
use crate::{ConfigPlugin, fault, write_right};

/// The machine that the service runs on, as far as quickconfig changes it.
pub trait MachineKeeper: Send + Sync {
    /// Grants a wish of a caller, or says why not. Waits.
    ///
    /// # Errors
    /// A fault for a caller who may not.
    fn grant(&self, caller: &Caller, wish: &Wish) -> Result<Told, Fault>;
}

/// The resource that the actions belong to, which is also the namespace of what they say.
const NAMESPACE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service";

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    AnalyzeService,
    EnableService,
    Analyze,
    EnableRemoting,
    /// Ours: what there is to take back.
    AnalyzeUndo,
    /// Ours: to take it back.
    Undo,
}

impl Stage {
    const ALL: [Self; 6] = [
        Self::AnalyzeService,
        Self::EnableService,
        Self::Analyze,
        Self::EnableRemoting,
        Self::AnalyzeUndo,
        Self::Undo,
    ];

    /// The stage that a request to `winrm/config/service` means, if it means one.
    pub(crate) fn asked(call: &Call) -> Option<Self> {
        let Action::Custom(action) = &call.request.head().action else { return None };
        let (resource, name) = action.rsplit_once('/')?;
        let is_it = |stage: &&Self| {
            resource.eq_ignore_ascii_case(NAMESPACE) && stage.name().eq_ignore_ascii_case(name)
        };
        Self::ALL.iter().find(is_it).copied()
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
        }
    }
}

/// Answers one of the actions.
pub(crate) async fn answer(plugin: &ConfigPlugin, stage: Stage, call: Call) -> Result<Answer, Fault> {
    if let Some(selector) = call.request.head().selectors.iter().next() {
        return Err(fault::unexpected_selector(&selector.name));
    }
    let (Some(machine), Sockets::Configured(_)) = (&plugin.machine, &plugin.sockets) else {
        return Err(fault::action_not_supported(&call.request.head().action));
    };
    if stage.changes() {
        write_right::require(plugin, NAMESPACE, &call)?;
    }
    let wanted = Wanted::read(stage, call.request.body())?;
    let machine = Below { machine: Arc::clone(machine), caller: Arc::clone(&call.caller) };
    match stage {
        Stage::AnalyzeService => {
            let survey = machine.survey(Vec::new()).await?;
            let plan = Plan::of_service(&survey);
            plan::write(&plan, stage, "EnableService", &wanted, remarks_on_unit(&survey.unit), &call)
        }
        Stage::Analyze => {
            let (plan, survey) = Plan::of_remoting(plugin, &machine, &wanted).await?;
            plan::write(&plan, stage, "EnableRemoting", &wanted, plan::remarks_on_firewall(&survey), &call)
        }
        Stage::EnableService => {
            let plan = Plan::of_service(&machine.survey(Vec::new()).await?);
            let steps = plan.named(&wanted)?;
            carry_out::all(plugin, &machine, stage, steps, &call).await
        }
        Stage::EnableRemoting => {
            let (plan, _) = Plan::of_remoting(plugin, &machine, &wanted).await?;
            let steps = plan.named(&wanted)?;
            carry_out::all(plugin, &machine, stage, steps, &call).await
        }
        Stage::AnalyzeUndo => carry_out::show_recorded(&machine, &call).await,
        Stage::Undo => carry_out::take_back(plugin, &machine, &wanted, &call).await,
    }
}

/// The machine, on behalf of somebody.
#[derive(Clone)]
struct Below {
    machine: Arc<dyn MachineKeeper>,
    caller: Arc<Caller>,
}

impl Below {
    async fn survey(&self, openings: Vec<Opening>) -> Result<Survey, Fault> {
        match self.grant(Wish::Survey(openings)).await? {
            Told::Survey(survey) => Ok(survey),
            Told::Done(_) => Err(interrupted()),
        }
    }

    /// Has something done; whoever may not do it is told so as of any other failure, and the rest goes on.
    async fn done(&self, wish: Wish) -> Outcome {
        match self.grant(wish).await {
            Ok(Told::Done(outcome)) => outcome,
            Ok(Told::Survey(_)) => Outcome::Failed(interrupted().to_string()),
            Err(fault) => Outcome::Failed(fault.reason().to_owned()),
        }
    }

    async fn grant(&self, wish: Wish) -> Result<Told, Fault> {
        let Self { machine, caller } = self.clone();
        let granting = tokio::task::spawn_blocking(move || machine.grant(&caller, &wish));
        granting.await.unwrap_or_else(|_| Err(interrupted()))
    }
}

fn interrupted() -> Fault {
    Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, "looking at the machine was interrupted")
}

/// What somebody should know of how the service is started.
fn remarks_on_unit(unit: &Unit) -> Vec<String> {
    let remark = match unit {
        Unit::NoSystemd => "There is no systemd here: whatever starts this machine has to start telarchd.",
        Unit::NotInstalled => {
            "systemd does not know the unit telarchd.service: install it to have the service at boot."
        }
        Unit::Private => "This is the service of one user: it is not started at boot.",
        Unit::Known { active: false, .. } => {
            "This service was not started by systemd: telarchd.service itself does not run."
        }
        Unit::Known { active: true, .. } => return Vec::new(),
    };
    vec![remark.to_owned()]
}
