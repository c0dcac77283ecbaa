//! Killed at moments nobody chose, and run again: the same end state.

use std::time::{Duration, Instant};

use crate::random::Random;
use crate::world::{World, tell};

/// Runs that must really have been cut off.
const KILLS: usize = 20;

/// Kills a world takes before it may finish: the first hits an empty account, the last a stack half made.
const KILLS_A_WORLD: usize = 5;

#[test]
fn killed_at_random_moments_it_reaches_the_same_end_state() {
    let journey = "killed_at_random_moments_it_reaches_the_same_end_state";
    let Some(undisturbed) = World::new(journey) else { return };
    let undisturbed = undisturbed.with_samples();
    let began = Instant::now();
    undisturbed.apply();
    let whole = began.elapsed();
    let wished = undisturbed.inventory();
    let documents = undisturbed.documents(&undisturbed.database());

    let (mut random, seed) = Random::seeded();
    tell(&format!("{journey}: METEOCTL_TEST_SEED={seed}; an undisturbed run takes {whole:?}"));
    let mut killed = 0;
    while killed < KILLS {
        let world = World::new(journey).expect("the stack was there a moment ago").with_samples();
        for _ in 0..KILLS_A_WORLD {
            let moment = random.moment(whole);
            let hit = kill_after(&world, moment);
            tell(&format!("{journey}: {} after {moment:?}: {}", world.name, if hit { "killed" } else { "had ended" }));
            killed += usize::from(hit);
            if !hit {
                // It has converged: what comes now would only be killed while it finds nothing to do.
                break;
            }
        }
        world.apply();
        assert_eq!(world.inventory(), wished, "seed {seed}");
        assert_eq!(world.documents(&world.database()), documents, "seed {seed}");
        world.apply().changed_nothing();
    }
}

/// Starts an apply and kills it with SIGKILL; tells whether it still ran.
fn kill_after(world: &World, moment: Duration) -> bool {
    let mut child = world.start_apply();
    std::thread::sleep(moment);
    let hit = child.try_wait().expect("asks for the process").is_none();
    child.kill().expect("kills the process");
    child.wait().expect("reaps the process");
    hit
}
