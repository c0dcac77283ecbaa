//! JUnit XML: one case per station, variable and test, one per station and test of stretches, and one for the gate.

use std::fmt::Write;

use super::gate::Verdict;
use super::report::QualityReport;
use super::thresholds::Flag;

/// Writes the file. Fails become failures; suspects are told in the case's output; tests that ran on nothing are skipped.
pub(super) fn write(report: &QualityReport) -> String {
    let mut cases = String::new();
    let (mut tests, mut failures, mut skipped) = (1, 0, 0);
    let _ = write!(cases, "    <testcase classname=\"gate\" name=\"limits\"");
    if report.gate.verdict == Verdict::Fail {
        failures += 1;
        let _ = writeln!(cases, ">\n      <failure message=\"{}\"/>\n    </testcase>", escape(&report.gate.reasons.join("; ")));
    } else {
        cases.push_str("/>\n");
    }
    for (id, station) in &report.stations {
        for (variable, found) in &station.variables {
            for (test, counts) in &found.tests {
                tests += 1;
                let count = |flag: Flag| counts.get(&(flag as u8)).copied().unwrap_or(0);
                let (fail, suspect, good) = (count(Flag::Fail), count(Flag::Suspect), count(Flag::Good));
                let _ = write!(cases, "    <testcase classname=\"{}.{}\" name=\"{}\"", escape(id), escape(variable), escape(test));
                let _ = if fail > 0 {
                    failures += 1;
                    writeln!(cases, ">\n      <failure message=\"{fail} values fail, {suspect} are suspect\"/>\n    </testcase>")
                } else if suspect > 0 {
                    writeln!(cases, ">\n      <system-out>{suspect} values are suspect</system-out>\n    </testcase>")
                } else if good == 0 {
                    skipped += 1;
                    writeln!(cases, ">\n      <skipped/>\n    </testcase>")
                } else {
                    writeln!(cases, "/>")
                };
            }
        }
    }
    for (id, station) in &report.stations {
        for (test, counts) in &station.stretches {
            tests += 1;
            let _ = write!(cases, "    <testcase classname=\"{}\" name=\"{}\"", escape(id), escape(test));
            let evidence = report.findings.iter().filter(|finding| finding.station == *id && finding.test == *test);
            let evidence: Vec<String> = evidence.map(|found| format!("{} to {}: {}", found.from, found.until, found.evidence)).collect();
            let _ = if counts.evaluated == 0 {
                skipped += 1;
                writeln!(cases, ">\n      <skipped/>\n    </testcase>")
            } else if evidence.is_empty() {
                writeln!(cases, "/>")
            } else {
                writeln!(cases, ">\n      <system-out>{}</system-out>\n    </testcase>", escape(&evidence.join("\n")))
            };
        }
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\">\n{cases}  </testsuite>\n</testsuites>\n",
        escape(&report.dataset)
    )
}

/// Text for XML; characters XML 1.0 cannot hold become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
