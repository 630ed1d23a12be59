//! Pages of metrics, read with the parser of Prometheus' own library.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::python::script_command;
use crate::run::{run, tail};
use crate::telarchd::Telarchd;

/// A page of metrics.
#[derive(Debug)]
pub struct MetricsPage {
    /// The page as served.
    pub text: String,
    /// Samples by name and labels, such as `telarch_requests_total{action="Get",result="ok"}`.
    pub samples: BTreeMap<String, f64>,
}

impl MetricsPage {
    /// Reads the metrics of a service, whose port is in its log.
    ///
    /// # Panics
    /// If the service serves no metrics, or the parser rejects the page.
    #[must_use]
    pub fn of(service: &Telarchd) -> Self {
        Self::of_log(&service.logged(&["Serving metrics"]))
    }

    /// Reads the metrics of a service with this log.
    ///
    /// # Panics
    /// If the service serves no metrics, or the parser rejects the page.
    #[must_use]
    pub fn of_log(log: &str) -> Self {
        let url = format!("http://{}/metrics", Self::address(log));
        let ended = run(script_command("metrics.py").arg(url), b"", LIMIT);
        assert_eq!(ended.code, 0, "metrics.py failed: {}", tail(&ended.stderr));
        let (text, samples) = serde_json::from_slice(&ended.stdout).expect("the script prints JSON");
        Self { text, samples }
    }

    /// Returns the address at which a service with this log serves metrics.
    ///
    /// # Panics
    /// If the service serves no metrics.
    #[must_use]
    pub fn address(log: &str) -> &str {
        let line = log.lines().find(|line| line.contains("Serving metrics")).unwrap_or_default();
        let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
        address.expect("the address is logged")
    }

    /// Returns the value of a sample.
    ///
    /// # Panics
    /// If the page does not contain it.
    #[must_use]
    pub fn value(&self, name: &str) -> f64 {
        *self.samples.get(name).unwrap_or_else(|| panic!("no {name} in\n{}", self.text))
    }
}

const LIMIT: Duration = Duration::from_secs(60);
