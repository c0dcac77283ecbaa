//! How long to wait: the one place where waiting is decided.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The pace of a run. Tests make it fast; nothing else may.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// First pause after a transient failure; doubles each time, with full jitter.
    pub first_pause: Duration,
    /// Longest pause after a transient failure.
    pub longest_pause: Duration,
    /// How long transient failures of one document are borne by a run that changes things.
    pub patience: Duration,
    /// The same for a run that only looks: somebody waits for the answer, and the client has tried several times already.
    pub patience_to_look: Duration,
    /// How long after the deadline a look that is under way may still tell what it fails of.
    pub last_word: Duration,
    /// Pause between two looks at a thing that is settling or was just written; grows by half each time up to `longest_pause`.
    pub look_pause: Duration,
    /// Factor on every kind's grace time.
    pub grace_factor: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            first_pause: Duration::from_millis(300),
            longest_pause: Duration::from_secs(10),
            patience: Duration::from_secs(120),
            patience_to_look: Duration::from_secs(15),
            last_word: Duration::from_secs(10),
            look_pause: Duration::from_millis(200),
            grace_factor: 1.0,
        }
    }
}

impl Pace {
    /// A pace for tests: everything within milliseconds.
    pub fn quick() -> Self {
        Pace {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(5),
            patience: Duration::from_millis(200),
            patience_to_look: Duration::from_millis(20),
            last_word: Duration::from_millis(50),
            look_pause: Duration::from_millis(1),
            grace_factor: 0.002,
        }
    }

    /// Pause before attempt `attempt` (from 1) after a transient failure; `dice` in 0..1 spreads it.
    ///
    /// Full jitter (pause = dice × min(longest, first × 2^(n−1))), but never less than a quarter of it.
    pub fn after_failure(&self, attempt: u32, dice: f64) -> Duration {
        let bound = self.first_pause.saturating_mul(1u32 << attempt.saturating_sub(1).min(16)).min(self.longest_pause);
        bound.mul_f64(dice.clamp(0.25, 1.0))
    }

    /// Pause before look number `look` (from 1) at a thing on its way.
    pub fn between_looks(&self, look: u32) -> Duration {
        self.look_pause.mul_f64(1.5f64.powi(look.saturating_sub(1).min(24) as i32)).min(self.longest_pause)
    }

    /// A kind's grace time in this run.
    pub fn grace(&self, kind: Duration) -> Duration {
        kind.mul_f64(self.grace_factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pauses_are_bounded_and_never_nothing(attempt in 1u32..1000, dice in 0.0f64..1.0) {
            let pace = Pace::default();
            prop_assert!(pace.after_failure(attempt, dice) <= pace.longest_pause);
            prop_assert!(pace.after_failure(attempt, dice) >= pace.first_pause / 4);
            prop_assert!(pace.between_looks(attempt) <= pace.longest_pause);
        }
    }
}
