//! What a check found, and how all of it is told.

use std::time::Duration;

use serde::Serialize;

use crate::cli::out;

/// How a check ended, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It was not looked at; the summary says why.
    Skipped,
    /// It works, and should be seen to.
    Warning,
    /// It does not work, or is not safe.
    Problem,
}

impl Status {
    /// What stands before the line.
    const fn mark(self) -> &'static str {
        match self {
            Status::Ok => "✓",
            Status::Skipped => "–",
            Status::Warning => "!",
            Status::Problem => "✗",
        }
    }
}

/// A part of a check that took its own time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was done.
    pub step: &'static str,
    /// How long it took.
    pub milliseconds: u64,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name, which stays the same from release to release.
    pub check: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was seen, and what was expected where that is something else.
    pub summary: String,
    /// What to do about it; there whenever the status is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Its parts, where it has some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

impl Finding {
    fn new(check: &'static str, status: Status, summary: &str, fix: Option<&str>) -> Finding {
        // texts of others are quoted in here, and must not move the cursor of a terminal
        let fix = fix.map(out::plain);
        Finding { check, status, summary: out::plain(summary), fix, steps: Vec::new() }
    }

    /// All is well.
    pub fn ok(check: &'static str, summary: impl AsRef<str>) -> Finding {
        Finding::new(check, Status::Ok, summary.as_ref(), None)
    }

    /// It was not looked at.
    pub fn skipped(check: &'static str, why: impl AsRef<str>, fix: impl AsRef<str>) -> Finding {
        Finding::new(check, Status::Skipped, &format!("not checked: {}", why.as_ref()), Some(fix.as_ref()))
    }

    /// It was not looked at, since the server cannot be reached as it should.
    pub fn unreachable(check: &'static str) -> Finding {
        Finding::skipped(check, "the server cannot be reached through its issuer", "See to the checks above first.")
    }

    /// It was not looked at, since the database cannot be opened.
    pub fn without_database(check: &'static str) -> Finding {
        Finding::skipped(check, "the database cannot be used", "See to the check database first.")
    }

    /// It works, and should be seen to.
    pub fn warning(check: &'static str, summary: impl AsRef<str>, fix: impl AsRef<str>) -> Finding {
        Finding::new(check, Status::Warning, summary.as_ref(), Some(fix.as_ref()))
    }

    /// It does not work.
    pub fn problem(check: &'static str, summary: impl AsRef<str>, fix: impl AsRef<str>) -> Finding {
        Finding::new(check, Status::Problem, summary.as_ref(), Some(fix.as_ref()))
    }

    /// The worst of what is wrong, with all of it told; `fine` where nothing is.
    pub fn of_faults(check: &'static str, faults: Vec<Fault>, fine: impl AsRef<str>) -> Finding {
        let Some(status) = faults.iter().map(|fault| fault.status).max() else { return Finding::ok(check, fine) };
        let join = |of: fn(&Fault) -> &str, between: &str| {
            let mut texts: Vec<&str> = faults.iter().map(of).collect();
            texts.dedup();
            texts.join(between)
        };
        Finding::new(check, status, &join(|fault| &fault.what, "; "), Some(&join(|fault| &fault.fix, " ")))
    }
}

/// One of several things that can be wrong in one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    status: Status,
    what: String,
    fix: String,
}

impl Fault {
    /// Something to be seen to.
    pub fn warning(what: impl Into<String>, fix: impl Into<String>) -> Fault {
        Fault { status: Status::Warning, what: what.into(), fix: fix.into() }
    }

    /// Something that does not work.
    pub fn problem(what: impl Into<String>, fix: impl Into<String>) -> Fault {
        Fault { status: Status::Problem, what: what.into(), fix: fix.into() }
    }
}

/// All findings, in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
    /// The worst of them; what was not looked at does not count.
    pub status: Status,
}

impl Report {
    /// The findings with their verdict.
    pub fn of(findings: Vec<Finding>) -> Report {
        let judged = findings.iter().map(|finding| finding.status).filter(|status| *status != Status::Skipped);
        let status = judged.max().unwrap_or(Status::Ok);
        Report { findings, status }
    }

    /// How many ended like this.
    pub fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }

    /// A line for each check, what to do below, and a line that sums up.
    pub fn text(&self) -> String {
        let width = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
        let mut text = String::new();
        for Finding { check, status, summary, steps, .. } in &self.findings {
            text.push_str(&format!("{} {check:width$}  {summary}\n", status.mark()));
            if !steps.is_empty() {
                let steps: Vec<String> =
                    steps.iter().map(|step| format!("{} {} ms", step.step, step.milliseconds)).collect();
                text.push_str(&format!("  {:width$}  {}\n", "", steps.join(", ")));
            }
        }
        let wrong = |finding: &&Finding| finding.status > Status::Skipped;
        for (n, finding) in self.findings.iter().filter(wrong).enumerate() {
            text.push_str(if n == 0 { "\nWhat to do:\n" } else { "" });
            let (mark, fix) = (finding.status.mark(), finding.fix.as_deref().unwrap_or_default());
            text.push_str(&format!("{mark} {:width$}  {fix}\n", finding.check));
        }
        let counted = [
            (Status::Problem, "problem", "problems"),
            (Status::Warning, "warning", "warnings"),
            (Status::Ok, "ok", "ok"),
            (Status::Skipped, "not checked", "not checked"),
        ];
        let counted = counted.into_iter().filter_map(|(status, one, many)| match self.count(status) {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        });
        text.push_str(&format!("\n{}.\n", counted.collect::<Vec<_>>().join(", ")));
        text
    }
}

/// A duration as people read it: "3 days", "12 s", "40 ms".
pub fn told(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_line_for_each_check_and_says_below_what_to_do() {
        let mut login = Finding::ok("login", "works");
        login.steps = vec![Step { step: "authorize", milliseconds: 3 }, Step { step: "token", milliseconds: 12 }];
        let report = Report::of(vec![
            Finding::ok("issuer", "answers"),
            Finding::skipped("mail", "no mail is configured", "Set mail.host."),
            Finding::warning("certificate_file", "ends\u{1b}[2J in 5 days", "Renew it."),
            login,
        ]);
        assert_eq!(
            report.text(),
            "✓ issuer            answers\n\
             – mail              not checked: no mail is configured\n\
             ! certificate_file  ends\u{fffd}[2J in 5 days\n\
             ✓ login             works\n\
             \u{20}                   authorize 3 ms, token 12 ms\n\
             \n\
             What to do:\n\
             ! certificate_file  Renew it.\n\
             \n\
             1 warning, 2 ok, 1 not checked.\n"
        );
        assert_eq!(report.status, Status::Warning);
    }

    #[test]
    fn several_faults_are_one_finding_as_bad_as_the_worst() {
        let faults = vec![Fault::warning("a", "Do x."), Fault::problem("b", "Do y."), Fault::problem("c", "Do y.")];
        let finding = Finding::of_faults("cookies", faults, "fine");
        assert_eq!(finding, Finding::problem("cookies", "a; b; c", "Do x. Do y."));
        assert_eq!(Finding::of_faults("cookies", Vec::new(), "fine"), Finding::ok("cookies", "fine"));
    }
}
