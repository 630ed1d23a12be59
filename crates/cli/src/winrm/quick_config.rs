//! `winrm quickconfig`: two stages, each of which analyzes, asks and enables.
//!
//! The service decides what must be done and does it; the texts here are those that scripts match. A service of this
//! machine that does not run is started first. What was done can be taken back, which is a stage of its own.

mod here;

use std::io::BufRead;

use wsman::Response;
use wsman::code::ACTION_NOT_SUPPORTED;
use xml::{Element, Fragment, Writer};

use self::here::Started;
use super::run::{Done, Run, Streams};
use super::{Asking, Extras, Intent, PublicZone, QuickConfigTask};
use crate::codes::Code;
use crate::endpoint::Transport;
use crate::failure::{Failure, Hint, Kind};
use crate::format::harmless;
use crate::locator::Locator;
use crate::program::Stop;

/// What is to be made ready.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) transport: Transport,
    pub(super) asking: Asking,
    pub(super) public_zone: PublicZone,
    pub(super) task: QuickConfigTask,
    pub(super) extras: Extras,
    pub(super) intent: Intent,
}

/// Runs both stages; declining the first does not keep the second from being offered.
pub(super) async fn run(run: &Run, plan: &Plan, streams: &mut Streams<'_>) -> Result<Done, Stop> {
    let locator = Locator::parse("winrm/config/service")?;
    if plan.task == QuickConfigTask::TakeBack {
        return undo(run, &locator, plan, streams).await;
    }
    let first = match SERVICE.run(run, &locator, plan, streams).await {
        Err(Stop::Failed(failure)) if failure.kind() == Kind::Connect && run.is_here() => {
            match here::start(failure, plan, streams).await? {
                Started::Runs(done) => done,
                Started::Stays(done) => return Ok(done),
            }
        }
        ended => ended?,
    };
    let second = REMOTING.run(run, &locator, plan, streams).await?;
    Ok(if [first, second].contains(&Done::StepsFailed) { Done::StepsFailed } else { Done::Whole })
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
    ) -> Result<Done, Stop> {
        let question = self.question(locator, plan);
        let analyzed = run.invoke(locator, &locator.action_uri(self.analyze), &question).await;
        let analyzed = analyzed.map_err(unknown_to_the_service)?;
        let analysis = content(&analyzed)?;
        let state = child(analysis, "RemotingEnabled");
        if state.is_some_and(|state| state.text().trim() == "true") {
            writeln!(streams.out, "{}", self.already)?;
            remark(analysis, streams)?;
            return Ok(Done::Whole);
        }
        if state.and_then(|state| state.attribute("", "Source")).as_deref() == Some("GPO") {
            writeln!(streams.errors, "Error: a policy turns this off, so nothing was changed here.")?;
            writeln!(streams.errors, "{}", results(analysis))?;
            return Ok(Done::Whole);
        }
        writeln!(streams.out, "{}", self.needed)?;
        writeln!(streams.out, "The following changes must be made:\n\n{}\n", results(analysis))?;
        remark(analysis, streams)?;
        if plan.intent == Intent::Show || plan.asking == Asking::Before && !agreed(streams)? {
            return Ok(Done::Whole);
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
            let Extras { strict, zone, remote_addresses, group } = &plan.extras;
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

/// Has the service do what it has proposed, and tells what came of it.
async fn enable(
    run: &Run,
    locator: &Locator,
    action: &str,
    analysis: Element<'_>,
    succeeded: &str,
    streams: &mut Streams<'_>,
) -> Result<Done, Stop> {
    let input = child(analysis, &format!("{action}_INPUT"));
    let changes = copied(input.ok_or_else(|| incomplete(action))?);
    let enabled = run.invoke(locator, &locator.action_uri(action), &changes).await?;
    let outcome = content(&enabled)?;
    let has_succeeded = child(outcome, "Status").is_some_and(|status| status.text().trim() == "succeeded");
    if has_succeeded {
        writeln!(streams.out, "{succeeded}")?;
    } else {
        tell_failed(streams)?;
    }
    writeln!(streams.out, "\n{}", results(outcome))?;
    Ok(if has_succeeded { Done::Whole } else { Done::StepsFailed })
}

/// Takes back what quickconfig has done, if that is wanted.
async fn undo(run: &Run, locator: &Locator, plan: &Plan, streams: &mut Streams<'_>) -> Result<Done, Stop> {
    let mut writer = Writer::new();
    writer.start("p:AnalyzeUndo_INPUT").namespace("p", locator.resource_uri());
    let question = writer.into_fragment();
    let analyzed = run.invoke(locator, &locator.action_uri("AnalyzeUndo"), &question).await;
    let analyzed = analyzed.map_err(unknown_to_the_service)?;
    let analysis = content(&analyzed)?;
    let recorded = results(analysis);
    if recorded.is_empty() {
        writeln!(
            streams.out,
            "There is nothing to take back: quickconfig has changed nothing on this machine."
        )?;
        return Ok(Done::Whole);
    }
    writeln!(streams.out, "The following changes will be taken back:\n\n{recorded}\n")?;
    if plan.intent == Intent::Show {
        return Ok(Done::Whole);
    }
    if plan.asking == Asking::Before && !agreed(streams)? {
        return Ok(Done::Whole);
    }
    enable(run, locator, "Undo", analysis, "What quickconfig did has been taken back.", streams).await
}

fn tell_failed(streams: &mut Streams<'_>) -> Result<(), Stop> {
    Ok(writeln!(streams.errors, "{FAILED}")?)
}

/// What our service adds, and that of Windows does not.
fn remark(analysis: Element<'_>, streams: &mut Streams<'_>) -> Result<(), Stop> {
    for remark in analysis.children().filter(|child| child.name() == "Remark") {
        writeln!(streams.out, "Note: {}", harmless(remark.text().trim()))?;
    }
    Ok(())
}

/// A service that cannot do this itself leaves it to its administrator.
fn unknown_to_the_service(stop: Stop) -> Stop {
    match stop {
        Stop::Failed(failure) if failure.code() == Some(Code(ACTION_NOT_SUPPORTED)) => {
            Stop::Failed(failure.with_hint(&Hint::QUICKCONFIG_UNSUPPORTED))
        }
        stop => stop,
    }
}

/// Asks on the streams; the end of the input is a no.
fn agreed(streams: &mut Streams<'_>) -> Result<bool, Stop> {
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
    Failure::here(Kind::Fault, format!("the answer of the service lacks its {what}")).into()
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
