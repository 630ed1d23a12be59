//! Measures the time that the service adds to an exchange with the PowerShell process.
//!
//! A script returns each object of its input. An exchange sends one object and waits until the script has returned it:
//! through the service, with requests over HTTP, and directly, over the standard input and output of the same program.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use ::client::{Credentials, Endpoint, PipelineEvent, PoolOptions, Secret, Session, Unencrypted};
use psrp::clixml::Value;
use psrp::out_of_proc::{Control, Packet};
use psrp::{Body, ClientOptions, ClientPool, CreatePipeline, Event, Guid, PoolState, Stream};
use tokio::runtime::Runtime;

use crate::Result;
use crate::effort::Effort;
use crate::rounds::{by_turns, median_of};
use crate::table::Row;
use crate::telarchd::{PASSWORD, Telarchd, USER};

/// Longest time that the service may add to an exchange, in milliseconds.
const MOST: f64 = 1.0;
/// Number of exchanges in a turn.
const EXCHANGES: u32 = 200;
/// Script that returns its input.
const SCRIPT: &str = "readinput";
/// Length of the fragments that are sent to the process.
const FRAGMENT: usize = 32_768;

pub(super) fn measure(effort: &Effort, service: &Telarchd, program: &Path) -> Result<Row> {
    let mut bridged = Bridged::start(service)?;
    let mut direct = Direct::start(program)?;
    let turns = by_turns(effort.rounds, || bridged.turn(), || direct.turn())?;
    bridged.end()?;
    let added = median_of(&turns, |turn| turn.ours - turn.theirs);
    let [through, alone] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
    Ok(Row::at_most(
        "PowerShell remoting: time that the service adds to an exchange of an object with the process",
        MOST,
        "ms",
        added,
        format!("{added:.2} ms ({through:.2} ms through the service, {alone:.2} ms without it)"),
    ))
}

/// Runs exchanges and returns the milliseconds of one.
fn timed(mut exchange: impl FnMut(i32) -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    for number in 0..i32::try_from(EXCHANGES)? {
        exchange(number)?;
    }
    Ok(begin.elapsed().as_secs_f64() * 1e3 / f64::from(EXCHANGES))
}

fn require_same(sent: i32, received: &Value) -> Result<()> {
    if *received == Value::from(sent) {
        return Ok(());
    }
    Err(format!("{sent} was sent, and {received:?} came back").into())
}

/// A pipeline that the service connects with its process.
struct Bridged {
    runtime: Runtime,
    pipeline: ::client::Pipeline,
    pool: ::client::RunspacePool,
}

impl Bridged {
    fn start(service: &Telarchd) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let endpoint = Endpoint::parse(&format!("http://{}/wsman", service.http()))?;
        let credentials = Credentials { user: USER.to_owned(), password: Secret::new(PASSWORD.to_owned()) };
        let (pool, pipeline) = runtime.block_on(async {
            let session = Session::builder(endpoint)
                .credentials(credentials)
                .unencrypted(Unencrypted::Allowed)
                .build()?;
            let pool = session.runspace_pool(PoolOptions::default()).await?;
            let pipeline = pool.start(CreatePipeline::script(SCRIPT).with_input()).await?;
            Ok::<_, Box<dyn std::error::Error>>((pool, pipeline))
        })?;
        Ok(Self { runtime, pipeline, pool })
    }

    fn turn(&mut self) -> Result<f64> {
        let Self { runtime, pipeline, .. } = self;
        timed(|number| {
            let controls = pipeline.controls();
            let (sent, event) = runtime
                .block_on(async { tokio::join!(controls.send([Value::from(number)]), pipeline.next()) });
            sent?;
            match event? {
                Some(PipelineEvent::Output(value)) => require_same(number, &value),
                other => Err(format!("no object came back, but {other:?}").into()),
            }
        })
    }

    fn end(self) -> Result<()> {
        let Self { runtime, pipeline, pool } = self;
        Ok(runtime.block_on(async {
            pipeline.finish().await?;
            pool.close().await
        })?)
    }
}

/// A pipeline in a process of its own, without the service.
struct Direct {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pool: ClientPool,
    pipeline: Guid,
}

impl Direct {
    fn start(program: &Path) -> Result<Self> {
        let mut child =
            Command::new(program).arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("it has no standard input")?;
        let output = BufReader::new(child.stdout.take().ok_or("it has no standard output")?);
        let pool = ClientPool::new(Guid::from_bytes([1; 16]), ClientOptions::default());
        let pipeline = Guid::from_bytes([2; 16]);
        let mut started = Self { child, input, output, pool, pipeline };
        started.pool.open()?;
        started.flush(None)?;
        while started.pool.state() != PoolState::Opened {
            started.receive()?;
        }
        started.pool.create_pipeline(pipeline, CreatePipeline::script(SCRIPT).with_input())?;
        started.write(&Packet::Control(Control::Command, pipeline))?;
        started.flush(Some(pipeline))?;
        Ok(started)
    }

    fn turn(&mut self) -> Result<f64> {
        timed(|number| {
            self.pool.input(self.pipeline, Value::from(number))?;
            self.flush(Some(self.pipeline))?;
            loop {
                for Event { body, .. } in self.receive()? {
                    if let Body::PipelineOutput(value) = body {
                        return require_same(number, &value);
                    }
                }
            }
        })
    }

    /// Writes the queued messages for a target.
    fn flush(&mut self, target: Option<Guid>) -> Result<()> {
        while let Some(outgoing) = self.pool.take_for(target, Stream::Default, FRAGMENT) {
            let data = outgoing.fragments;
            let target = target.unwrap_or(Guid::ZERO);
            self.write(&Packet::Data { stream: Stream::Default, target, data })?;
        }
        Ok(())
    }

    fn write(&mut self, packet: &Packet) -> Result<()> {
        let mut line = String::new();
        packet.write(&mut line);
        Ok(self.input.write_all(line.as_bytes())?)
    }

    /// Reads one line and returns its messages.
    fn receive(&mut self) -> Result<Vec<Event>> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("the process has closed its output".into());
        }
        match Packet::parse(line.trim_end().as_bytes())? {
            Some(Packet::Data { data, .. }) => Ok(self.pool.receive(&data)?),
            _ => Ok(Vec::new()),
        }
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        // Has no effect if the process has ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
