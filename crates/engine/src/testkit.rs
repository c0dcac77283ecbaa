//! A world in memory, for tests of everything that is above the services.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{Document, Loaded, read};
use crate::failure::{Failure, Outcome};
use crate::kind::{AnyKind, Change, Kind, Meta, Observed};
use crate::reference::Link;
use crate::registry::Registry;

/// Things by name, and what is to go wrong with them.
#[derive(Debug, Default)]
pub struct State {
    /// What is there.
    pub things: BTreeMap<String, ThingSpec>,
    /// Writes made, in order: `create a`, `update a /size`, `delete a`.
    pub writes: Vec<String>,
    /// Things whose next looks fail transiently, with how many times.
    pub flaky: BTreeMap<String, u32>,
    /// Things whose writes are refused.
    pub refused: BTreeSet<String>,
    /// Things whose writes are accepted but never show.
    pub deaf: BTreeSet<String>,
    /// Things that are on their way for so many looks.
    pub settling: BTreeMap<String, u32>,
    /// Things that never answer.
    pub silent: BTreeSet<String>,
    /// Looks made, in order.
    pub looks: Vec<String>,
    /// Most things in hand at once, ever.
    pub most_at_once: usize,
    in_hand: usize,
}

/// The world, shared.
#[derive(Debug, Clone, Default)]
pub struct World(Arc<Mutex<State>>);

impl World {
    /// The state, locked.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A registry with `Thing` and a `Stack` that is always there.
    pub fn registry(&self) -> Registry {
        let kinds: [Arc<dyn AnyKind>; 2] = [Arc::new(Thing { world: self.clone() }), Arc::new(StackThing)];
        Registry::new(kinds)
    }
}

/// Reads documents from a text; a Stack is put in front.
pub fn documents(text: &str) -> Vec<Document> {
    let mut loaded = Loaded::default();
    let whole = format!("apiVersion: meteoctl/v1\nkind: Stack\nmetadata: {{name: test}}\n---\n{text}");
    read("test.yaml", whole, Path::new(""), &mut loaded);
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    loaded.documents
}

/// A thing with a size, which may need other things.
#[derive(Debug, Clone)]
pub struct Thing {
    world: World,
}

/// Spec of a [`Thing`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ThingSpec {
    /// How large.
    pub size: Option<u32>,
    /// Of what colour.
    pub colour: Option<String>,
    /// What it stands on.
    pub on: Option<Link>,
}

impl Kind for Thing {
    const NAME: &'static str = "Thing";
    const ABOUT: &'static str = "A thing in memory.";
    const FOLLOWS: &'static [&'static str] = &["Thing"];
    const LOOKS_ALONE: bool = true;
    const OUTLIVES: &'static [&'static str] = &["Thing"];
    type Spec = ThingSpec;

    /// What hovers can do without what it was to stand on.
    async fn without(&self, _: &Meta, want: &ThingSpec) -> Outcome<Option<ThingSpec>> {
        let hovers = want.colour.as_deref() == Some("hovering");
        Ok(hovers.then(|| ThingSpec { on: None, ..want.clone() }))
    }

    async fn observe(&self, meta: &Meta, _: &ThingSpec) -> Outcome<Option<Observed<ThingSpec>>> {
        {
            let mut state = self.world.state();
            state.looks.push(meta.name.clone());
            state.in_hand += 1;
            state.most_at_once = state.most_at_once.max(state.in_hand);
        }
        tokio::task::yield_now().await;
        let silent = self.world.state().silent.contains(&meta.name);
        if silent {
            std::future::pending::<()>().await;
        }
        let mut state = self.world.state();
        state.in_hand -= 1;
        if let Some(left) = state.flaky.get_mut(&meta.name).filter(|left| **left > 0) {
            *left -= 1;
            return Err(Failure::transient(format!("look at {}", meta.name)));
        }
        let settling = state.settling.get_mut(&meta.name).filter(|left| **left > 0).map(|left| {
            *left -= 1;
            "growing".to_owned()
        });
        let thing = state.things.get(&meta.name).cloned();
        Ok(thing.map(|thing| Observed::new(thing).output("address", format!("at-{}", meta.name)).settling(settling)))
    }

    async fn apply(&self, meta: &Meta, want: &ThingSpec, change: &Change) -> Outcome<()> {
        let on = want.on.as_ref().map(|link| link.output("address")).transpose()?;
        let mut state = self.world.state();
        let word = match change {
            Change::Create => format!("create {}", meta.name),
            Change::Update(diff) => format!("update {} {}", meta.name, diff.paths().join(" ")),
        };
        state.writes.push(word);
        if state.refused.contains(&meta.name) {
            return Err(Failure::rejected(format!("write {}", meta.name)));
        }
        if !state.deaf.contains(&meta.name) {
            let thing = ThingSpec { on: on.map(Link::literal), ..want.clone() };
            state.things.insert(meta.name.clone(), thing);
        }
        Ok(())
    }

    fn canonical(&self, spec: &mut ThingSpec) {
        if let Some(on) = &mut spec.on {
            on.settle("address");
        }
    }

    async fn delete(&self, meta: &Meta, _: &ThingSpec) -> Outcome<()> {
        let mut state = self.world.state();
        state.writes.push(format!("delete {}", meta.name));
        state.things.remove(&meta.name);
        Ok(())
    }
}

struct StackThing;

impl Kind for StackThing {
    const NAME: &'static str = "Stack";
    const ABOUT: &'static str = "The stack.";
    type Spec = BTreeMap<String, String>;

    fn guards(&self, spec: &Self::Spec) -> bool {
        spec.contains_key("guard")
    }

    /// The guard `no` lets nobody pass.
    async fn observe(&self, _: &Meta, want: &Self::Spec) -> Outcome<Option<Observed<Self::Spec>>> {
        match want.get("guard").map(String::as_str) {
            Some("no") => Err(Failure::rejected("pass the guard")),
            _ => Ok(Some(Observed::new(want.clone()))),
        }
    }

    async fn apply(&self, _: &Meta, _: &Self::Spec, _: &Change) -> Outcome<()> {
        Ok(())
    }

    async fn delete(&self, _: &Meta, _: &Self::Spec) -> Outcome<()> {
        Ok(())
    }
}
