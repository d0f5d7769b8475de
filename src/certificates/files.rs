//! Keys on disk: nobody but our own user reads them, and they are never found half.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Written beside its place and moved there.
pub(super) fn keep(directory: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    let beside = directory.join(format!("{name}.new"));
    if beside.exists() {
        fs::remove_file(&beside)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&beside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(beside, directory.join(name))?;
    fs::File::open(directory)?.sync_all()
}
