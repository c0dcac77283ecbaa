//! Who needs whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::Document;
use crate::reference::{Id, references};

/// The kind that everything else needs.
pub const STACK: &str = "Stack";

/// Needs of every document, by position in the list.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    needs: Vec<BTreeSet<usize>>,
}

impl Graph {
    /// The graph of these documents. References to documents that do not exist are left out; `check` reports them.
    pub fn new(documents: &[Document]) -> Self {
        let positions: BTreeMap<&Id, usize> = documents.iter().enumerate().map(|(index, document)| (&document.id, index)).collect();
        let stacks: Vec<usize> =
            documents.iter().enumerate().filter(|(_, document)| document.id.kind == STACK).map(|(index, _)| index).collect();
        let needs = documents
            .iter()
            .enumerate()
            .map(|(index, document)| {
                let referred = references(&document.spec).into_iter().filter_map(|(_, target)| target.parse::<Id>().ok());
                let mut needs: BTreeSet<usize> =
                    referred.chain(document.meta.after.iter().cloned()).filter_map(|id| positions.get(&id).copied()).collect();
                if document.id.kind != STACK {
                    needs.extend(&stacks);
                }
                // A document that needs itself is a cycle of one; keep it for `cycle` to find.
                if !needs.contains(&index) { needs } else { BTreeSet::from([index]) }
            })
            .collect();
        Graph { needs }
    }

    /// Positions of the documents that this one needs.
    pub fn needs(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        self.needs.get(index).into_iter().flatten().copied()
    }

    /// The same graph with every arrow turned round, for removal.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut needs = vec![BTreeSet::new(); self.needs.len()];
        for (index, inner) in self.needs.iter().enumerate() {
            for need in inner {
                if let Some(set) = needs.get_mut(*need) {
                    set.insert(index);
                }
            }
        }
        Graph { needs }
    }

    /// Positions along one cycle, if there is any, each needing the next and the last needing the first.
    pub fn cycle(&self) -> Option<Vec<usize>> {
        let mut done = vec![false; self.needs.len()];
        for start in 0..self.needs.len() {
            let mut path = Vec::new();
            if let Some(cycle) = self.walk(start, &mut path, &mut done) {
                return Some(cycle);
            }
        }
        None
    }

    fn walk(&self, at: usize, path: &mut Vec<usize>, done: &mut [bool]) -> Option<Vec<usize>> {
        if let Some(position) = path.iter().position(|seen| *seen == at) {
            return Some(path.split_off(position));
        }
        if done.get(at).copied().unwrap_or(true) {
            return None;
        }
        path.push(at);
        let found = self.needs(at).find_map(|need| self.walk(need, path, done));
        path.pop();
        if let Some(mark) = done.get_mut(at) {
            *mark = true;
        }
        found
    }

    /// A document and everything it needs, directly or not.
    pub fn closure(&self, starts: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<usize> = starts.into_iter().collect();
        while let Some(index) = open.pop() {
            if reached.insert(index) {
                open.extend(self.needs(index));
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(needs: &[&[usize]]) -> Graph {
        Graph { needs: needs.iter().map(|inner| inner.iter().copied().collect()).collect() }
    }

    #[test]
    fn a_cycle_is_told_as_a_path() {
        assert_eq!(graph(&[&[1], &[2], &[1]]).cycle(), Some(vec![1, 2]));
        assert_eq!(graph(&[&[0]]).cycle(), Some(vec![0]));
        assert_eq!(graph(&[&[1, 2], &[2], &[]]).cycle(), None);
    }

    #[test]
    fn closure_and_reversal() {
        let graph = graph(&[&[1], &[2], &[], &[2]]);
        assert_eq!(graph.closure([0]).into_iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(graph.reversed().needs(2).collect::<Vec<_>>(), [1, 3]);
    }
}
