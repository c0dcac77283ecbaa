//! A state that jobs running side by side change one after the other, in the order in which they were started.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The state and whose turn it is.
#[derive(Debug)]
pub(super) struct Turns<T> {
    shared: Arc<Shared<T>>,
    given: u64,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    passed_on: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    turn: u64,
    /// A job ended without having had its turn: nobody after it will.
    broken: bool,
}

/// The right to one turn. Dropped unused, it ends all later turns.
#[derive(Debug)]
pub(super) struct Ticket<T> {
    shared: Arc<Shared<T>>,
    number: u64,
    used: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Turns<T> {
    pub fn new(value: T) -> Turns<T> {
        let state = Mutex::new(State { value, turn: 0, broken: false });
        Turns { shared: Arc::new(Shared { state, passed_on: Condvar::new() }), given: 0 }
    }

    /// The next job's ticket. Jobs must be started in the order of their tickets, or they wait for each other.
    pub fn ticket(&mut self) -> Ticket<T> {
        let number = self.given;
        self.given += 1;
        Ticket { shared: Arc::clone(&self.shared), number, used: false }
    }

    /// The state between two turns.
    pub fn between<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.shared.lock().value)
    }
}

impl<T> Ticket<T> {
    /// Waits for its turn and takes it. `None` when a job before it was lost.
    pub fn take<R>(mut self, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let waits = |state: &mut State<T>| state.turn != self.number && !state.broken;
        let mut state = self.shared.passed_on.wait_while(self.shared.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        if state.broken {
            return None;
        }
        let result = change(&mut state.value);
        state.turn += 1;
        drop(state);
        self.used = true;
        self.shared.passed_on.notify_all();
        Some(result)
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        if !self.used {
            self.shared.lock().broken = true;
            self.shared.passed_on.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_in_order_whoever_is_ready_first() {
        let mut turns = Turns::new(Vec::new());
        let tickets: Vec<(usize, Ticket<Vec<usize>>)> = (0..64).map(|number| (number, turns.ticket())).collect();
        std::thread::scope(|scope| {
            for (number, ticket) in tickets.into_iter().rev() {
                scope.spawn(move || ticket.take(|seen| seen.push(number)));
            }
        });
        assert_eq!(turns.between(std::mem::take), (0..64).collect::<Vec<_>>());
    }

    #[test]
    fn a_lost_job_lets_nobody_wait_for_ever() {
        let mut turns = Turns::new(0);
        let (lost, later) = (turns.ticket(), turns.ticket());
        let panics = std::thread::spawn(move || lost.take(|_| panic!("in its turn")));
        assert!(panics.join().is_err());
        assert_eq!(later.take(|value| *value += 1), None);
    }
}
