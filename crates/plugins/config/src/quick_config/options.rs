//! Options in requests of quickconfig: the kind of remote access, and the steps to execute.

use config::Transport;
use quickconfig::{Source, Zone};
use wsman::{Fault, Subcode, code};
use xml::{Element, Writer};

use super::{NAMESPACE, Stage};

/// Options of remote access, and the steps to execute. Options that Windows does not have are written only if
/// requested.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) transport: Transport,
    pub(super) public_zone: PublicZone,
    pub(super) certificate: AcceptedCertificate,
    pub(super) zone: Option<Zone>,
    pub(super) sources: Vec<Source>,
    /// Local group whose members may open shells.
    pub(super) group: Option<String>,
    /// Steps that the client has confirmed.
    pub(super) steps: Vec<String>,
}

/// Effect of an active zone for untrusted networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublicZone {
    Stops,
    /// Selected by the option `Force`.
    Ignored,
}

/// Certificates accepted for HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AcceptedCertificate {
    Any,
    /// Certificates that are not self-signed; selected by the option `Strict`, as on Windows.
    CaSigned,
}

/// Maximum number of steps; more than an analysis proposes.
const MOST_STEPS: usize = 256;

impl Options {
    /// Parses the body of a request strictly: unknown and repeated elements are rejected.
    pub(super) fn read(stage: Stage, body: Option<Element<'_>>) -> Result<Self, Fault> {
        let mut options = Self {
            transport: Transport::Http,
            public_zone: PublicZone::Stops,
            certificate: AcceptedCertificate::Any,
            zone: None,
            sources: Vec::new(),
            group: None,
            steps: Vec::new(),
        };
        // Only the analyses have an optional body.
        let Some(body) = body else {
            return match stage {
                Stage::AnalyzeService | Stage::Analyze | Stage::AnalyzeUndo | Stage::AnalyzeSignIn => {
                    Ok(options)
                }
                _ => Err(wrong(format!(
                    "the body is empty; it must contain {}_INPUT as returned by the analysis",
                    stage.name()
                ))),
            };
        };
        let expected = format!("{}_INPUT", stage.name());
        if !body.name().eq_ignore_ascii_case(&expected) || !body.namespace().eq_ignore_ascii_case(NAMESPACE) {
            return Err(wrong(format!("the body must be {expected} in the namespace {NAMESPACE}")));
        }
        let mut seen = Vec::new();
        for child in body.children() {
            let name = child.name();
            if seen.contains(&name) && !matches!(name, "RemoteAddress" | "Step") {
                return Err(wrong(format!("{name} is given more than once; send it once")));
            }
            seen.push(name);
            options.take(stage, child)?;
        }
        Ok(options)
    }

    fn take(&mut self, stage: Stage, child: Element<'_>) -> Result<(), Fault> {
        let text = child.text();
        let text = text.trim();
        let is_about_remoting = matches!(stage, Stage::Analyze | Stage::EnableRemoting);
        let takes_steps = matches!(stage, Stage::EnableService | Stage::EnableRemoting | Stage::Undo);
        if child.children().next().is_some() {
            return Err(wrong(format!("{} contains elements; send text", child.name())));
        }
        match child.name() {
            _ if !child.namespace().eq_ignore_ascii_case(NAMESPACE) => return Err(unknown(stage, &child)),
            "Transport" if is_about_remoting => {
                self.transport = Transport::parse(text).map_err(|error| wrong(error.to_string()))?;
            }
            "Force" if is_about_remoting => self.public_zone = PublicZone::Ignored,
            "Strict" if is_about_remoting => self.certificate = AcceptedCertificate::CaSigned,
            "Zone" if is_about_remoting => self.zone = Some(Zone::parse(text).map_err(invalid)?),
            "RemoteAddress" if is_about_remoting => {
                if self.sources.len() >= Source::MAX {
                    return Err(wrong(format!(
                        "more than {} remote addresses; merge some into networks",
                        Source::MAX
                    )));
                }
                self.sources.push(Source::parse(text).map_err(invalid)?);
            }
            "AllowGroup" if is_about_remoting => {
                if text.is_empty() || text.len() > 256 || text.contains(is_forbidden_in_group_name) {
                    return Err(wrong("AllowGroup must be the name of a local group".to_owned()));
                }
                self.group = Some(text.to_owned());
            }
            "Step" if takes_steps => {
                if self.steps.len() >= MOST_STEPS {
                    return Err(wrong(format!(
                        "more than {MOST_STEPS} steps; send those that the analysis proposed"
                    )));
                }
                self.steps.push(text.chars().take(300).collect());
            }
            _ => return Err(unknown(stage, &child)),
        }
        Ok(())
    }

    /// Writes the element that the client must send back, with the steps to confirm.
    pub(super) fn write(&self, stage: &str, steps: &[String], writer: &mut Writer) {
        writer.start(&format!("p:{stage}_INPUT"));
        if stage == Stage::EnableRemoting.name() {
            writer.element("p:Transport", self.transport.as_str());
            if self.public_zone == PublicZone::Ignored {
                writer.start("p:Force").end_empty();
            }
            if self.certificate == AcceptedCertificate::CaSigned {
                writer.start("p:Strict").end_empty();
            }
            if let Some(zone) = &self.zone {
                writer.element("p:Zone", zone.as_str());
            }
            for source in &self.sources {
                writer.element("p:RemoteAddress", &source.to_string());
            }
            if let Some(group) = &self.group {
                writer.element("p:AllowGroup", group);
            }
        }
        for step in steps {
            writer.element("p:Step", step);
        }
        writer.end();
    }
}

fn unknown(stage: Stage, child: &Element<'_>) -> Fault {
    let name: String = child.name().chars().take(60).collect();
    wrong(format!("unknown element \"{name}\" in {}_INPUT; omit it", stage.name()))
}

fn invalid(error: quickconfig::Error) -> Fault {
    wrong(error.to_string().replace("\n  ", "; "))
}

fn is_forbidden_in_group_name(c: char) -> bool {
    c.is_control() || c.is_whitespace() || matches!(c, ':' | ',' | '/')
}

pub(super) fn wrong(reason: String) -> Fault {
    Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason)
}
