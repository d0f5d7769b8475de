//! A disk in memory that forgets what was not synced: a file system over FUSE, with two states. What is written is seen by
//! all at once; what an fsync has reached is what is left after a power cut, and beside it whichever sectors of the rest
//! chance picks, since a disk may write them early. It can also fail its syncs as Linux does (the error is told once, and
//! what was to be written is forgotten), and be small.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
};

/// The kernel may remember what it saw: nobody else changes anything.
const FOREVER: Duration = Duration::from_secs(3600);
const SECTOR: usize = 512;
const BLOCK: u64 = 4096;
/// What the disk says that it holds; what is neither ours nor free somebody else has.
const SIZE: u64 = 16 << 30;
const ENOENT: i32 = 2;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const ROOT: u64 = 1;
const KEEP_CACHE: u32 = 2;

/// What a file is and holds.
#[derive(Clone)]
struct Node {
    kind: FileType,
    perm: u16,
    live: Vec<u8>,
    /// What is left of it after a power cut.
    synced: Vec<u8>,
    /// Written since the last sync.
    dirty: Vec<Range<usize>>,
}

/// Names as (folder, name).
type Names = BTreeMap<(u64, String), u64>;

/// All of the disk.
#[derive(Clone)]
struct State {
    nodes: BTreeMap<u64, Node>,
    names: Names,
    synced_names: Names,
    octets: u64,
    capacity: u64,
    syncs: u64,
    syncs_fail: bool,
    is_cut: bool,
}

