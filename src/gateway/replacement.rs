//! Puts the data of a backup in the place of those that are there. Whatever cuts it short, nothing is lost: until the new data
//! lie whole on the disk none of the old are touched; from then on every step can be taken again, and whoever opens the data
//! next takes those that are left. The old data stay beside, in a folder that is named by the date.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::admin::{RELAY_PASSWORD_FILE, backup_names};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::faults::Faults;

/// Where a backup is unpacked and looked at: of no use to anybody else.
const STAGE: &str = "restore.unfinished";
/// The same folder while the old data leave.
const LEAVING: &str = "restore.leaving";
/// And while the new ones enter: the old ones are gone.
const ENTERING: &str = "restore.entering";
/// Where the old data go, in the folder that each lies in.
const ASIDE: &str = "restore.before";
/// And what that is called in the end, before the date.
const KEPT: &str = "before-restore-";
/// Links that are followed to where a file really lies.
const MAX_LINKS: usize = 8;
/// All of it holds secrets and mail.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Where each part of a backup belongs.
#[derive(Debug)]
pub struct Places {
    data_dir: PathBuf,
    database: PathBuf,
    activity: PathBuf,
    secrets: PathBuf,
    faults: Faults,
}

impl Places {
    /// As this configuration has them.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            data_dir: whole(&config.data_dir),
            database: behind_links(&config.database),
            activity: behind_links(&config.data_dir.join("activity.db")),
            secrets: behind_links(&config.srs.secrets_file),
            faults: Faults::default(),
        }
    }

    /// Where to unpack.
    #[must_use]
    pub fn stage(&self) -> PathBuf {
        self.data_dir.join(STAGE)
    }

    /// Whether a replacement was cut short after it had begun.
    #[must_use]
    pub fn are_changing(&self) -> bool {
        [LEAVING, ENTERING].iter().any(|name| self.data_dir.join(name).exists())
    }

    /// What is there now.
    pub fn taken(&self) -> anyhow::Result<Vec<PathBuf>> {
        Ok(self.leaving()?.into_iter().map(|(path, _)| path).collect())
    }

    /// Puts what lies in the stage in place; gives the folders in which the data of before are kept.
    pub fn replace(&self) -> anyhow::Result<Vec<PathBuf>> {
        self.begin().or_else(|error| self.give_up().and(Err(error)))?;
        self.finish()
    }

    /// Removes what there is of a replacement that has not begun.
    pub fn give_up(&self) -> anyhow::Result<()> {
        if !self.are_changing() {
            // One that is not empty is of an earlier release, and stays.
            self.folders().iter().for_each(|folder| drop(fs::remove_dir(folder.join(ASIDE))));
        }
        discard(&self.stage())
    }

    /// From here on there is no way back: all that is to be had is there, and so is the room for what leaves.
    fn begin(&self) -> anyhow::Result<()> {
        let stage = self.stage();
        for name in names_in(&stage)? {
            sync(&stage.join(name))?;
        }
        for folder in self.folders() {
            // It is there only if a release that did not know how to go on was cut short.
            self.keep(&folder)?;
            make_folder(&folder.join(ASIDE))?;
        }
        self.sync_all()?;
        self.become_(&stage, LEAVING)
    }

    /// Takes the steps that are left of a replacement, if there are any.
    pub fn finish(&self) -> anyhow::Result<Vec<PathBuf>> {
        self.give_up()?;
        let (leaving, entering) = (self.data_dir.join(LEAVING), self.data_dir.join(ENTERING));
        if leaving.exists() {
            for (path, aside) in self.leaving()? {
                self.move_file(&path, &aside)?;
            }
            self.sync_all()?;
            self.become_(&leaving, ENTERING)?;
        }
        if !entering.exists() {
            return Ok(Vec::new());
        }
        for name in names_in(&entering)? {
            if let Some(place) = self.place(&name) {
                self.move_file(&entering.join(&name), &place)?;
            }
        }
        self.sync_all()?;
        let kept: Vec<_> =
            self.folders().iter().filter_map(|folder| self.keep(folder).transpose()).collect::<anyhow::Result<_>>()?;
        self.faults.pass()?;
        discard(&entering)?;
        sync(&self.data_dir)?;
        Ok(kept)
    }

    /// One step, which is on the disk before the next.
    fn become_(&self, folder: &Path, name: &str) -> anyhow::Result<()> {
        self.faults.pass()?;
        let renamed = fs::rename(folder, self.data_dir.join(name));
        renamed.with_context(|| format!("{} cannot become {name}", folder.display()))?;
        sync(&self.data_dir)
    }

    /// The place of a file of the archive; none for a name that is not of a backup.
    fn place(&self, name: &str) -> Option<PathBuf> {
        backup_names::belongs(name).then(|| match name {
            "waypost.db" => self.database.clone(),
            "activity.db" => self.activity.clone(),
            "srs.secrets" => self.secrets.clone(),
            _ => self.data_dir.join(name),
        })
    }

    /// What is there now, and where it goes. Journals are of it: they must not meet another database.
    fn leaving(&self) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
        let with_end = |path: &Path, end: &str| PathBuf::from(format!("{}{end}", path.display()));
        let databases = [&self.database, &self.activity].into_iter();
        let databases = databases.flat_map(|path| ["", "-wal", "-shm"].map(|end| with_end(path, end)));
        let files = databases.chain([self.secrets.clone(), self.data_dir.join(RELAY_PASSWORD_FILE)]);
        let aside = |path: &Path| path.with_file_name(ASIDE).join(path.file_name().unwrap_or_default());
        let mut leaving: Vec<_> = files.filter(|path| path.exists()).map(|path| (path.clone(), aside(&path))).collect();
        let within =
            names_in(&self.data_dir)?.into_iter().filter(|name| name.contains('/') && backup_names::belongs(name));
        leaving.extend(within.map(|name| (self.data_dir.join(&name), self.data_dir.join(ASIDE).join(&name))));
        Ok(leaving)
    }

    /// The folders that the parts lie in.
    fn folders(&self) -> BTreeSet<PathBuf> {
        let files = [&self.database, &self.activity, &self.secrets].into_iter();
        files.filter_map(|path| Some(path.parent()?.to_owned())).chain([self.data_dir.clone()]).collect()
    }

    fn move_file(&self, from: &Path, to: &Path) -> anyhow::Result<()> {
        self.faults.pass()?;
        to.parent().map_or(Ok(()), make_folder)?;
        let moved = match fs::rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => return move_far(from, to),
            moved => moved,
        };
        moved.with_context(|| format!("{} cannot be moved to {}", from.display(), to.display()))
    }

    /// Gives what was set aside in a folder the name that it keeps; none if nothing was.
    fn keep(&self, folder: &Path) -> anyhow::Result<Option<PathBuf>> {
        let aside = folder.join(ASIDE);
        // One that is not empty cannot be removed.
        if !aside.exists() || fs::remove_dir(&aside).is_ok() {
            return Ok(None);
        }
        self.faults.pass()?;
        let name = format!("{KEPT}{}", Clock::system().now().compact());
        let mut kept = folder.join(&name);
        for again in 2_u32.. {
            if !kept.exists() {
                break;
            }
            kept = folder.join(format!("{name}-{again}"));
        }
        fs::rename(&aside, &kept).with_context(|| format!("{} cannot become {}", aside.display(), kept.display()))?;
        sync(folder)?;
        Ok(Some(kept))
    }

    /// What was moved is where it was moved to, even after a power cut.
    fn sync_all(&self) -> anyhow::Result<()> {
        let asides = self.folders().into_iter().flat_map(|folder| [folder.join(ASIDE), folder]);
        let mut all: Vec<_> =
            asides.chain([self.stage(), self.data_dir.join(LEAVING), self.data_dir.join(ENTERING)]).collect();
        all.extend(all.clone().iter().flat_map(|folder| backup_names::FOLDERS.map(|name| folder.join(name))));
        all.iter().filter(|folder| folder.is_dir()).try_for_each(|folder| sync(folder))
    }
}

