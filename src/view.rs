//! Everything that is printed: the result on stdout, the story on stderr. The only place that prints.

pub mod amount;
pub mod diagnostic;
pub mod human;
pub mod machine;
pub mod progress;
pub mod table;

use std::io::{BufRead, IsTerminal, Write};

use meteoctl_engine::document::Diagnostic;
use meteoctl_engine::event::Listener;
use meteoctl_engine::failure::Failure;
use meteoctl_engine::report::{Report, Trouble};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::{Format, Global, LogFormat};
use crate::commands::{ERROR, USAGE};
use crate::config::Config;
use progress::Progress;

/// Where words go, and how.
pub struct View {
    format: Format,
    log_format: LogFormat,
    verbose: u8,
    quiet: bool,
    ci: bool,
    progress: Progress,
}

impl View {
    /// A view as the options ask for it; switches the engine's log on.
    pub fn new(global: &Global, config: &Config) -> Self {
        let live = std::io::stderr().is_terminal() && !config.ci && !global.quiet && global.log_format == LogFormat::Text;
        progress::start_log(global.log_format, global.verbose);
        View {
            format: global.output,
            log_format: global.log_format,
            verbose: global.verbose,
            quiet: global.quiet,
            ci: config.ci,
            progress: Progress::new(live, global.log_format, global.verbose, global.quiet),
        }
    }

    /// Whether more is to be told.
    pub fn verbose(&self) -> bool {
        self.verbose > 0
    }

    /// What hears the events of a run.
    pub fn listener(&self) -> Listener {
        self.progress.listener()
    }

    /// What hears the events of a look: the display alone, since the result tells the rest.
    pub fn watcher(&self) -> Listener {
        self.progress.watcher()
    }

    /// Takes the progress display away before anything else is printed.
    pub fn end_of_story(&self) {
        self.progress.end();
    }

    /// Whether somebody can answer a question.
    pub fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !self.ci
    }

    /// Asks; only `yes` or `y` is a yes.
    pub fn ask(&self, question: &str) -> bool {
        let mut answer = String::new();
        say(&format!("{question} [y/N] "));
        let heard = std::io::stdin().lock().read_line(&mut answer).is_ok();
        heard && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    /// The result: as JSON, or in words.
    pub fn result(&self, value: &impl Serialize, words: impl FnOnce() -> String) {
        if self.format == Format::Json { tell(&pretty(value)) } else { tell(&words()) }
    }

    /// One of many results, told as soon as it is there: a line of JSON, or in words.
    pub fn row(&self, value: &impl Serialize, words: impl FnOnce() -> String) {
        let text = match self.format {
            Format::Json => serde_json::to_string(value).map(|text| text + "\n").unwrap_or_default(),
            _ => words(),
        };
        tell(&text);
    }

    /// One round of an operator: the report for machines, its documents that are worth a line and a sentence for people.
    pub fn round(&self, report: &Report, words: &str) {
        if self.format == Format::Json {
            self.row(report, String::new);
        }
        let lines = if report.has_failures() { human::lines(report, false) } else { String::new() };
        self.story(&format!("{lines}{words}"));
    }

    /// The drift, in any of the formats.
    pub fn drift(&self, report: &Report, words: impl FnOnce() -> String) {
        match self.format {
            Format::Text | Format::Json => self.result(report, words),
            Format::Sarif => tell(&pretty(&machine::sarif(report))),
            Format::Junit => tell(&machine::junit(report)),
            Format::Github => tell(&machine::github(report)),
        }
    }

    /// Words that are not the result.
    pub fn story(&self, words: &str) {
        if self.quiet {
            return;
        }
        match self.log_format {
            LogFormat::Text => say(words),
            LogFormat::Json => say(&line(&json!({"event": "notice", "text": anstream::adapter::strip_str(words).to_string().trim_end()}))),
        }
    }

    /// Faults of the documents. For machines they are the result; for people they go to stderr.
    pub fn faults(&self, faults: &[Diagnostic]) {
        if self.format == Format::Json {
            let told: Vec<Value> = faults.iter().map(diagnostic::json).collect();
            tell(&pretty(&json!({"valid": false, "faults": told})));
        } else {
            say(&diagnostic::text(faults));
        }
    }

    /// A failure of the verb as a whole; the exit code.
    pub fn failure(&self, failure: &Failure) -> u8 {
        self.end_of_story();
        let trouble = Trouble::from(failure);
        match self.log_format {
            LogFormat::Text => say(&human::failure(&trouble)),
            LogFormat::Json => say(&line(&json!({"event": "failure", "trouble": trouble}))),
        }
        if self.format == Format::Json {
            tell(&pretty(&json!({"failure": trouble})));
        }
        failure.exit.unwrap_or(ERROR)
    }
}

/// What clap has to say; the exit code. `--help` and `--version` are results, everything else is a usage error.
pub fn usage(error: &clap::Error) -> u8 {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        say(&text);
        USAGE
    } else {
        tell(&text);
        0
    }
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).map(|text| text + "\n").unwrap_or_default()
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// To stdout. A reader that went away (`| head`) is no failure of ours.
fn tell(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// To stderr.
fn say(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