/// The disk; cheap to clone.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(crate) fn new(capacity: u64) -> Self {
        let root = Node::new(FileType::Directory, 0o700);
        let state = State {
            nodes: BTreeMap::from([(ROOT, root)]),
            names: Names::new(),
            synced_names: Names::new(),
            octets: 0,
            capacity,
            syncs: 0,
            syncs_fail: false,
            is_cut: false,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn mount(&self, at: &Path) -> BackgroundSession {
        let options = [MountOption::FSName("disk".to_owned()), MountOption::NoAtime];
        fuser::spawn_mount2(self.clone(), at, &options).expect("/dev/fuse must work; tests/long says what it needs")
    }

    /// The power goes: nothing is read or written any more. What is left is another disk. `chance` picks what was written
    /// early.
    pub(crate) fn cut(&self, mut chance: impl FnMut() -> bool) -> Self {
        let mut state = self.state();
        state.is_cut = true;
        let mut left = state.clone();
        drop(state);
        left.is_cut = false;
        left.syncs_fail = false;
        left.names.clone_from(&left.synced_names);
        let named: Vec<u64> = left.names.values().copied().chain([ROOT]).collect();
        left.nodes.retain(|ino, _| named.contains(ino));
        left.nodes.values_mut().for_each(|node| node.lose_power(&mut chance));
        left.octets = left.nodes.values().map(|node| node.live.len() as u64).sum();
        Self(Arc::new(Mutex::new(left)))
    }

    pub(crate) fn fail_syncs(&self, fail: bool) {
        self.state().syncs_fail = fail;
    }

    /// How often something was synced.
    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Leaves so much room.
    pub(crate) fn leave_room(&self, octets: u64) {
        let mut state = self.state();
        state.capacity = state.octets + octets;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    const fn new(kind: FileType, perm: u16) -> Self {
        Self { kind, perm, live: Vec::new(), synced: Vec::new(), dirty: Vec::new() }
    }

    fn sync(&mut self) {
        self.synced.resize(self.live.len(), 0);
        for range in self.dirty.drain(..) {
            let end = range.end.min(self.live.len());
            if range.start < end {
                self.synced[range.start..end].copy_from_slice(&self.live[range.start..end]);
            }
        }
    }

    fn resize(&mut self, len: usize) {
        let before = self.live.len();
        self.live.resize(len, 0);
        self.dirty.push(before.min(len)..before.max(len));
    }

    fn write(&mut self, at: usize, data: &[u8]) {
        let end = at + data.len();
        if self.live.len() < end {
            self.resize(end);
        }
        self.live[at..end].copy_from_slice(data);
        self.dirty.push(at..end);
    }

    fn lose_power(&mut self, chance: &mut impl FnMut() -> bool) {
        let mut left = std::mem::take(&mut self.synced);
        for range in self.dirty.drain(..) {
            let mut at = range.start;
            while at < range.end.min(self.live.len()) {
                let end = ((at / SECTOR + 1) * SECTOR).min(range.end).min(self.live.len());
                if chance() {
                    left.resize(left.len().max(end), 0);
                    left[at..end].copy_from_slice(&self.live[at..end]);
                }
                at = end;
            }
        }
        self.live.clone_from(&left);
        self.synced = left;
    }
}

impl State {
    fn find(&self, folder: u64, name: &OsStr) -> Option<u64> {
        self.names.get(&(folder, name.to_string_lossy().into_owned())).copied()
    }

    fn make(&mut self, (folder, name): (u64, &OsStr), node: Node) -> FileAttr {
        let ino = self.nodes.keys().last().copied().unwrap_or(ROOT) + 1;
        let name = (folder, name.to_string_lossy().into_owned());
        if node.kind != FileType::RegularFile {
            self.synced_names.insert(name.clone(), ino);
        }
        self.names.insert(name, ino);
        self.nodes.insert(ino, node);
        self.attributes(ino).expect("it was just made")
    }

    fn attributes(&self, ino: u64) -> Option<FileAttr> {
        let node = self.nodes.get(&ino)?;
        let (then, me) = (SystemTime::UNIX_EPOCH, rustix::process::geteuid().as_raw());
        Some(FileAttr {
            ino,
            size: node.live.len() as u64,
            blocks: (node.live.len() as u64).div_ceil(512),
            atime: then,
            mtime: then,
            ctime: then,
            crtime: then,
            kind: node.kind,
            perm: node.perm,
            nlink: 1,
            uid: me,
            gid: rustix::process::getegid().as_raw(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    /// Linux tells a failed sync once and then takes what it could not write for written.
    fn sync(&mut self, ino: u64) -> Result<(), i32> {
        if self.is_cut {
            return Err(EIO);
        }
        self.syncs += 1;
        let node = self.nodes.get_mut(&ino).ok_or(ENOENT)?;
        if self.syncs_fail {
            node.dirty.clear();
            return Err(EIO);
        }
        node.sync();
        // A file that is synced has its name synced with it, as on ext4 and XFS.
        let named = self.names.iter().filter(|(_, named)| **named == ino).map(|(name, ino)| (name.clone(), *ino));
        let named: Vec<_> = named.collect();
        self.synced_names.retain(|_, named| *named != ino);
        self.synced_names.extend(named);
        Ok(())
    }

    fn sync_folder(&mut self, folder: u64) -> Result<(), i32> {
        if self.is_cut || self.syncs_fail {
            return Err(EIO);
        }
        self.synced_names.retain(|(within, _), _| *within != folder);
        let inside = self.names.iter().filter(|((within, _), _)| *within == folder);
        self.synced_names.extend(inside.map(|(name, ino)| (name.clone(), *ino)));
        Ok(())
    }

    fn resize(&mut self, ino: u64, len: u64) -> Result<(), i32> {
        let node = self.nodes.get_mut(&ino).ok_or(ENOENT)?;
        let grown = len.saturating_sub(node.live.len() as u64);
        if self.is_cut {
            return Err(EIO);
        }
        if grown > 0 && self.octets + grown > self.capacity {
            return Err(ENOSPC);
        }
        self.octets = self.octets + len - node.live.len() as u64;
        node.resize(usize::try_from(len).map_err(|_| EIO)?);
        Ok(())
    }

    fn write(&mut self, ino: u64, at: u64, data: &[u8]) -> Result<(), i32> {
        let end = at + data.len() as u64;
        let len = self.nodes.get(&ino).ok_or(ENOENT)?.live.len() as u64;
        if self.is_cut || end > len {
            self.resize(ino, end.max(len))?;
        }
        self.nodes.get_mut(&ino).ok_or(ENOENT)?.write(usize::try_from(at).map_err(|_| EIO)?, data);
        Ok(())
    }

    fn remove(&mut self, folder: u64, name: &OsStr) -> Result<(), i32> {
        self.names.remove(&(folder, name.to_string_lossy().into_owned())).map(drop).ok_or(ENOENT)
    }

    /// Nobody has it open any more: what has no name goes.
    fn forget(&mut self, ino: u64) {
        let is_named = |names: &Names| names.values().any(|named| *named == ino);
        if ino != ROOT && !is_named(&self.names) && !is_named(&self.synced_names) {
            self.octets -= self.nodes.remove(&ino).map_or(0, |node| node.live.len() as u64);
        }
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), i32>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Disk {
    fn lookup(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEntry) {
        let state = self.state();
        match state.find(parent, name).and_then(|ino| state.attributes(ino)) {
            Some(found) => reply.entry(&FOREVER, &found, 0),
            None => reply.error(ENOENT),
        }
    }

    fn forget(&mut self, _: &Request<'_>, ino: u64, _: u64) {
        self.state().forget(ino);
    }

    fn getattr(&mut self, _: &Request<'_>, ino: u64, _: Option<u64>, reply: ReplyAttr) {
        match self.state().attributes(ino) {
            Some(found) => reply.attr(&FOREVER, &found),
            None => reply.error(ENOENT),
        }
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<u64>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<u32>,
        reply: ReplyAttr,
    ) {
        let mut state = self.state();
        if let (Some(mode), Some(node)) = (mode, state.nodes.get_mut(&ino)) {
            node.perm = permissions(mode);
        }
        let resized = size.map_or(Ok(()), |size| state.resize(ino, size));
        match resized.and_then(|()| state.attributes(ino).ok_or(ENOENT)) {
            Ok(found) => reply.attr(&FOREVER, &found),
            Err(error) => reply.error(error),
        }
    }

    fn mknod(&mut self, _: &Request<'_>, at: u64, name: &OsStr, mode: u32, umask: u32, _: u32, reply: ReplyEntry) {
        let kind = if mode & 0o170_000 == 0o140_000 { FileType::Socket } else { FileType::RegularFile };
        let made = self.state().make((at, name), Node::new(kind, permissions(mode & !umask)));
        reply.entry(&FOREVER, &made, 0);
    }

    fn mkdir(&mut self, _: &Request<'_>, at: u64, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let made = self.state().make((at, name), Node::new(FileType::Directory, permissions(mode & !umask)));
        reply.entry(&FOREVER, &made, 0);
    }

    fn unlink(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.state().remove(parent, name));
    }

    fn rmdir(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.state().remove(parent, name));
    }

    fn rename(&mut self, _: &Request<'_>, at: u64, name: &OsStr, to: u64, new: &OsStr, _: u32, reply: ReplyEmpty) {
        let mut state = self.state();
        let _replaced = state.remove(to, new);
        let moved = state.names.remove(&(at, name.to_string_lossy().into_owned())).ok_or(ENOENT);
        let new = (to, new.to_string_lossy().into_owned());
        answer(reply, moved.map(|ino| state.names.extend([(new, ino)])));
    }

    fn open(&mut self, _: &Request<'_>, _: u64, _: i32, reply: ReplyOpen) {
        reply.opened(0, KEEP_CACHE);
    }

    fn create(&mut self, _: &Request<'_>, at: u64, name: &OsStr, mode: u32, umask: u32, _: i32, reply: ReplyCreate) {
        let mut state = self.state();
        if state.is_cut {
            return reply.error(EIO);
        }
        let made = state.make((at, name), Node::new(FileType::RegularFile, permissions(mode & !umask)));
        reply.created(&FOREVER, &made, 0, 0, KEEP_CACHE);
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _: u64,
        offset: i64,
        size: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyData,
    ) {
        let state = self.state();
        let Some(node) = state.nodes.get(&ino).filter(|_| !state.is_cut) else { return reply.error(EIO) };
        let from = usize::try_from(offset).unwrap_or(0).min(node.live.len());
        reply.data(&node.live[from..(from + size as usize).min(node.live.len())]);
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _: u64,
        offset: i64,
        data: &[u8],
        _: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyWrite,
    ) {
        match self.state().write(ino, u64::try_from(offset).unwrap_or(0), data) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(0)),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&mut self, _: &Request<'_>, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&mut self, _: &Request<'_>, ino: u64, _: u64, _: bool, reply: ReplyEmpty) {
        answer(reply, self.state().sync(ino));
    }

    fn fsyncdir(&mut self, _: &Request<'_>, ino: u64, _: u64, _: bool, reply: ReplyEmpty) {
        answer(reply, self.state().sync_folder(ino));
    }

    fn readdir(&mut self, _: &Request<'_>, ino: u64, _: u64, offset: i64, mut reply: ReplyDirectory) {
        let state = self.state();
        let inside = state.names.iter().filter(|((folder, _), _)| *folder == ino);
        for (place, ((_, name), found)) in inside.enumerate().skip(usize::try_from(offset).unwrap_or(0)) {
            let kind = state.nodes.get(found).map_or(FileType::RegularFile, |node| node.kind);
            if reply.add(*found, i64::try_from(place).unwrap_or(0) + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&mut self, _: &Request<'_>, _: u64, reply: ReplyStatfs) {
        let state = self.state();
        let free = state.capacity.saturating_sub(state.octets) / BLOCK;
        reply.statfs(SIZE / BLOCK, free, free, 1 << 20, 1 << 20, 4096, 255, 4096);
    }
}

fn permissions(mode: u32) -> u16 {
    u16::try_from(mode & 0o7777).unwrap_or(0)
}