/// The files of a folder and of those folders within it that a backup has.
pub fn names_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for within in [""].into_iter().chain(backup_names::FOLDERS) {
        let listed = fs::read_dir(folder.join(within)).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match listed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            listed => listed.with_context(|| format!("{} cannot be read", folder.join(within).display()))?,
        };
        let files = entries.iter().filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()));
        let prefix = if within.is_empty() { String::new() } else { format!("{within}/") };
        names.extend(files.filter_map(|file| Some(format!("{prefix}{}", file.file_name().to_str()?))));
    }
    Ok(names)
}

/// Makes a folder for its owner only, unless it is there.
pub fn make_folder(path: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path);
    made.with_context(|| format!("{} cannot be made", path.display()))
}

/// Makes a file for its owner only.
pub fn make_file(path: &Path) -> anyhow::Result<File> {
    let opened = File::options().write(true).create_new(true).mode(FILE_MODE).open(path);
    opened.with_context(|| format!("{} cannot be written", path.display()))
}

/// Removes a folder, if it is there.
fn discard(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Where a file lies, or would: a database may be a link to a larger disk.
fn behind_links(path: &Path) -> PathBuf {
    let mut path = whole(path);
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => break,
        }
    }
    path
}

fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// To another file system: it is whole and synced there before it has its name, and has its name before the old one goes.
fn move_far(from: &Path, to: &Path) -> anyhow::Result<()> {
    let new = to.with_file_name(format!("{}.new", to.file_name().unwrap_or_default().display()));
    let copy = || -> io::Result<()> {
        let mut out = File::options().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
        io::copy(&mut File::open(from)?, &mut out)?;
        out.sync_all()?;
        fs::rename(&new, to)?;
        to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
        fs::remove_file(from)
    };
    // One that was cut short left it behind.
    let _none = fs::remove_file(&new);
    let copied = copy().inspect_err(|_| drop(fs::remove_file(&new)));
    copied.with_context(|| format!("{} cannot be moved to {}", from.display(), to.display()))
}

