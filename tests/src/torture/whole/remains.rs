//! What a power cut leaves of a folder: what was synced, and any part of what was not.
//!
//! The model promises no more than POSIX does. The content of a file counts as on disk once the file was synced, and its
//! name once the folder that has it was; a rename is whole or not there. What was not synced may get through in any
//! part: of data any sectors in any order, the size with or without the data (zeros stand in for it), of names any of
//! them, or all up to a moment, as a file system with a journal does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::journal::{Change, Entry};
use crate::Dice;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Files and folders by number; the first is the folder itself.
pub(in crate::torture) struct Disk {
    root: std::path::PathBuf,
    nodes: Vec<Node>,
}

enum Node {
    Folder(Folder),
    File(Content),
}

#[derive(Default)]
struct Folder {
    /// As running programs see it.
    now: BTreeMap<OsString, usize>,
    synced: BTreeMap<OsString, usize>,
    pending: Vec<NameChange>,
}

#[derive(Clone)]
enum NameChange {
    Add(OsString, usize),
    Remove(OsString),
    /// Within one folder: whole or not at all.
    Rename(OsString, OsString, usize),
}

#[derive(Default)]
struct Content {
    synced: Vec<u8>,
    pending: Vec<DataChange>,
}

enum DataChange {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Disk {
    /// What lies in a folder now, since long ago.
    pub(in crate::torture) fn of(root: &Path) -> Disk {
        let mut disk = Disk { root: root.to_owned(), nodes: vec![Node::Folder(Folder::default())] };
        disk.take_in(0, root);
        disk
    }

    /// The same folder under another name.
    pub(in crate::torture) fn moved_to(mut self, root: &Path) -> Disk {
        root.clone_into(&mut self.root);
        self
    }

    fn take_in(&mut self, folder: usize, path: &Path) {
        for entry in std::fs::read_dir(path).expect("readable").flatten() {
            let (path, node) = (entry.path(), self.nodes.len());
            if path.is_dir() {
                self.nodes.push(Node::Folder(Folder::default()));
                self.take_in(node, &path);
            } else {
                let synced = std::fs::read(&path).expect("readable");
                self.nodes.push(Node::File(Content { synced, pending: Vec::new() }));
            }
            let folder = self.folder(folder).expect("it is one");
            folder.now.insert(entry.file_name(), node);
            folder.synced.insert(entry.file_name(), node);
        }
    }

    fn folder(&mut self, node: usize) -> Option<&mut Folder> {
        match self.nodes.get_mut(node)? {
            Node::Folder(folder) => Some(folder),
            Node::File(_) => None,
        }
    }

    fn find(&mut self, path: &Path) -> Option<usize> {
        let inside = path.strip_prefix(&self.root).ok()?.to_owned();
        inside.iter().try_fold(0, |node, name| self.folder(node)?.now.get(name).copied())
    }

    /// The folder that has a name, and the name.
    fn place(&mut self, path: &Path) -> Option<(usize, OsString)> {
        Some((self.find(path.parent()?)?, path.file_name()?.to_owned()))
    }

    fn content(&mut self, path: &Path) -> Option<&mut Content> {
        let node = self.find(path)?;
        match &mut self.nodes[node] {
            Node::File(content) => Some(content),
            Node::Folder(_) => None,
        }
    }

    /// Carries out a change. What concerns a file without a name is lost with it.
    pub(in crate::torture) fn take(&mut self, entry: &Entry) {
        let done = match &entry.change {
            Change::MakeFile(path) => self.make(path, Node::File(Content::default())),
            Change::MakeFolder(path) => self.make(path, Node::Folder(Folder::default())),
            Change::Write(path, at, data) => {
                let change = DataChange::Write(*at, data.clone());
                self.content(path).map(|content| content.pending.push(change))
            }
            Change::Truncate(path, size) => {
                self.content(path).map(|content| content.pending.push(DataChange::Truncate(*size)))
            }
            Change::Sync(path) => self.sync(path),
            Change::Rename(from, to) => self.rename(from, to),
            Change::Remove(path) => self.remove(path),
        };
        let _ = done;
    }

    fn make(&mut self, path: &Path, node: Node) -> Option<()> {
        let (folder, name) = self.place(path)?;
        self.nodes.push(node);
        let number = self.nodes.len() - 1;
        let folder = self.folder(folder)?;
        folder.now.insert(name.clone(), number);
        folder.pending.push(NameChange::Add(name, number));
        Some(())
    }

