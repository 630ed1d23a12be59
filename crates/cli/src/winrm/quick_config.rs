//! `winrm quickconfig`: two stages, each of which analyzes, asks for confirmation and enables.
//!
//! The service determines and makes the changes. The messages of both stages are those that scripts match. If the local
//! service does not run, it is started first. A last stage makes sure that users can sign in. `-undo` is a separate
//! operation.

mod local;
mod sign_in;
mod temporary;

use std::io::BufRead;

use wsman::Response;
use wsman::code::ACTION_NOT_SUPPORTED;
use xml::{Element, Fragment, Writer};

use self::local::StartResult;
use super::service_command::Run;
use super::streams::{Completion, Streams};
use super::{Confirmation, Intent, PublicZone, QuickConfigOptions, QuickConfigTask};
use crate::codes::Code;
use crate::endpoint::Transport;
use crate::failure::{Failure, Hint, Kind};
use crate::format::harmless;
use crate::locator::Locator;
use crate::program::Stop;

/// Options of `quickconfig`.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) transport: Transport,
    pub(super) confirmation: Confirmation,
    pub(super) public_zone: PublicZone,
    pub(super) task: QuickConfigTask,
    pub(super) options: QuickConfigOptions,
    pub(super) intent: Intent,
}

/// Runs both stages. The second stage runs even if the user declines the first.
pub(super) async fn run(run: &Run, plan: &Plan, streams: &mut Streams<'_>) -> Result<Completion, Stop> {
    let locator = Locator::parse("winrm/config/service")?;
    if plan.task == QuickConfigTask::Undo {
        return undo(run, &locator, plan, streams).await;
    }
    let first = match SERVICE.run(run, &locator, plan, streams).await {
        Err(Stop::Failed(failure)) if failure.kind() == Kind::Connect && run.is_local() => {
            match local::start(run, failure, plan, streams).await? {
                StartResult::Running(completion) => completion,
                StartResult::NotRunning(completion) => return Ok(completion),
                StartResult::Temporary(service) => {
                    let run = run.with_service(service.connect()?);
                    let done = remote_access(&run, &locator, plan, Completion::Success, streams).await;
                    service.stop(plan.intent, streams).await?;
                    return done;
                }
            }
        }
        ended => ended?.completion,
    };
    remote_access(run, &locator, plan, first, streams).await
}

/// Runs the stages after the start of the service, which had the result `first`.
async fn remote_access(
    run: &Run,
    locator: &Locator,
    plan: &Plan,
    first: Completion,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    let StageResult { completion: second, sign_in } = REMOTING.run(run, locator, plan, streams).await?;
    let third = match sign_in {
        SignInStage::Supported => sign_in::run(run, plan, streams).await?,
        SignInStage::Unsupported => Completion::Success,
    };
    let ended = [third, first, second].into_iter().find(|completion| *completion != Completion::Success);
    Ok(ended.unwrap_or(Completion::Success))
}

/// Result of a stage.
struct StageResult {
    completion: Completion,
    sign_in: SignInStage,
}

/// Whether the service has the last stage, which Windows does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SignInStage {
    Supported,
    Unsupported,
}

/// One of the two stages.
struct Stage {
    analyze: &'static str,
    enable: &'static str,
    takes_transport: bool,
    already: &'static str,
    needed: &'static str,
    succeeded: &'static str,
}

const SERVICE: Stage = Stage {
    analyze: "AnalyzeService",
    enable: "EnableService",
    takes_transport: false,
    already: "WinRM service is already running on this machine.",
    needed: "WinRM is not set up to receive requests on this machine.",
    succeeded: "WinRM has been updated to receive requests.",
};

const REMOTING: Stage = Stage {
    analyze: "Analyze",
    enable: "EnableRemoting",
    takes_transport: true,
    already: "WinRM is already set up for remote management on this computer.",
    needed: "WinRM is not set up to allow remote access to this machine for management.",
    succeeded: "WinRM has been updated for remote management.",
};

const FAILED: &str = "Error: One or more update steps could not be completed.";

impl Stage {
    async fn run(
        &self,
        run: &Run,
        locator: &Locator,
        plan: &Plan,
        streams: &mut Streams<'_>,
    ) -> Result<StageResult, Stop> {
        let question = self.question(locator, plan);
        let analyzed = run.invoke(locator, &locator.action_uri(self.analyze), &question).await;
        let analyzed = analyzed.map_err(explain_unsupported)?;
        let analysis = content(&analyzed)?;
        let sign_in = match child(analysis, "SignInAction") {
            Some(_) => SignInStage::Supported,
            None => SignInStage::Unsupported,
        };
        let completion = self.change(run, locator, plan, analysis, streams).await?;
        Ok(StageResult { completion, sign_in })
    }

    /// Makes the proposed changes, after confirmation.
    async fn change(
        &self,
        run: &Run,
        locator: &Locator,
        plan: &Plan,
        analysis: Element<'_>,
        streams: &mut Streams<'_>,
    ) -> Result<Completion, Stop> {
        let state = child(analysis, "RemotingEnabled");
        if state.is_some_and(|state| state.text().trim() == "true") {
            writeln!(streams.out, "{}", self.already)?;
            print_remarks(analysis, streams)?;
            return Ok(Completion::Success);
        }
        if state.and_then(|state| state.attribute("", "Source")).as_deref() == Some("GPO") {
            writeln!(streams.errors, "Error: disabled by policy; nothing was changed.")?;
            writeln!(streams.errors, "{}", results(analysis))?;
            return Ok(Completion::Success);
        }
        writeln!(streams.out, "{}", self.needed)?;
        writeln!(streams.out, "The following changes must be made:\n\n{}\n", results(analysis))?;
        print_remarks(analysis, streams)?;
        if plan.intent == Intent::Preview
            || plan.confirmation == Confirmation::Ask && !ask_confirmation(streams)?
        {
            return Ok(Completion::Success);
        }
        enable(run, locator, self.enable, analysis, self.succeeded, streams).await
    }

