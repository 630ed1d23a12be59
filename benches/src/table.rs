//! The table of results: measured values, goals and verdicts.

/// A row of the table.
pub(crate) struct Row {
    what: String,
    measured: String,
    goal: String,
    verdict: Verdict,
}

enum Verdict {
    Met,
    Missed,
    /// The value has no goal.
    NoGoal,
    NotMeasured,
}

impl Row {
    /// Makes a row whose value must be at least `least`.
    pub(crate) fn at_least(what: &str, least: f64, value: f64, measured: String) -> Self {
        Self::judged(what, format!("at least {least:.2}"), value >= least, measured)
    }

    /// Makes a row whose value must be at most `most`, given in `unit`.
    pub(crate) fn at_most(what: &str, most: f64, unit: &str, value: f64, measured: String) -> Self {
        let shown = (most * 100.0).round() / 100.0;
        Self::judged(what, format!("at most {shown} {unit}"), value <= most, measured)
    }

    /// Makes a row without a goal.
    pub(crate) fn without_goal(what: &str, measured: String) -> Self {
        Self { what: what.to_owned(), measured, goal: String::new(), verdict: Verdict::NoGoal }
    }

    /// Makes a row for a measurement that was left out, with the reason.
    pub(crate) fn not_measured(what: &str, reason: &str) -> Self {
        let measured = format!("not measured: {}", reason.lines().next().unwrap_or_default());
        Self { what: what.to_owned(), measured, goal: String::new(), verdict: Verdict::NotMeasured }
    }

    fn judged(what: &str, goal: String, is_met: bool, measured: String) -> Self {
        let verdict = if is_met { Verdict::Met } else { Verdict::Missed };
        Self { what: what.to_owned(), measured, goal, verdict }
    }

    /// Returns whether the goal is met or there is none.
    pub(crate) fn is_met(&self) -> bool {
        matches!(self.verdict, Verdict::Met | Verdict::NoGoal)
    }

    fn cells(&self) -> [&str; 4] {
        let verdict = match self.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::NoGoal => "",
            Verdict::NotMeasured => "NOT MEASURED",
        };
        [&self.what, &self.measured, &self.goal, verdict]
    }
}

/// Prints a table that is also valid Markdown.
pub(crate) fn print(rows: &[Row]) {
    let mut lines = vec![["what", "measured", "goal", "verdict"]];
    lines.extend(rows.iter().map(Row::cells));
    let mut widths = [0; 4];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    lines.insert(1, ["", "", "", ""]);
    for (number, line) in lines.iter().enumerate() {
        let rule = if number == 1 { '-' } else { ' ' };
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| {
                let missing = width - cell.chars().count();
                format!("{cell}{}", rule.to_string().repeat(missing))
            })
            .collect();
        println!("| {} |", cells.join(" | "));
    }
}
