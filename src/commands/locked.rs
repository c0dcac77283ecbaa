//! One writer at a time: what every verb that writes goes through.

use std::time::{Duration, Instant};

use clap::Args;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::reference::Id;
use meteoctl_engine::report::{Fate, Report};
use meteoctl_engine::run::{Settings, run as run_documents};
use meteoctl_engine::step::Mode;
use meteoctl_engine::stop::Stop;
use meteoctl_engine::tally::Calls;
use meteoctl_jobs::lock::Name;

use super::saved::Saved;
use super::{Desk, LOCKED};
use crate::app::{App, Ground, Held};
use crate::cli::duration;

/// Shortest expiry: a holder must be able to renew its lock over a slow line.
const SHORTEST: Duration = Duration::from_secs(3);

/// Pause between two attempts to take the lock.
const BETWEEN: Duration = Duration::from_secs(1);

/// How the lock is taken.
#[derive(Debug, Clone, Args)]
pub struct LockArguments {
    /// How long after its last sign of life another run waits for this one, at least 3s
    #[arg(long, default_value = "60s", value_parser = expiry, value_name = "TIME")]
    pub lock_expiry: Duration,
    /// How long to wait for the lock while another run holds it; at once exit code 4 when left out
    #[arg(long, default_value = "0s", value_parser = duration, value_name = "TIME")]
    pub lock_wait: Duration,
}

fn expiry(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|expiry| if expiry < SHORTEST { Err("at least 3s".to_owned()) } else { Ok(expiry) })
}

/// Does some work as the only writer, renewing the lock meanwhile; also the calls made for the lock.
///
/// The work is given settings whose guard asks the lock before every write. SIGINT and SIGTERM end it after the steps in hand, a
/// second one at once. Without a bucket there is no lock; that is said, and the work is done.
pub async fn alone<T>(
    desk: &Desk<'_>,
    app: &App,
    verb: &str,
    arguments: &LockArguments,
    work: impl AsyncFnOnce(Settings, Option<&Held>) -> T,
) -> Outcome<(T, Calls)> {
    let Some(held) = take(desk, app, verb, arguments).await? else {
        desk.view.story("note: there is no bucket to keep a lock in; make sure that nobody else writes\n");
        return Ok((until_stopped(desk, &app.settings.stop, work(app.settings.clone(), None)).await?, Calls::default()));
    };
    let settings = Settings { guard: Some(held.guard()), ..app.settings.clone() };
    let done = held.hold(until_stopped(desk, &app.settings.stop, work(settings, Some(&held)))).await;
    if let Err(failure) = held.release().await {
        let words = failure.causes().join(": ");
        desk.view
            .story(&format!("warning: the lock was not given back ({words}); it is free after {} s\n", arguments.lock_expiry.as_secs()));
    }
    done.map(|done| (done, held.calls()))
}

/// Takes the lock, asking again until the time to wait is over.
async fn take(desk: &Desk<'_>, app: &App, verb: &str, arguments: &LockArguments) -> Outcome<Option<Held>> {
    let began = Instant::now();
    let mut told = false;
    loop {
        match app.locks.take(Name::Lock, verb, arguments.lock_expiry).await {
            Err(failure) if failure.exit == Some(LOCKED) && began.elapsed() < arguments.lock_wait => {
                if !std::mem::replace(&mut told, true) {
                    desk.view.story(&format!("Waiting for the lock: {}\n", failure.causes().join(": ")));
                }
                tokio::time::sleep(BETWEEN.min(arguments.lock_wait.saturating_sub(began.elapsed()))).await;
            }
            taken => return taken,
        }
    }
}

/// Applies as the only writer. The bucket that keeps the lock is made first, without one: that can be repeated and interleaved
/// without harm, because a bucket is found again by its name. Everything else is looked at anew under the lock.
pub async fn converge(desk: &Desk<'_>, app: &App, planned: Report, arguments: &LockArguments, saved: Option<&Saved>) -> Outcome<Report> {
    let ground = app.ground(&planned).await;
    let mut first = None;
    match &ground {
        Ground::Unknown(id) => return Ok(nothing_written(planned, id)),
        Ground::ToBeMade(id) if planned.lines.iter().any(|line| line.id == *id) => {
            let made = until_stopped(desk, &app.settings.stop, make(app)).await?;
            if made.has_failures() {
                return Ok(nothing_written(with_fates_of(planned, &made, |_| true), id));
            }
            first = Some(made);
        }
        Ground::ToBeMade(_) | Ground::Nowhere | Ground::Stands(_) => {}
    }
    let work = async |settings: Settings, _: Option<&Held>| {
        // Between the plan and the lock somebody else may have worked: what was agreed to must still be what is due.
        if let (Some(saved), None) = (saved, &first) {
            let quiet = Settings { listener: meteoctl_engine::event::silent(), ..settings.clone() };
            saved.still_holds(&run_documents("plan", &app.documents, &app.registry, Mode::Plan, &quiet).await)?;
        }
        Ok(meteoctl_engine::run::converge(&app.documents, &app.registry, &settings).await)
    };
    let (report, calls) = alone(desk, app, "apply", arguments, work).await?;
    let mut report = match first {
        Some(first) => with_fates_of(report?, &first, |fate| *fate == Fate::InSync),
        None => report?,
    };
    report.receipt.lock = calls;
    Ok(report)
}