    fn sync(&mut self, path: &Path) -> Option<()> {
        let node = self.find(path)?;
        match &mut self.nodes[node] {
            Node::File(content) => {
                for change in std::mem::take(&mut content.pending) {
                    change.apply(&mut content.synced);
                }
            }
            Node::Folder(folder) => {
                for change in std::mem::take(&mut folder.pending) {
                    change.apply(&mut folder.synced);
                }
            }
        }
        Some(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Option<()> {
        let ((old, was), (new, is)) = (self.place(from)?, self.place(to)?);
        let node = self.folder(old)?.now.remove(&was)?;
        self.folder(new)?.now.insert(is.clone(), node);
        if old == new {
            self.folder(old)?.pending.push(NameChange::Rename(was, is, node));
        } else {
            self.folder(old)?.pending.push(NameChange::Remove(was));
            self.folder(new)?.pending.push(NameChange::Add(is, node));
        }
        Some(())
    }

    fn remove(&mut self, path: &Path) -> Option<()> {
        let (folder, name) = self.place(path)?;
        let folder = self.folder(folder)?;
        folder.now.remove(&name)?;
        folder.pending.push(NameChange::Remove(name));
        Some(())
    }

    /// What is left when the power goes now.
    pub(in crate::torture) fn lose_power(&self, dice: &mut Dice) -> Remains {
        // Nothing gets through, most of it, all of it, or any half.
        let lost_of_16 = *dice.pick(&[0, 1, 8, 8, 15, 16]);
        let in_order = dice.one_in(3);
        self.left(0, Chance { lost_of_16, in_order }, dice)
    }

    fn left(&self, node: usize, chance: Chance, dice: &mut Dice) -> Remains {
        match &self.nodes[node] {
            Node::File(content) => {
                let mut bytes = content.synced.clone();
                for change in chance.of(&content.pending, dice) {
                    change.apply_in_part(&mut bytes, chance, dice);
                }
                Remains::File(bytes)
            }
            Node::Folder(folder) => {
                let mut names = folder.synced.clone();
                for change in chance.of(&folder.pending, dice) {
                    if chance.in_order || dice.between(1, 16) > chance.lost_of_16 {
                        change.apply(&mut names);
                    }
                }
                let left = names.into_iter().map(|(name, node)| (name, self.left(node, chance, dice)));
                Remains::Folder(left.collect())
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Chance {
    lost_of_16: usize,
    in_order: bool,
}

impl Chance {
    /// In order: all changes up to some moment.
    fn of<'a, T>(self, pending: &'a [T], dice: &mut Dice) -> &'a [T] {
        let until = if self.in_order { dice.between(0, pending.len()) } else { pending.len() };
        &pending[..until]
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<OsString, usize>) {
        match self {
            NameChange::Add(name, node) => {
                names.insert(name.clone(), *node);
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
            NameChange::Rename(was, is, node) => {
                names.remove(was);
                names.insert(is.clone(), *node);
            }
        }
    }
}

impl DataChange {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            DataChange::Write(at, data) => {
                let end = at + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(data);
            }
            DataChange::Truncate(size) => bytes.resize(*size, 0),
        }
    }

    /// Sector by sector; the size may get through without them.
    fn apply_in_part(&self, bytes: &mut Vec<u8>, chance: Chance, dice: &mut Dice) {
        let is_lost = |dice: &mut Dice| !chance.in_order && dice.between(1, 16) <= chance.lost_of_16;
        match self {
            DataChange::Write(at, data) => {
                if !is_lost(dice) {
                    bytes.resize(bytes.len().max(at + data.len()), 0);
                }
                let mut from = 0;
                while from < data.len() {
                    let to = (from + SECTOR - (at + from) % SECTOR).min(data.len());
                    if !is_lost(dice) {
                        DataChange::Write(at + from, data[from..to].to_vec()).apply(bytes);
                    }
                    from = to;
                }
            }
            DataChange::Truncate(_) => {
                if !is_lost(dice) {
                    self.apply(bytes);
                }
            }
        }
    }
}

/// What is left.
pub(in crate::torture) enum Remains {
    File(Vec<u8>),
    Folder(BTreeMap<OsString, Remains>),
}

impl Remains {
    /// Writes it into a folder.
    pub(in crate::torture) fn put_into(&self, path: &Path) {
        let Remains::Folder(names) = self else { return };
        for (name, remains) in names {
            let path = path.join(name);
            match remains {
                Remains::File(bytes) => {
                    let file =
                        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
                    file.and_then(|mut file| file.write_all(bytes)).expect("writable");
                }
                Remains::Folder(_) => {
                    DirBuilder::new().mode(0o700).create(&path).expect("writable");
                    remains.put_into(&path);
                }
            }
        }
    }
}