    fn question(&self, locator: &Locator, plan: &Plan) -> Fragment {
        let mut writer = Writer::new();
        writer.start(&format!("p:{}_INPUT", self.analyze)).namespace("p", locator.resource_uri());
        if self.takes_transport {
            writer.element("p:Transport", &plan.transport.to_string());
            if plan.public_zone == PublicZone::Ignored {
                writer.start("p:Force").end_empty();
            }
            let QuickConfigOptions { strict, zone, remote_addresses, group, .. } = &plan.options;
            if *strict {
                writer.start("p:Strict").end_empty();
            }
            for (name, value) in [("p:Zone", zone), ("p:AllowGroup", group)] {
                if let Some(value) = value {
                    writer.element(name, value);
                }
            }
            for address in remote_addresses {
                writer.element("p:RemoteAddress", address);
            }
        }
        writer.into_fragment()
    }
}

/// Makes the changes proposed by the service and prints the result.
async fn enable(
    run: &Run,
    locator: &Locator,
    action: &str,
    analysis: Element<'_>,
    succeeded: &str,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    let input = child(analysis, &format!("{action}_INPUT"));
    let changes = copied(input.ok_or_else(|| incomplete(action))?);
    let enabled = run.invoke(locator, &locator.action_uri(action), &changes).await?;
    let outcome = content(&enabled)?;
    let has_succeeded = child(outcome, "Status").is_some_and(|status| status.text().trim() == "succeeded");
    if has_succeeded {
        writeln!(streams.out, "{succeeded}")?;
    } else {
        print_failure(streams)?;
    }
    let mut lines = results(outcome);
    if run.is_local() {
        // The line of the first versions of Windows, for which scripts look.
        lines = lines.replace("WinRM service type changed successfully.", local::ENABLED);
    }
    writeln!(streams.out, "\n{lines}")?;
    Ok(if has_succeeded { Completion::Success } else { Completion::StepsFailed })
}

/// Undoes the changes that quickconfig made, after confirmation.
async fn undo(
    run: &Run,
    locator: &Locator,
    plan: &Plan,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    let mut writer = Writer::new();
    writer.start("p:AnalyzeUndo_INPUT").namespace("p", locator.resource_uri());
    let question = writer.into_fragment();
    let analyzed = run.invoke(locator, &locator.action_uri("AnalyzeUndo"), &question).await;
    let analyzed = analyzed.map_err(explain_unsupported)?;
    let analysis = content(&analyzed)?;
    let recorded = results(analysis);
    if recorded.is_empty() {
        writeln!(streams.out, "Nothing to undo: quickconfig has made no changes on this machine.")?;
        return Ok(Completion::Success);
    }
    writeln!(streams.out, "The following changes will be undone:\n\n{recorded}\n")?;
    if plan.intent == Intent::Preview {
        return Ok(Completion::Success);
    }
    if plan.confirmation == Confirmation::Ask && !ask_confirmation(streams)? {
        return Ok(Completion::Success);
    }
    enable(run, locator, "Undo", analysis, "The changes made by quickconfig have been undone.", streams).await
}

fn print_failure(streams: &mut Streams<'_>) -> Result<(), Stop> {
    Ok(writeln!(streams.errors, "{FAILED}")?)
}

/// Prints the remarks of the analysis, which only Telarch services add.
fn print_remarks(analysis: Element<'_>, streams: &mut Streams<'_>) -> Result<(), Stop> {
    for remark in analysis.children().filter(|child| child.name() == "Remark") {
        writeln!(streams.out, "Note: {}", harmless(remark.text().trim()))?;
    }
    Ok(())
}

/// Adds advice if the service does not support quickconfig.
fn explain_unsupported(stop: Stop) -> Stop {
    match stop {
        Stop::Failed(failure) if failure.code() == Some(Code(ACTION_NOT_SUPPORTED)) => {
            Stop::Failed(failure.with_hint(&Hint::QUICKCONFIG_UNSUPPORTED))
        }
        stop => stop,
    }
}

/// Asks for confirmation; end of input means no.
fn ask_confirmation(streams: &mut Streams<'_>) -> Result<bool, Stop> {
    write!(streams.out, "Make these changes [y/n]? ")?;
    streams.out.flush()?;
    let mut answer = String::new();
    let mut limited = std::io::Read::take(&mut *streams.input, 1_024);
    limited.read_line(&mut answer)?;
    writeln!(streams.out)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn content(answer: &Response) -> Result<Element<'_>, Stop> {
    answer.content().ok_or_else(|| incomplete("output"))
}

fn incomplete(what: &str) -> Stop {
    Failure::here(Kind::Fault, format!("incomplete response from the service: missing {what}")).into()
}

fn child<'a>(element: Element<'a>, name: &str) -> Option<Element<'a>> {
    element.children().find(|child| child.name() == name)
}

fn results(element: Element<'_>) -> String {
    let lines: Vec<String> = element
        .children()
        .filter(|child| child.name() == "Results")
        .map(|results| harmless(results.text().trim()))
        .collect();
    lines.join("\n")
}

fn copied(element: Element<'_>) -> Fragment {
    let mut writer = Writer::new();
    writer.copy(element);
    writer.into_fragment()
}
