//! The story of a run on stderr: a live display on a terminal, a line per change in a pipe, objects for collectors.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use meteoctl_engine::event::{Event, Listener};
use meteoctl_engine::reference::Id;
use meteoctl_engine::report::{Fate, Line};
use tracing_subscriber::EnvFilter;

use super::amount::Amount;
use super::human::seconds;
use crate::cli::LogFormat;

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(120);

/// What tells the story.
#[derive(Clone)]
pub struct Progress {
    live: Option<MultiProgress>,
    bars: Arc<Mutex<BTreeMap<Id, ProgressBar>>>,
    watched: Arc<Mutex<BTreeMap<Id, Watched>>>,
    log_format: LogFormat,
    verbose: u8,
    quiet: bool,
}

/// Work whose rate is to be told: its name, when it was first heard of, and how much was done then.
struct Watched {
    doing: String,
    since: Instant,
    before: u64,
}

impl Progress {
    /// A storyteller; `live` on a terminal.
    pub fn new(live: bool, log_format: LogFormat, verbose: u8, quiet: bool) -> Self {
        Progress { live: live.then(MultiProgress::new), bars: Arc::default(), watched: Arc::default(), log_format, verbose, quiet }
    }

    /// What hears the events of a run.
    pub fn listener(&self) -> Listener {
        let teller = self.clone();
        Arc::new(move |event| teller.hear(event))
    }

    /// The same without a line for what the result will tell; collectors still get every event.
    pub fn watcher(&self) -> Listener {
        Progress { quiet: true, ..self.clone() }.listener()
    }

    /// Takes the display away.
    pub fn end(&self) {
        std::mem::take(&mut *self.bars()).into_values().for_each(|bar| bar.finish_and_clear());
    }

    fn hear(&self, event: &Event) {
        if self.log_format == LogFormat::Json {
            if let Ok(text) = serde_json::to_string(event) {
                super::say(&format!("{text}\n"));
            }
            return;
        }
        if let Some(display) = &self.live {
            self.show(display, event);
        }
        if !self.quiet
            && let Some(words) = words(event, self.verbose > 0)
        {
            match &self.live {
                Some(display) => display.suspend(|| super::say(&words)),
                None => super::say(&words),
            }
        }
    }

    fn show(&self, display: &MultiProgress, event: &Event) {
        match event {
            Event::Started { id } => {
                let bar = display.add(ProgressBar::new_spinner().with_style(style()).with_prefix(id.to_string()));
                bar.enable_steady_tick(TURN);
                self.bars().insert(id.clone(), bar);
            }
            Event::Changing { id, verb, fields } => self.write(id, format!("{verb} {}", fields.join(" "))),
            Event::Waiting { id, why, elapsed, limit } => {
                self.write(id, format!("{why} ({} of at most {} s)", elapsed.as_secs(), limit.as_secs()));
            }
            Event::Retrying { id, failure, .. } => self.write(id, format!("{failure}; trying again")),
            Event::Progress { id, doing, done, total, unit } => {
                let (before, watched) = self.watch(id, doing, *done);
                self.write(id, Amount { doing, done: *done, total: *total, unit, before, watched }.words());
            }
            Event::Notice { id, text } => self.write(id, text.clone()),
            Event::Finished { line } => {
                if let Some(bar) = self.bars().remove(&line.id) {
                    bar.finish_and_clear();
                    display.remove(&bar);
                }
            }
        }
    }

    /// What was done when this work was first heard of, and how long ago that was.
    fn watch(&self, id: &Id, doing: &str, done: u64) -> (u64, Duration) {
        let mut all = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Watched { doing: doing.to_owned(), since: Instant::now(), before: done };
        let known = all.entry(id.clone()).or_insert_with(fresh);
        if known.doing != doing || done < known.before {
            *known = fresh();
        }
        (known.before, known.since.elapsed())
    }

    fn write(&self, id: &Id, words: String) {
        if let Some(bar) = self.bars().get(id) {
            bar.set_message(words);
        }
    }

    fn bars(&self) -> std::sync::MutexGuard<'_, BTreeMap<Id, ProgressBar>> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Switches the engine's own log on: warnings, with `-v` information, with `-vv` everything of ours.
pub fn start_log(format: LogFormat, verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "warn,meteoctl=info,meteoctl_engine=info,meteoctl_aws=info,meteoctl_data=info,meteoctl_jobs=info",
        _ => "info,meteoctl=debug,meteoctl_engine=debug,meteoctl_aws=debug,meteoctl_data=debug,meteoctl_jobs=debug",
    };
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(level)).with_writer(std::io::stderr);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    // A second start within one process (tests) changes nothing.
    let _ = match format {
        LogFormat::Text => builder.without_time().try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// The line that an event is worth; most are worth none.
fn words(event: &Event, verbose: bool) -> Option<String> {
    match event {
        Event::Finished { line } => finished(line),
        Event::Retrying { id, failure, pause } if verbose => Some(format!("{id}: {failure}; again in {} ms\n", pause.as_millis())),
        Event::Notice { id, text } => Some(format!("{id}: {text}\n")),
        _ => None,
    }
}

fn finished(line: &Line) -> Option<String> {
    let (id, time) = (&line.id, seconds(line.millis));
    match &line.fate {
        Fate::Created => Some(format!("created {id} ({time})\n")),
        Fate::Updated { diff } => Some(format!("updated {id}: {} ({time})\n", diff.paths().join(", "))),
        Fate::Deleted => Some(format!("removed {id} ({time})\n")),
        Fate::Failed { trouble } => Some(format!("failed {id}: cannot {} ({time})\n", trouble.doing)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_hears_of_changes_and_failures_only() {
        let id = Id::new("Bucket", "b");
        let line = |fate| Line {
            id: id.clone(),
            place: String::new(),
            fate,
            note: None,
            since: None,
            ignored: Vec::new(),
            outputs: meteoctl_engine::reference::Outputs::new(),
            millis: 1234,
        };
        let finished = |fate| words(&Event::Finished { line: Box::new(line(fate)) }, false);
        assert_eq!(finished(Fate::Created).as_deref(), Some("created Bucket/b (1.2 s)\n"));
        assert_eq!(finished(Fate::InSync), None);
        assert_eq!(finished(Fate::WouldCreate), None);
        assert_eq!(words(&Event::Started { id: id.clone() }, true), None);
    }
}
