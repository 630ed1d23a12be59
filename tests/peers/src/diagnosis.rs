//! Findings of `winrm doctor`, read from its JSON output.

use std::fmt;

use serde_json::Value;

use crate::programs::Winrm;

/// The findings of one examination.
pub struct Diagnosis {
    document: Value,
}

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Name of the check.
    pub check: String,
    /// `pass`, `warn`, `fail` or `skip`.
    pub verdict: String,
    /// Observation.
    pub seen: String,
    /// Advice, one entry per line.
    pub fixes: Vec<String>,
}

/// Shows the findings, a line each.
impl fmt::Debug for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { check, verdict, seen, fixes } in self.all() {
            write!(formatter, "\n  {verdict}  {check}: {seen}")?;
            fixes.iter().try_for_each(|fix| write!(formatter, "\n      -> {fix}"))?;
        }
        Ok(())
    }
}

impl Diagnosis {
    /// Has `winrm doctor` examine what the command line is about.
    ///
    /// # Panics
    ///
    /// When it does not print one JSON document, or its exit status does not fit what it found.
    #[must_use]
    pub fn of(winrm: Winrm) -> Self {
        let run = winrm.switch("-format:json").run(&["doctor"]);
        let document: Value =
            serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        let diagnosis = Self { document };
        let has_failed = diagnosis.all().iter().any(|finding| finding.verdict == "fail");
        assert_eq!(run.code, i32::from(has_failed), "{diagnosis:#?}");
        diagnosis
    }

    /// Every finding, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Finding> {
        let text = |finding: &Value, name: &str| {
            finding.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let findings = self.document.get("findings").and_then(Value::as_array).cloned().unwrap_or_default();
        let read = |finding: &Value| Finding {
            check: text(finding, "check"),
            verdict: text(finding, "verdict"),
            seen: text(finding, "seen"),
            fixes: finding
                .get("fix")
                .and_then(Value::as_array)
                .map(|lines| lines.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default(),
        };
        findings.iter().map(read).collect()
    }

    /// The finding of a check.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn check(&self, name: &str) -> Finding {
        let found = self.all().into_iter().find(|finding| finding.check == name);
        found.unwrap_or_else(|| panic!("nothing was found about {name}: {self:#?}"))
    }

    /// Demands that this check fails first, that what was seen has the words, and that some line of what to do has the
    /// others.
    ///
    /// # Panics
    ///
    /// When that is not so.
    pub fn begins_with(&self, check: &str, seen: &str, fix: &str) {
        let first = self.all().into_iter().find(|finding| finding.verdict == "fail");
        let first = first.unwrap_or_else(|| panic!("nothing has failed: {self:#?}"));
        assert_eq!(first.check, check, "{self:#?}");
        assert!(first.seen.contains(seen), "{seen:?} is not what was seen: {self:#?}");
        let is_told = first.fixes.iter().any(|line| line.contains(fix));
        assert!(is_told, "{fix:?} is not what to do: {self:#?}");
    }

    /// Demands that nothing fails.
    ///
    /// # Panics
    ///
    /// When something does.
    pub fn is_well(&self) {
        let failed: Vec<_> = self.all().into_iter().filter(|finding| finding.verdict == "fail").collect();
        assert!(failed.is_empty(), "{self:#?}");
    }
}
