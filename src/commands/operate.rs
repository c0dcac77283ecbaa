//! `operate`: the operator. At every interval it looks, repairs what differs by the same way as `apply`, and proves it.
//!
//! One operator leads, by a lease in the stack's bucket; others stand by and take over when the lease is free. Each round that has
//! something to write takes the stack's lock like anybody else, so people can work between two rounds.

mod data;
mod http;
mod metrics;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args;
use meteoctl_engine::failure::{Failure, Outcome};
use meteoctl_engine::report::Report;
use meteoctl_engine::stop::Stop;
use meteoctl_jobs::lock::Name;
use tokio::net::TcpListener;

use self::metrics::{Ended, Health};
use super::locked::{self, LockArguments};
use super::{DONE, Desk, LOCKED, apply};
use crate::app::{Held, Wishes};
use crate::cli::duration;
use crate::view::human;

/// What operate takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Time between the beginnings of two rounds
    #[arg(long, default_value = "60s", value_parser = duration, value_name = "TIME")]
    interval: Duration,
    /// Where /healthz, /readyz and /metrics are served, for example 0.0.0.0:8080
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The lock, and the lease by which one operator leads
    #[command(flatten)]
    lock: LockArguments,
}

/// One operator on its way.
struct Operator<'a> {
    desk: &'a Desk<'a>,
    arguments: &'a Arguments,
    stop: Stop,
    health: Health,
}

/// Operates until SIGTERM or SIGINT; the step in hand is finished first.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    // Faults of the documents that are there from the beginning are somebody's typing, told at once.
    if let Err(code) = desk.read().await {
        return Ok(code);
    }
    let longest = desk.global.timeout.saturating_add(arguments.interval.saturating_mul(2));
    let operator = Operator { desk, arguments, stop: Stop::default(), health: Health::new(longest) };
    let listener = match arguments.listen {
        Some(address) => Some(listen(desk, address).await?),
        None => None,
    };
    tokio::select! {
        () = operator.operate() => {}
        () = http::serve(listener, &operator.health) => {}
        () = stopped(&operator.stop) => {}
    }
    desk.view.story("Stopped.\n");
    Ok(DONE)
}

async fn listen(desk: &Desk<'_>, address: SocketAddr) -> Outcome<TcpListener> {
    let failed = |error| Failure::rejected(format!("listen on {address}")).because(error).hint("choose another address: --listen ADDR");
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    desk.view.story(&format!("Listening on http://{bound}\n"));
    Ok(listener)
}

/// Passes the first signal on as a wish to stop, and ends at the second one.
async fn stopped(stop: &Stop) {
    locked::signal().await;
    stop.ask();
    locked::signal().await;
}

impl Operator<'_> {
    /// Leads whenever it can, until it is asked to stop.
    async fn operate(&self) {
        while !self.stop.asked() {
            let expiry = self.arguments.lock.lock_expiry;
            let pause = match self.lease().await {
                Ok(Some(lease)) => {
                    self.health.lead(true);
                    self.desk.view.story(&format!("Leading, fencing number {}.\n", lease.fencing().await));
                    lease.hold(self.lead(Some(&lease))).await;
                    self.health.lead(false);
                    self.give_back(&lease).await;
                    Duration::ZERO
                }
                // Without a bucket there is no lease either: the first round makes it.
                Ok(None) => {
                    self.round().await;
                    self.arguments.interval
                }
                Err(failure) => {
                    self.stand_by(&failure);
                    expiry / 3
                }
            };
            self.pause(pause).await;
        }
    }

    async fn lease(&self) -> Outcome<Option<Held>> {
        let Ok(checked) = self.desk.read().await else { return Err(Failure::rejected("read the documents")) };
        let app = self.desk.open_to_look(checked, Wishes::default()).await;
        // A bucket that is not ours keeps no lease of ours.
        match app.ground(&Report::default()).await {
            crate::app::Ground::Stands(_) => app.locks.take(Name::Leader, "operate", self.arguments.lock.lock_expiry).await,
            _ => Ok(None),
        }
    }

    async fn give_back(&self, lease: &Held) {
        if let Err(failure) = lease.release().await {
            self.desk.view.story(&format!("warning: the lease was not given back ({})\n", failure.causes().join(": ")));
        }
    }

    fn stand_by(&self, failure: &Failure) {
        let by_another = failure.exit == Some(LOCKED);
        self.health.stand_by(by_another);
        if by_another {
            self.desk.view.story(&format!("Standing by: {}\n", failure.causes().join(": ")));
        } else {
            self.desk.view.story(&format!("warning: cannot {failure}: {}\n", failure.causes().join(": ")));
        }
    }

    /// A round at every interval, as long as the lease is ours.
    async fn lead(&self, lease: Option<&Held>) {
        while !self.stop.asked() {
            if let Some(Err(failure)) = async { Some(lease?.check().await) }.await
                && !failure.is_transient()
            {
                return self.stand_by(&failure);
            }
            let began = Instant::now();
            self.round().await;
            self.pause(self.arguments.interval.saturating_sub(began.elapsed())).await;
        }
    }

    async fn pause(&self, pause: Duration) {
        let _ = tokio::time::timeout(pause, self.stop.heard()).await;
    }

    /// One round: exactly what `apply --yes` does, with the documents as they are now.
    async fn round(&self) {
        let began = Instant::now();
        let outcome = self.apply().await;
        self.desk.view.end_of_story();
        let ended = Ended::of(&outcome, self.stop.asked());
        self.health.record(&outcome, ended, began.elapsed());
        let time = human::seconds(meteoctl_engine::report::millis(began.elapsed()));
        match &outcome {
            Ok(Some(report)) => self.desk.view.round(report, &format!("{}: {ended} ({time})\n", report.receipt.finished_at)),
            Ok(None) => self.desk.view.story(&format!("the documents have faults; nothing was done ({time})\n")),
            Err(failure) => drop(self.desk.view.failure(failure)),
        }
    }

    async fn apply(&self) -> Outcome<Option<Report>> {
        let Ok(checked) = self.desk.read().await else { return Ok(None) };
        let mut app = self.desk.open(checked, Wishes::default()).await;
        app.settings.stop = self.stop.clone();
        let planned = apply::plan(&app, self.desk.view.watcher()).await;
        if !planned.has_changes() && !planned.has_failures() {
            return Ok(Some(Report { verb: "apply".to_owned(), converged: Some(true), ..planned }));
        }
        locked::converge(self.desk, &app, planned, &self.arguments.lock, None).await.map(Some)
    }
}