fn sync(path: &Path) -> anyhow::Result<()> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.with_context(|| format!("{} cannot be synced", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTER: &str = "spool/0190c1a4-5b7e-7000-8000-000000000001";
    const OLD_LETTER: &str = "spool/0190c1a4-5b7e-7000-8000-000000000002";
    const PARTS: [&str; 6] = ["waypost.db", "activity.db", "srs.secrets", "tls/key.pem", "acme/gw.example.pem", LETTER];

    /// A gateway whose parts lie all over, with a backup in the stage.
    struct House {
        folder: tempfile::TempDir,
        config: Config,
        places: Places,
    }

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut config = Config::load(None, &std::collections::BTreeMap::new()).unwrap().config;
            config.data_dir = folder.path().join("data");
            config.database = folder.path().join("elsewhere/my.db");
            config.srs.secrets_file = folder.path().join("secrets/my.secrets");
            let mut house = Self { places: Places::of(&config), config, folder };
            make_folder(&house.at("data")).unwrap();
            std::os::unix::fs::symlink("../large/log.db", house.at("data/activity.db")).unwrap();
            house.places = house.seen_anew();
            for name in OLD {
                house.write(name, "old");
            }
            for name in PARTS {
                house.write(&format!("data/{STAGE}/{name}"), name);
            }
            house
        }

        fn seen_anew(&self) -> Places {
            Places::of(&self.config)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            make_folder(self.at(name).parent().unwrap()).unwrap();
            fs::write(self.at(name), text).unwrap();
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
        }

        /// Every file with its contents, by its path without the date of what is kept.
        fn files(&self) -> BTreeSet<(String, String)> {
            let mut files = BTreeSet::new();
            let mut folders = vec![self.folder.path().to_owned()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                        continue;
                    }
                    let name = path.strip_prefix(self.folder.path()).unwrap().to_str().unwrap();
                    let plain = name.split('/').map(|part| if part.starts_with(KEPT) { KEPT } else { part });
                    files.insert((plain.collect::<Vec<_>>().join("/"), fs::read_to_string(&path).unwrap()));
                }
            }
            files
        }
    }

    const OLD: [&str; 7] = [
        "elsewhere/my.db",
        "elsewhere/my.db-wal",
        "large/log.db",
        "secrets/my.secrets",
        "data/tls/old.pem",
        "data/relay.password",
        "data/spool/0190c1a4-5b7e-7000-8000-000000000002",
    ];

    fn is_replaced(house: &House) {
        for (name, part) in [
            ("elsewhere/my.db", "waypost.db"),
            ("data/activity.db", "activity.db"),
            ("large/log.db", "activity.db"),
            ("secrets/my.secrets", "srs.secrets"),
            ("data/tls/key.pem", "tls/key.pem"),
            ("data/acme/gw.example.pem", "acme/gw.example.pem"),
        ] {
            assert_eq!(house.read(name), part, "{name}");
        }
        assert_eq!(house.read(&format!("data/{LETTER}")), LETTER);
        assert!(house.at("data/activity.db").is_symlink());
        let old: BTreeSet<_> =
            house.files().into_iter().filter(|(_, text)| text == "old").map(|(name, _)| name).collect();
        let kept = |folder: &str, name: &str| format!("{folder}/{KEPT}/{name}");
        let all = [
            kept("elsewhere", "my.db"),
            kept("elsewhere", "my.db-wal"),
            kept("large", "log.db"),
            kept("secrets", "my.secrets"),
            kept("data", "tls/old.pem"),
            kept("data", "relay.password"),
            kept("data", OLD_LETTER),
        ];
        assert_eq!(old, BTreeSet::from(all));
        assert!(!house.places.are_changing() && !house.places.stage().exists());
        assert!(house.places.folders().iter().all(|folder| !folder.join(ASIDE).exists()));
    }

    #[test]
    fn every_file_goes_where_the_configuration_has_it_and_what_was_there_is_kept() {
        let house = House::new();
        let kept = house.places.replace().unwrap();
        assert_eq!(kept.len(), 4, "{kept:?}");
        is_replaced(&house);
        assert!(house.places.finish().unwrap().is_empty(), "nothing is left to do");
        is_replaced(&house);
    }

    #[test]
    fn cut_short_at_any_step_it_goes_on_and_loses_nothing() {
        let mut untouched = 0;
        for step in 1.. {
            let mut house = House::new();
            let before: BTreeSet<_> = house.files().into_iter().filter(|(_, text)| text == "old").collect();
            house.places.faults = Faults::armed();
            house.places.faults.fail_at(step);
            let done = house.places.replace();
            if done.is_ok() {
                assert!(step > 15 && untouched == 1, "{step} {untouched}");
                return is_replaced(&house);
            }
            house.places = house.seen_anew();
            if house.places.are_changing() {
                house.places.finish().unwrap();
                is_replaced(&house);
            } else {
                untouched += 1;
                assert_eq!(house.files(), before, "step {step}");
                assert!(
                    house.places.folders().iter().all(|folder| !folder.join(ASIDE).exists()),
                    "nothing is left over"
                );
            }
        }
    }

    /// What a release that could not go on has left behind.
    #[test]
    fn what_was_set_aside_before_is_never_overwritten() {
        let house = House::new();
        house.write("data/restore.before/relay.password", "older");
        let kept = house.places.replace().unwrap();
        let passwords: Vec<_> = fs::read_dir(house.at("data")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let read = |path: &PathBuf| fs::read_to_string(path.join("relay.password")).ok();
        let mut passwords: Vec<_> = passwords.iter().filter_map(read).collect();
        passwords.sort();
        assert_eq!((kept.len(), passwords), (4, vec!["old".to_owned(), "older".to_owned()]));
    }

    #[test]
    fn a_file_that_goes_to_another_disk_is_whole_there_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(folder.path().join("to.new"), "cut short").unwrap();
        move_far(&from, &to).unwrap();
        assert!(!from.exists() && fs::read_to_string(&to).unwrap() == "new");
        assert!(move_far(&from, &to).is_err(), "there is nothing to move");
        assert_eq!(fs::read_to_string(&to).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }
}