async fn make(app: &App) -> Report {
    run_documents("apply", &app.locks.documents, &app.registry, Mode::Apply, &app.settings).await
}

/// What was done to the first documents, told in the report about all: where `over` says so, the earlier fate is the news.
fn with_fates_of(mut report: Report, earlier: &Report, over: impl Fn(&Fate) -> bool) -> Report {
    for line in &mut report.lines {
        if let Some(first) = earlier.lines.iter().find(|first| first.id == line.id && over(&line.fate)) {
            line.fate = first.fate.clone();
            line.millis = line.millis.saturating_add(first.millis);
        }
    }
    report
}

/// A plan of which nothing was carried out because the lock's bucket could not be had.
fn nothing_written(planned: Report, bucket: &Id) -> Report {
    let mut report = Report { verb: "apply".to_owned(), converged: Some(false), ..planned };
    for line in &mut report.lines {
        if matches!(line.fate, Fate::WouldCreate | Fate::WouldUpdate { .. } | Fate::Later { .. }) {
            line.fate = Fate::Blocked { by: bucket.clone() };
        }
    }
    report
}

/// Does some work until it ends or somebody asks twice to stop.
async fn until_stopped<T>(desk: &Desk<'_>, stop: &Stop, work: impl Future<Output = T>) -> Outcome<T> {
    tokio::select! {
        done = work => Ok(done),
        failure = stopped_twice(desk, stop) => Err(failure),
    }
}

async fn stopped_twice(desk: &Desk<'_>, stop: &Stop) -> Failure {
    signal().await;
    if !stop.asked() {
        desk.view.story("Stopping after the steps in hand; once more to stop at once.\n");
    }
    stop.ask();
    signal().await;
    Failure::rejected("finish").because("it was stopped").hint("run it again: it goes on where it stopped")
}

/// SIGINT or SIGTERM.
#[cfg(unix)]
pub async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return interrupt().await };
    tokio::select! {
        _ = terminate.recv() => {}
        () = interrupt() => {}
    }
}

/// The interrupt of the terminal.
#[cfg(not(unix))]
pub async fn signal() {
    interrupt().await;
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &str) -> Report {
        let text = format!(
            r#"{{"formatVersion":"1.1","verb":"plan","stack":"p8","lines":[{lines}],"receipt":{{"specDigest":"","calls":{{"reads":{{}},"writes":{{}}}},"millis":0,"finishedAt":"","toolVersion":""}}}}"#
        );
        serde_json::from_str(&text).expect("a report")
    }

    #[test]
    fn without_the_bucket_nothing_counts_as_done() {
        let planned = report(
            r#"{"id":"Bucket/b","place":"","fate":"failed","trouble":{"doing":"look","causes":[],"hint":null,"transient":false},"millis":1},
               {"id":"Role/r","place":"","fate":"wouldCreate","millis":1},{"id":"Role/s","place":"","fate":"inSync","millis":1}"#,
        );
        let told = nothing_written(planned, &Id::new("Bucket", "b"));
        assert_eq!((told.converged, told.failure_code()), (Some(false), 1));
        assert_eq!(told.lines[1].fate, Fate::Blocked { by: Id::new("Bucket", "b") });
        assert_eq!(told.lines[2].fate, Fate::InSync);
    }

    #[test]
    fn what_was_made_first_is_told_as_made() {
        let whole =
            report(r#"{"id":"Bucket/b","place":"","fate":"inSync","millis":1},{"id":"Role/r","place":"","fate":"created","millis":1}"#);
        let first = report(r#"{"id":"Bucket/b","place":"","fate":"created","millis":5}"#);
        let told = with_fates_of(whole, &first, |fate| *fate == Fate::InSync);
        assert_eq!((&told.lines[0].fate, told.lines[0].millis, &told.lines[1].fate), (&Fate::Created, 6, &Fate::Created));
    }

    #[test]
    fn an_expiry_too_short_to_renew_is_refused() {
        assert_eq!(expiry("2s"), Err("at least 3s".to_owned()));
        assert_eq!(expiry("5s"), Ok(Duration::from_secs(5)));
    }
}
