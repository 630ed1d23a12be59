//! What comes with a request: how remote access is wanted, and which steps were agreed to.

use config::Transport;
use quickconfig::{Source, Zone};
use wsman::{Fault, Subcode, code};
use xml::{Element, Writer};

use super::{NAMESPACE, Stage};

/// How remote access is wanted; what Windows does not know is there only if it was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) transport: Transport,
    pub(super) public_zone: PublicZone,
    pub(super) certificate: CertificateOf,
    pub(super) zone: Option<Zone>,
    pub(super) sources: Vec<Source>,
    /// A group whose members are to open shells.
    pub(super) group: Option<String>,
    /// What was proposed and agreed to.
    pub(super) steps: Vec<String>,
}

/// Whether a zone for networks that are not trusted is a reason to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublicZone {
    Stops,
    /// `Force`.
    Ignored,
}

/// Which certificates will do for HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificateOf {
    Anyone,
    /// `Strict`, as Windows is: none that nobody but this machine vouches for.
    Authority,
}

/// More than are ever proposed.
const MOST_STEPS: usize = 256;

impl Wanted {
    /// Reads the body of a request strictly: what is not understood is refused, and so is what is there twice.
    pub(super) fn read(stage: Stage, body: Option<Element<'_>>) -> Result<Self, Fault> {
        let mut wanted = Self {
            transport: Transport::Http,
            public_zone: PublicZone::Stops,
            certificate: CertificateOf::Anyone,
            zone: None,
            sources: Vec::new(),
            group: None,
            steps: Vec::new(),
        };
        // Only the stages that analyze can do without.
        let Some(body) = body else {
            return match stage {
                Stage::AnalyzeService | Stage::Analyze | Stage::AnalyzeUndo => Ok(wanted),
                _ => Err(wrong(format!(
                    "the body is empty; it must be what analyzing has answered as {}_INPUT",
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
                return Err(wrong(format!("{name} is there twice")));
            }
            seen.push(name);
            wanted.take(stage, child)?;
        }
        Ok(wanted)
    }

    fn take(&mut self, stage: Stage, child: Element<'_>) -> Result<(), Fault> {
        let text = child.text();
        let text = text.trim();
        let is_about_remoting = matches!(stage, Stage::Analyze | Stage::EnableRemoting);
        let takes_steps = matches!(stage, Stage::EnableService | Stage::EnableRemoting | Stage::Undo);
        let refused = |error: quickconfig::Error| wrong(error.to_string().replace("\n  ", "; "));
        if child.children().next().is_some() {
            return Err(wrong(format!("{} holds elements, and takes none", child.name())));
        }
        match child.name() {
            _ if !child.namespace().eq_ignore_ascii_case(NAMESPACE) => return Err(unknown(stage, &child)),
            "Transport" if is_about_remoting => {
                self.transport = Transport::parse(text).map_err(|error| wrong(error.to_string()))?;
            }
            "Force" if is_about_remoting => self.public_zone = PublicZone::Ignored,
            "Strict" if is_about_remoting => self.certificate = CertificateOf::Authority,
            "Zone" if is_about_remoting => self.zone = Some(Zone::parse(text).map_err(refused)?),
            "RemoteAddress" if is_about_remoting => {
                if self.sources.len() >= Source::MAX {
                    return Err(wrong(format!("more than {} networks are named", Source::MAX)));
                }
                self.sources.push(Source::parse(text).map_err(refused)?);
            }
            "AllowGroup" if is_about_remoting => {
                let fits = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | ',' | '/');
                if text.is_empty() || text.len() > 256 || !text.chars().all(fits) {
                    return Err(wrong("AllowGroup is not the name of a group of this machine".to_owned()));
                }
                self.group = Some(text.to_owned());
            }
            "Step" if takes_steps => {
                if self.steps.len() >= MOST_STEPS {
                    return Err(wrong(format!("more than {MOST_STEPS} steps are named")));
                }
                self.steps.push(text.chars().take(300).collect());
            }
            _ => return Err(unknown(stage, &child)),
        }
        Ok(())
    }

    /// The same as what a client is to send back, with the steps it is to agree to.
    pub(super) fn write(&self, stage: &str, steps: &[String], writer: &mut Writer) {
        writer.start(&format!("p:{stage}_INPUT"));
        if stage == Stage::EnableRemoting.name() {
            writer.element("p:Transport", self.transport.as_str());
            if self.public_zone == PublicZone::Ignored {
                writer.start("p:Force").end_empty();
            }
            if self.certificate == CertificateOf::Authority {
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
    wrong(format!("{name:?} is nothing that {} takes", stage.name()))
}

pub(super) fn wrong(reason: String) -> Fault {
    Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason)
}
