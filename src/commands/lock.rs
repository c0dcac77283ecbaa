//! `lock`: who holds the stack's lock, and freeing it.

use clap::{Args, Subcommand};
use meteoctl_engine::failure::Outcome;
use meteoctl_jobs::lock::{Name, Standing, words};
use serde_json::json;

use super::{DONE, Desk, usage};
use crate::app::Wishes;

/// What lock takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

/// What is to be done about it.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Show who holds it since when, and which operator leads
    Status,
    /// Free it; its holder, if it lives, writes nothing more
    Break {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// Free the operators' lease instead: another one may lead
        #[arg(long)]
        leader: bool,
    },
}

/// Shows or frees the lock.
pub async fn run(desk: &Desk<'_>, arguments: &Arguments) -> Outcome<u8> {
    let checked = match desk.read().await {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let app = desk.open_to_look(checked, Wishes::default()).await;
    let [lock, leader] = app.locks.standing().await?;
    let What::Break { yes, leader: lease } = arguments.what else {
        desk.view.result(&json!({"lock": lock, "leader": leader}), || told("lock", &lock) + &told("leader", &leader));
        return Ok(DONE);
    };
    let (name, seen) = if lease { (Name::Leader, leader) } else { (Name::Lock, lock) };
    desk.view.story(&told("lock", &seen));
    if !yes && !desk.view.can_ask() {
        return Err(usage("break the lock", "nobody is there to confirm it", "run lock break with --yes"));
    }
    if !yes && !desk.view.ask("Free it?") {
        desk.view.story("It was left as it is.\n");
        return Ok(DONE);
    }
    let standing = app.locks.break_it(name).await?;
    desk.view.result(&json!({"lock": standing}), || told("lock", &standing));
    Ok(DONE)
}

/// A standing in a sentence or two.
fn told(name: &str, standing: &Standing) -> String {
    let fencing = standing.record.as_ref().map(|record| format!(", fencing number {}", record.fencing)).unwrap_or_default();
    let holder = standing.record.as_ref().and_then(|record| record.holder.as_ref()).map(words).unwrap_or_default();
    let state = match standing.state {
        "noBucket" => "free: its bucket does not exist yet".to_owned(),
        "neverTaken" => "free, never taken".to_owned(),
        "free" => "free".to_owned(),
        "expired" => format!("free, expired: {holder}"),
        "dead" => format!("free, its process has ended: {holder}"),
        _ => format!("held by {holder}"),
    };
    format!("{name}: {state}{fencing} ({})\n", standing.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_reads_as_a_sentence() {
        let standing = |state, record: &str| Standing {
            address: "s3://b/.meteoctl/p8/lock.json".to_owned(),
            state,
            record: serde_json::from_str(record).expect("a record"),
        };
        let holder = r#"{"format":1,"fencing":4,"holder":{"nonce":"n","owner":"ann@here","verb":"apply","since":"2026-01-05T14:06:15Z","expires":"2026-01-05T14:07:15Z"}}"#;
        let all = [
            standing("neverTaken", "null"),
            standing("free", r#"{"format":1,"fencing":3,"holder":null}"#),
            standing("held", holder),
            standing("expired", holder),
        ];
        insta::assert_snapshot!(all.iter().map(|standing| told("lock", standing)).collect::<String>(), @r"
        lock: free, never taken (s3://b/.meteoctl/p8/lock.json)
        lock: free, fencing number 3 (s3://b/.meteoctl/p8/lock.json)
        lock: held by ann@here, since 2026-01-05 14:06:15 UTC, for apply, until 14:07:15 UTC unless renewed, fencing number 4 (s3://b/.meteoctl/p8/lock.json)
        lock: free, expired: ann@here, since 2026-01-05 14:06:15 UTC, for apply, until 14:07:15 UTC unless renewed, fencing number 4 (s3://b/.meteoctl/p8/lock.json)
        ");
    }
}
