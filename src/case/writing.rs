//! Files and directories for their owner only, there whole or not at all, and still there after a loss of power.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{CaseError, Custody, io_error};
use crate::plan::{SavedPlan, SavedPlans};

/// Writes a file, whole or not at all, for its owner only.
pub fn replace(path: &Path, text: &str) -> Result<(), CaseError> {
    replace_with(path, &|out| out.write_all(text.as_bytes()))
}

/// The same with the plans of several accounts.
pub fn replace_plans(path: &Path, plans: &SavedPlans) -> Result<(), CaseError> {
    replace_with(path, &|out| plans.write_to(out))
}

/// The same with a plan, of which no second copy is made.
pub fn replace_plan(path: &Path, saved: &SavedPlan) -> Result<(), CaseError> {
    replace_with(path, &|out| saved.write_to(out))
}

/// Writes what a file holds.
pub(super) type Fill<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

fn replace_with(path: &Path, fill: Fill<'_>) -> Result<(), CaseError> {
    replace_if(&|| Ok(()), path, fill)
}

/// The same with a file of a case, which is left alone where the case is not ours any more.
pub(super) fn replace_while(
    custody: &Custody,
    path: &Path,
    fill: Fill<'_>,
) -> Result<(), CaseError> {
    replace_if(&|| custody.check(), path, fill)
}

fn replace_if(
    may: &dyn Fn() -> io::Result<()>,
    path: &Path,
    fill: Fill<'_>,
) -> Result<(), CaseError> {
    // A device or a pipe would be gone for everybody; a link is replaced, and what it leads to stays.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(CaseError::Io { action: "cannot write", path: path.to_owned(), source });
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".making-{}", std::process::id()));
    let making = path.with_file_name(name);
    // Left by an earlier process of the same number, or put there by somebody: not followed, not kept.
    let _ = fs::remove_file(&making);
    let made = write_with(&making, fill).and_then(|()| {
        may().and_then(|()| fs::rename(&making, path)).map_err(io_error("cannot write", path))
    });
    if made.is_err() {
        let _ = fs::remove_file(&making);
    }
    made?;
    sync_dir(parent(path))
}

/// The directories on the way to `path`, itself included, that are not there yet.
pub(super) fn missing(path: &Path) -> Vec<PathBuf> {
    let on_the_way = path.ancestors().filter(|dir| !dir.as_os_str().is_empty());
    on_the_way.take_while(|dir| !dir.exists()).map(Path::to_owned).collect()
}

/// Where the name of `path` is kept.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn private_dir(path: &Path) -> Result<(), CaseError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(io_error("cannot make", path))
}

pub(super) fn private_file(path: &Path, options: &mut OpenOptions) -> Result<File, CaseError> {
    options.mode(0o600).open(path).map_err(io_error("cannot open", path))
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), CaseError> {
    write_with(path, &|out| out.write_all(text.as_bytes()))
}

pub(super) fn write_with(path: &Path, fill: Fill<'_>) -> Result<(), CaseError> {
    let file = private_file(path, OpenOptions::new().write(true).create_new(true))?;
    let mut out = BufWriter::new(file);
    fill(&mut out).and_then(|()| out.flush()).map_err(io_error("cannot write", path))?;
    out.get_ref().sync_all().map_err(io_error("cannot sync", path))
}

pub(super) fn sync_dir(path: &Path) -> Result<(), CaseError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io_error("cannot sync", path))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::tests::names;
    use super::*;

    #[test]
    fn a_file_that_is_replaced_is_the_old_one_or_the_new_one() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("file");
        let texts = ["a".repeat(100_000), "b".repeat(70_000)];
        replace(&path, &texts[0]).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 0..40 {
                    replace(&path, &texts[n % 2]).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = fs::read_to_string(&path).unwrap();
                assert!(texts.contains(&seen), "neither old nor new: {} bytes", seen.len());
            }
        });
        // What cannot be written leaves the old one.
        let making = format!("file.making-{}", std::process::id());
        fs::create_dir(dir.path().join(making)).unwrap();
        assert!(replace(&path, "c").is_err());
        assert!(texts.contains(&fs::read_to_string(&path).unwrap()));
    }

    #[test]
    fn a_link_where_a_file_is_being_made_is_not_followed() {
        let dir = TempDir::new().unwrap();
        let (path, victim) = (dir.path().join("plan.json"), dir.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        let making = dir.path().join(format!("plan.json.making-{}", std::process::id()));
        std::os::unix::fs::symlink(&victim, &making).unwrap();
        replace(&path, "plan").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read_to_string(&path).unwrap(), "plan");
        assert_eq!(names(dir.path()), ["plan.json", "victim"]);
    }
}
