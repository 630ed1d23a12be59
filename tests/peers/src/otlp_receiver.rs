//! A receiver of OpenTelemetry: an HTTP server of Python that decodes requests with the schema of OpenTelemetry.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::python::script_command;

/// A running receiver of metrics.
pub struct OtlpReceiver {
    child: Child,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl OtlpReceiver {
    /// Starts a receiver on a port, or on any port for 0, which accepts only this value of the header Authorization if
    /// it is not empty.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start(port: u16, authorization: &str) -> Self {
        Self::start_with(port, authorization, &Value::Array(Vec::new()), &[])
    }

    /// Starts a receiver on any port, whose first answers are those of a list; see `otlp_receiver.py`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start_answering(answers: &Value) -> Self {
        Self::start_with(0, "", answers, &[])
    }

    /// Starts a receiver with TLS on any port, with the files of a certificate and its key.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start_tls(authorization: &str, certificate: &Path, key: &Path) -> Self {
        Self::start_with(0, authorization, &Value::Array(Vec::new()), &[certificate, key])
    }

    fn start_with(port: u16, authorization: &str, answers: &Value, tls: &[&Path]) -> Self {
        let mut command = script_command("otlp_receiver.py");
        command.arg(port.to_string()).arg(authorization).arg(answers.to_string()).args(tls);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("Python");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut receiver = Self { child, output, port: 0 };
        receiver.port = receiver.line().parse().expect("a port");
        receiver
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next accepted request.
    ///
    /// # Panics
    ///
    /// When the receiver has ended.
    pub fn next_request(&mut self) -> OtlpRequest {
        let line = self.line();
        OtlpRequest(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.output.read_line(&mut line).expect("a pipe");
        assert!(length > 0, "otlp_receiver.py has ended");
        line.trim_end().to_owned()
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        // Harmless when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request in the JSON form of Protocol Buffers.
#[derive(Debug)]
pub struct OtlpRequest(pub Value);

impl OtlpRequest {
    /// Returns the seconds from the beginning of the answer before to the arrival of this request; 0 for the first one.
    #[must_use]
    pub fn waited(&self) -> f64 {
        self.0.get("waited").and_then(Value::as_f64).unwrap_or_default()
    }

    /// An attribute of the resource.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&str> {
        attribute(self.0.pointer("/resourceMetrics/0/resource")?, name)
    }

    /// All metrics.
    ///
    /// # Panics
    ///
    /// When the request has none.
    #[must_use]
    pub fn metrics(&self) -> &[Value] {
        let metrics = self.0.pointer("/resourceMetrics/0/scopeMetrics/0/metrics");
        metrics.and_then(Value::as_array).expect("metrics")
    }

    /// A metric by its name.
    ///
    /// # Panics
    ///
    /// When the request does not contain it.
    #[must_use]
    pub fn metric(&self, name: &str) -> &Value {
        let found = self.metrics().iter().find(|metric| metric.get("name").is_some_and(|own| own == name));
        found.unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    /// The point of a metric of a kind, such as `sum`, with exactly these attributes.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn point(&self, name: &str, kind: &str, attributes: &[(&str, &str)]) -> &Value {
        let points = self.metric(name).get(kind).and_then(|data| data.get("dataPoints")?.as_array());
        let points = points.unwrap_or_else(|| panic!("{name} is no {kind}: {}", self.metric(name)));
        let is_match = |point: &&Value| {
            point.get("attributes").and_then(Value::as_array).map_or(0, Vec::len) == attributes.len()
                && attributes.iter().all(|(name, value)| attribute(point, name) == Some(value))
        };
        points.iter().find(is_match).unwrap_or_else(|| panic!("no {attributes:?} in {points:?}"))
    }
}

/// Returns the text of an attribute.
fn attribute<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    let mut attributes = of.get("attributes")?.as_array()?.iter();
    let found = attributes.find(|attribute| attribute.get("key").is_some_and(|key| key == name))?;
    found.pointer("/value/stringValue")?.as_str()
}
