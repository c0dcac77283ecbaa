//! The wish to end early: heard by everything that runs, obeyed between two steps.

use std::sync::Arc;

use tokio::sync::watch;

use crate::failure::Failure;

/// A wish to end early, shared by its clones. Once uttered it stays.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Stop(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Asks everything to end.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether somebody asked.
    pub fn asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until somebody asks.
    pub async fn heard(&self) {
        // The sender lives as long as this value, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }
}

/// What a write is answered after somebody asked.
pub fn stopped() -> Failure {
    Failure::rejected("go on").because(Failure::rejected("the run was asked to stop")).hint("run it again: it goes on where it stopped")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Fate;
    use crate::run::{Settings, run};
    use crate::step::Mode;
    use crate::testkit::{World, documents};

    #[tokio::test]
    async fn a_wish_reaches_those_who_wait_and_those_who_come_later() {
        let stop = Stop::default();
        let clone = stop.clone();
        let (_, ()) = tokio::join!(clone.heard(), async { stop.ask() });
        assert!(clone.asked());
        clone.heard().await;
    }

    #[tokio::test]
    async fn a_run_that_was_asked_to_stop_writes_nothing_more() {
        let world = World::default();
        let list = documents("kind: Thing\nmetadata: {name: a}\nspec: {size: 1}\n");
        let settings = Settings::quick();
        settings.stop.ask();
        let report = run("apply", &list, &world.registry(), Mode::Apply, &settings).await;
        assert!(
            report
                .lines
                .iter()
                .any(|line| matches!(&line.fate, Fate::Failed { trouble } if trouble.causes == ["the run was asked to stop"]))
        );
        assert_eq!(world.state().writes, Vec::<String>::new());
        // Looking goes on: a plan is not disturbed.
        let planned = run("plan", &list, &world.registry(), Mode::Plan, &settings).await;
        assert!(planned.lines.iter().any(|line| line.fate == Fate::WouldCreate));
    }
}
