//! The report as people read it: as text, or as Markdown. One list of sections for both.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Clocks, Follows, Report, Reports};
use crate::diagnostic::is_unsafe;

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Text,
    Markdown,
}

impl Report {
    /// As plain text.
    pub fn text(&self) -> String {
        self.written(Style::Text)
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        self.written(Style::Markdown)
    }

    fn written(&self, style: Style) -> String {
        let mut page = Page { text: String::new(), style };
        page.title(&format!("Report: {}", self.title));
        if self.rehearsal {
            page.paragraph("A REHEARSAL. Nothing of it is real.");
        }
        page.paragraph(&self.summary.join(" "));
        page.section("Left to do", &self.left_to_do, "Nothing.");
        page.section("Deadlines", &deadlines(&self.clocks), "The case was never begun.");
        page.follows(&self.follows, "");
        self.standings(&mut page, "");
        let told = self.timeline.iter().map(|one| format!("{}  {}", instant(one.at), one.what));
        page.section("What happened", &told.collect::<Vec<_>>(), "Nothing yet.");
        page.section("What this rests on", &self.rests_on(), "");
        page.text
    }

    /// How everything in the account stands; headings end `in` it, where there are several.
    fn standings(&self, page: &mut Page, in_it: &str) {
        let mut section = |heading: &str, lines: &[String], none: &str| {
            page.section(&format!("{heading}{in_it}"), lines, none);
        };
        section("Every credential", &self.credentials(), "None was in scope.");
        let issued = self.issued.iter().map(|issued| {
            let to = issued.delivered.as_ref();
            let to = to.map_or("not delivered".to_owned(), |to| format!("delivered to {to}"));
            format!("{} for {}, {to}", issued.credential, issued.user)
        });
        section("Handed out", &issued.collect::<Vec<_>>(), "Nothing.");
        section("Taken off again by somebody", &self.contested, "No cut was.");
        let untouched = self.untouched.iter().map(|left| format!("{}: {}", left.what, left.why));
        section("Not touched, and why", &untouched.collect::<Vec<_>>(), "Nothing was left out.");
        let taken_over =
            self.taken_over.iter().map(|one| format!("{}  {}", instant(one.at), one.what));
        if !self.taken_over.is_empty() {
            section("Taken over", &taken_over.collect::<Vec<_>>(), "");
        }
    }

    fn credentials(&self) -> Vec<String> {
        let rows = self.ledger.iter().map(|row| {
            let mut line = format!(
                "{}: {}; {}",
                row.standing.word().to_uppercase(),
                row.credential,
                row.detail()
            );
            let _ = write!(line, "; proof: {}", row.proof_in_words());
            if let Some(shown) = &row.proof {
                let _ = write!(line, " ({})", shown.evidence);
            }
            for remark in &row.remarks {
                let _ = write!(line, "; {remark}");
            }
            line
        });
        rows.collect()
    }

    fn rests_on(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.ran_by.iter().map(|by| format!("run by {by}, as STS gave it")).collect();
        lines.push(format!("account {}, playbook {}", self.account, self.playbook));
        lines.extend(
            self.record
                .plans
                .iter()
                .enumerate()
                .map(|(n, digest)| format!("plan of round {}: {digest}", n + 1)),
        );
        lines.push(format!(
            "journal of {} {}, head {}; what people said is attested by their names and not signed",
            self.record.lines,
            if self.record.lines == 1 { "line" } else { "lines" },
            self.record.head
        ));
        if let Some(as_of) = self.record.as_of {
            lines.push(format!("as of {}: nothing after it is known", instant(as_of)));
        }
        lines.push(format!("Portcullis {}", self.record.program));
        lines
    }
}

impl Reports {
    /// As plain text.
    pub fn text(&self) -> String {
        self.written(Style::Text)
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        self.written(Style::Markdown)
    }

