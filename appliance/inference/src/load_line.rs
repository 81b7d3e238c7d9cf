//! Who loads a model next: one at a time, the smallest first; one that could not be loaded goes behind those that have not tried.
//!
//! A worker looks at what is free when it starts, and takes it bit by bit. Of two that load together each would count on the
//! same room: both choose the same GPU, or fill the machine's memory between them. A worker that only takes the place of a
//! dead one does not line up: its room has just become free.
//!
//! Weights that are mapped lie in the page cache, which the kernel calls available: what the loaded models have there is
//! known here, so that the next one does not count on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

/// The models of one box that are to be loaded.
#[derive(Clone, Default)]
pub struct LoadLine(Arc<watch::Sender<Line>>);

#[derive(Default)]
struct Line {
    waiting: BTreeSet<Turn>,
    /// How often each has come to load since it was last loaded.
    tries: BTreeMap<Key, u32>,
    loading: Option<Key>,
    /// What those that are loaded have mapped of their files, in bytes.
    mapped: BTreeMap<Key, (PathBuf, u64)>,
    /// The number of the next one.
    next: u64,
}

impl Line {
    fn turn(&self, key: Key) -> Turn {
        (self.tries.get(&key).copied().unwrap_or(0), key)
    }

    /// Whether that lets another one load.
    fn leave(&mut self, key: Key) -> bool {
        self.mapped.remove(&key);
        let loaded = self.loading.take_if(|loading| *loading == key).is_some();
        self.waiting.remove(&self.turn(key)) || loaded
    }
}

/// The bytes of its file, and a number of its own.
type Key = (u64, u64);

/// How often it has loaded in vain, and then who it is.
type Turn = (u32, Key);

/// One that may come to load; dropped, it has left the line.
pub(crate) struct LoadPlace {
    line: LoadLine,
    key: Key,
}

impl LoadLine {
    /// For a model whose file has so many bytes. It is not in the line yet.
    pub(crate) fn place(&self, bytes: u64) -> LoadPlace {
        let mut number = 0;
        self.0.send_modify(|line| {
            number = line.next;
            line.next += 1;
        });
        LoadPlace { line: self.clone(), key: (bytes, number) }
    }
}

impl LoadPlace {
    /// From now on none goes before it that is larger, or has tried more often.
    pub(crate) fn line_up(&self) {
        self.line.0.send_modify(|line| {
            if line.loading != Some(self.key) {
                line.waiting.insert(line.turn(self.key));
            }
        });
    }

    /// Lines up, and waits until it is the first and nobody loads. May be dropped while waiting: it stays in the line.
    pub(crate) async fn turn(&self) {
        self.line_up();
        let mut line = self.line.0.subscribe();
        let is_next = |line: &Line| match line.loading {
            None => line.waiting.first() == Some(&line.turn(self.key)),
            Some(loading) => loading == self.key,
        };
        loop {
            let mut is_its_turn = false;
            self.line.0.send_if_modified(|line| {
                is_its_turn = is_next(line);
                let begins = is_its_turn && line.waiting.remove(&line.turn(self.key));
                if begins {
                    line.loading = Some(self.key);
                    *line.tries.entry(self.key).or_default() += 1;
                }
                begins
            });
            if is_its_turn {
                return;
            }
            line.changed().await.expect("a place holds on to its line");
        }
    }

    /// It has loaded, and so many bytes of its file are mapped into memory.
    pub(crate) fn loaded(&self, file: &Path, mapped_bytes: u64) {
        self.line.0.send_modify(|line| {
            line.leave(self.key);
            line.tries.remove(&self.key);
            line.mapped.insert(self.key, (file.to_owned(), mapped_bytes));
        });
    }

    /// It will not load, or is loaded no more.
    pub(crate) fn leave(&self) {
        self.line.0.send_if_modified(|line| line.leave(self.key));
    }

    /// What the others have mapped that are loaded, in bytes: of each file once, and not of this one, which they share.
    pub(crate) fn mapped_by_others(&self, file: &Path) -> u64 {
        let line = self.line.0.borrow();
        let mut files = BTreeMap::new();
        for (key, (other, bytes)) in &line.mapped {
            if *key != self.key && other != file {
                let most: &mut u64 = files.entry(other).or_default();
                *most = (*most).max(*bytes);
            }
        }
        files.into_values().sum()
    }
}

impl Drop for LoadPlace {
    fn drop(&mut self) {
        self.leave();
        self.line.0.send_if_modified(|line| line.tries.remove(&self.key).is_some_and(|_| false));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_loads_at_a_time_the_smallest_first() {
        let line = LoadLine::default();
        let [large, small, middling] = [30, 10, 20].map(|bytes| line.place(bytes));
        [&large, &small, &middling].into_iter().for_each(LoadPlace::line_up);
        let is_turn = |place: &LoadPlace| place.turn().now_or_never().is_some();
        assert_eq!([&large, &middling, &small].map(is_turn), [false, false, true]);
        assert!(is_turn(&small), "it keeps its turn");
        small.leave();
        assert_eq!([&large, &middling].map(is_turn), [false, true]);
        drop(middling);
        assert!(is_turn(&large));
        assert!(!is_turn(&small), "even the smallest waits for one that has begun");
    }

    #[test]
    fn what_loaded_models_have_mapped_is_known_to_the_next_and_counts_once_a_file() {
        let line = LoadLine::default();
        let [one, twin, other] = [1, 2, 3].map(|bytes| line.place(bytes));
        one.loaded(Path::new("one"), 100);
        twin.loaded(Path::new("one"), 90);
        other.loaded(Path::new("other"), 7);
        assert_eq!(other.mapped_by_others(Path::new("other")), 100);
        assert_eq!(one.mapped_by_others(Path::new("one")), 7, "a file that is mapped already takes nothing");
        other.leave();
        assert_eq!(one.mapped_by_others(Path::new("one")), 0);
        drop((one, twin));
        assert_eq!(other.mapped_by_others(Path::new("other")), 0);
    }

    #[test]
    fn one_that_loads_in_vain_lets_the_others_try() {
        let line = LoadLine::default();
        let [small, large] = [10, 20].map(|bytes| line.place(bytes));
        let is_turn = |place: &LoadPlace| place.turn().now_or_never().is_some();
        assert!(is_turn(&small));
        large.line_up();
        small.leave();
        assert_eq!([&small, &large].map(is_turn), [false, true], "it has had its turn");
        large.leave();
        assert_eq!([&large, &small].map(is_turn), [false, true], "as often as the other: the smaller");
        small.leave();
        assert!(is_turn(&large));
        large.loaded(Path::new("large"), 1);
        assert!(is_turn(&small));
    }

    #[test]
    fn who_leaves_the_line_keeps_nobody_waiting() {
        let line = LoadLine::default();
        let [small, large] = [10, 20].map(|bytes| line.place(bytes));
        small.line_up();
        let turn = large.turn();
        tokio::pin!(turn);
        assert!(turn.as_mut().now_or_never().is_none());
        small.leave();
        assert!(turn.now_or_never().is_some());
    }
}
