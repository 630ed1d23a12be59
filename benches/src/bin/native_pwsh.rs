//! A stand-in for `pwsh -s` that is faster than the clients that are measured with it.
//!
//! It serves PowerShell remoting on standard input and output with the server's end of `psrp`, and knows only the
//! scripts of the benches: `objs:N`, `blob:N:SIZE`, `countinput`, `readinput`, and those of `telarch cp` and of pypsrp's
//! `copy` and `fetch`. Each script runs at once, and the next packet is read after it.

#[path = "native_pwsh/scripts.rs"]
mod scripts;

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead as _, BufWriter, Write as _};

use psrp::clixml::{Content, Object, Primitive, Value, Version};
use psrp::out_of_proc::{Control, Packet};
use psrp::{
    Body, ErrorRecord, Event, Guid, PipelineState, PoolLimits, ServerOptions, ServerPool, SessionKey, Stream,
};

use self::scripts::Script;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Length of the fragments that are sent.
const FRAGMENT: usize = 32_768;
/// Category of an error that ended a script (OperationStopped).
const STOPPED: i32 = 14;

fn main() -> Result<()> {
    // As in the service; otherwise most time is spent on pages for lines of 500 KB.
    confinement::map_large_blocks();
    let mut process = Process {
        pool: ServerPool::new(ServerOptions {
            protocol: Version::new(2, 3),
            // No script of the benches uses secure strings.
            session_key: SessionKey::from_bytes([7; 32]),
            private_data: private_data(),
            limits: PoolLimits::default(),
        }),
        scripts: HashMap::new(),
        output: BufWriter::with_capacity(1 << 18, io::stdout().lock()),
    };
    let mut input = io::BufReader::with_capacity(1 << 18, io::stdin().lock());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let packet = Packet::parse(line.trim_ascii_end())?.ok_or("a line is no packet")?;
        process.apply(packet)?;
        if input.buffer().is_empty() {
            process.output.flush()?;
        }
        line.clear();
    }
    Ok(())
}

/// Returns what PowerShell tells its clients about itself.
fn private_data() -> Value {
    let dictionary = |name: &str, value: Value| {
        Value::from(
            Object::with_content(Content::Dictionary(vec![(name.into(), value)]))
                .typed(&["System.Collections.Hashtable", "System.Object"]),
        )
    };
    let version = Value::Primitive(Primitive::Version(Version::new(7, 4)));
    dictionary("PSVersionTable", dictionary("PSVersion", version))
}

/// The process with its pool and its running scripts.
struct Process<'a> {
    pool: ServerPool,
    scripts: HashMap<Guid, Script>,
    output: BufWriter<io::StdoutLock<'a>>,
}

impl Process<'_> {
    fn apply(&mut self, packet: Packet) -> Result<()> {
        match packet {
            Packet::Data { target, data, .. } => {
                // The service sends the next packet while this one is evaluated.
                self.control(Control::DataAck, target)?;
                self.output.flush()?;
                for event in self.pool.receive(&data)? {
                    self.handle(event)?;
                }
                self.flush()
            }
            Packet::Control(Control::Command, target) => self.control(Control::CommandAck, target),
            Packet::Control(Control::Signal, target) => {
                if self.scripts.remove(&target).is_some() {
                    self.pool.end(target, PipelineState::Stopped, Some(ErrorRecord::pipeline_stopped()))?;
                    self.flush()?;
                }
                self.control(Control::SignalAck, target)
            }
            Packet::Control(Control::Close, target) => {
                self.scripts.remove(&target);
                self.control(Control::CloseAck, target)
            }
            Packet::Control(..) => Err("unexpected acknowledgement".into()),
        }
    }

    fn handle(&mut self, Event { pipeline, body }: Event) -> Result<()> {
        let Some(pipeline) = pipeline else { return Ok(()) };
        match body {
            Body::CreatePipeline(create) => {
                let command = create.statements().first().and_then(|commands| commands.first());
                let script = Script::of(command.ok_or("a pipeline without a command")?)?;
                self.scripts.insert(pipeline, script);
                if create.has_no_input {
                    self.end_input(pipeline)?;
                }
                Ok(())
            }
            Body::PipelineInput(value) => {
                let Some(script) = self.scripts.get_mut(&pipeline) else { return Ok(()) };
                match script.take(value)? {
                    Some(output) => self.write(pipeline, output),
                    None => Ok(()),
                }
            }
            Body::EndOfPipelineInput => self.end_input(pipeline),
            _ => Ok(()),
        }
    }

    /// Writes what a script returns after its input, and ends it.
    fn end_input(&mut self, pipeline: Guid) -> Result<()> {
        let Some(script) = self.scripts.remove(&pipeline) else { return Ok(()) };
        match script.finish(|value| self.write(pipeline, value)) {
            Ok(()) => self.pool.end(pipeline, PipelineState::Completed, None)?,
            Err(error) => {
                let error = ErrorRecord::new(&error.to_string(), "stand-in", STOPPED);
                self.pool.end(pipeline, PipelineState::Failed, Some(error))?;
            }
        }
        Ok(())
    }

    fn write(&mut self, pipeline: Guid, value: Value) -> Result<()> {
        self.pool.write(pipeline, Body::PipelineOutput(value))?;
        self.flush()
    }

    /// Writes the queued messages.
    fn flush(&mut self) -> Result<()> {
        while let Some(outgoing) = self.pool.take(FRAGMENT) {
            let target = outgoing.pipeline.unwrap_or(Guid::ZERO);
            self.packet(&Packet::Data { stream: Stream::Default, target, data: outgoing.fragments })?;
        }
        Ok(())
    }

    fn control(&mut self, control: Control, target: Guid) -> Result<()> {
        self.packet(&Packet::Control(control, target))
    }

    fn packet(&mut self, packet: &Packet) -> Result<()> {
        let mut line = String::new();
        packet.write(&mut line);
        Ok(self.output.write_all(line.as_bytes())?)
    }
}