    fn written(&self, style: Style) -> String {
        let mut page = Page { text: String::new(), style };
        page.title(&format!("Report: {}", self.title));
        if self.rehearsal {
            page.paragraph("A REHEARSAL. Nothing of it is real.");
        }
        page.paragraph(&self.summary.join(" "));
        let left = self.left_to_do.iter().map(|one| format!("{}: {}", one.account, one.what));
        page.section("Left to do", &left.collect::<Vec<_>>(), "Nothing.");
        page.section("Deadlines", &deadlines(&self.clocks), "The case was never begun.");
        for report in &self.accounts {
            page.follows(&report.follows, &format!(", in account {}", report.account));
            report.standings(&mut page, &format!(", in account {}", report.account));
        }
        let told = self
            .timeline
            .iter()
            .map(|one| format!("{}  {}  {}", instant(one.what.at), one.account, one.what.what));
        page.section("What happened", &told.collect::<Vec<_>>(), "Nothing yet.");
        for report in &self.accounts {
            let heading = format!("What this rests on, in account {}", report.account);
            page.section(&heading, &report.rests_on(), "");
        }
        page.text
    }
}

fn deadlines(clocks: &Clocks) -> Vec<String> {
    let Some(aware) = clocks.aware_at else { return Vec::new() };
    let since = match &clocks.first {
        _ if clocks.said => "as was said".to_owned(),
        Some(case) => {
            format!("when {case} was opened, the first of these cases; --aware-at says otherwise")
        }
        None => "when the case was opened; --aware-at says otherwise".to_owned(),
    };
    let mut lines = vec![format!("aware since {}, {since}", instant(aware))];
    lines.extend(clocks.deadlines.iter().map(|deadline| {
        let passed = if deadline.passed { ", which has passed" } else { "" };
        format!("{}: by {}{passed}", deadline.what, instant(deadline.due))
    }));
    lines.push(
        "counted as Regulation (EU, Euratom) 2023/2841, Article 21, has it; whether it applies is for lawyers to say"
            .to_owned(),
    );
    lines
}

fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn title(&mut self, title: &str) {
        let line = match self.style {
            Style::Text => format!("{}\n{}\n", shown(title), "=".repeat(title.chars().count())),
            Style::Markdown => format!("# {}\n", escaped(title)),
        };
        self.text.push_str(&line);
    }

    fn paragraph(&mut self, text: &str) {
        let text = match self.style {
            Style::Text => shown(text),
            Style::Markdown => escaped(text),
        };
        let _ = write!(self.text, "\n{text}\n");
    }

    /// The cases that go with it, if there are any.
    fn follows(&mut self, cases: &[Follows], in_it: &str) {
        if !cases.is_empty() {
            let told: Vec<String> = cases.iter().map(Follows::told).collect();
            self.section(&format!("Cases before and after{in_it}"), &told, "");
        }
    }

    fn section(&mut self, heading: &str, lines: &[String], none: &str) {
        let _ = match self.style {
            Style::Text => write!(self.text, "\n{heading}\n"),
            Style::Markdown => write!(self.text, "\n## {heading}\n\n"),
        };
        if lines.is_empty() {
            let _ = match self.style {
                Style::Text => writeln!(self.text, "  {none}"),
                Style::Markdown => writeln!(self.text, "{none}"),
            };
        }
        for line in lines {
            let _ = match self.style {
                Style::Text => writeln!(self.text, "  - {}", shown(line)),
                Style::Markdown => writeln!(self.text, "- {}", escaped(line)),
            };
        }
    }
}

/// One line, without what would move a cursor, have text run another way, or be seen by nobody.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => shown.push(' '),
            c if is_unsafe(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// The same where Markdown and HTML would take it for theirs.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in shown(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&' | '~') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_intruder_named_things_is_shown_and_does_nothing() {
        assert_eq!(shown("anna\u{202e}gro.elpmaxe"), "anna\\u{202e}gro.elpmaxe");
        assert_eq!(escaped("<img src=x>[a](b)\u{1b}[2J"), "\\<img src=x\\>\\[a\\](b) \\[2J");
    }
}
