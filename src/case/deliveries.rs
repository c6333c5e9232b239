//! What people are handed by a file of the case, sealed to their keys.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::writing::{Fill, parent, private_dir, replace_while, sync_dir};
use super::{Case, Custody};
use crate::ids::DeliveryName;
use crate::outbox::{Outbox, Sealed};

const DELIVERIES: &str = "deliveries";

/// What people are handed, in the case's own directory.
#[derive(Debug)]
pub struct Deliveries {
    dir: PathBuf,
    custody: Custody,
}

impl Deliveries {
    /// Of a case. Nothing is made before there is something to deliver.
    pub fn of(case: &Case) -> Self {
        Self { dir: case.dir.join(DELIVERIES), custody: case.custody.clone() }
    }

    /// Where what is not handed over yet is kept. No delivery has a name that ends so.
    fn staged(&self, name: &DeliveryName) -> PathBuf {
        self.dir.join(format!("{name}.staged"))
    }
}

impl Outbox for Deliveries {
    fn stage(&self, name: &DeliveryName, sealed: &Sealed) -> io::Result<()> {
        let made = !self.dir.is_dir();
        private_dir(&self.dir).map_err(io::Error::other)?;
        if made {
            sync_dir(parent(&self.dir)).map_err(io::Error::other)?;
        }
        let fill: Fill<'_> = &|out| out.write_all(sealed.text().as_bytes());
        replace_while(&self.custody, &self.staged(name), fill).map_err(io::Error::other)
    }

    fn hand_over(&self, name: &DeliveryName) -> io::Result<bool> {
        self.custody.check()?;
        let delivered = self.dir.join(name.as_str());
        match fs::rename(self.staged(name), &delivered) {
            Ok(()) => {}
            // Done before a crash, and not written down.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !delivered.is_file() {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
        File::open(&self.dir)?.sync_all()?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use tempfile::TempDir;

    use super::super::tests::{names, saved};
    use super::*;

    #[test]
    fn what_is_handed_over_was_staged_and_is_for_its_owner_only() {
        let dir = TempDir::new().unwrap();
        let case = Case::create(dir.path(), "a", &saved(), &[]).unwrap();
        let outbox = Deliveries::of(&case);
        let key = "age12wr39gcccvmwgr0tqay0g3dfnp83chsf7syu8rxddecqf5juxpds6aq6jp";
        let key = crate::ids::AgeRecipient::parse(key).unwrap();
        let sealed = |text: &str| {
            let value = crate::secret::Secret::new(text.to_owned());
            Sealed::to(std::slice::from_ref(&key), &value).unwrap()
        };
        let name = DeliveryName::parse("alice.password.age").unwrap();
        assert!(!outbox.hand_over(&name).unwrap(), "there is nothing");
        assert!(!case.dir().join(DELIVERIES).exists());
        outbox.stage(&name, &sealed("one")).unwrap();
        let last = sealed("two");
        outbox.stage(&name, &last).unwrap();
        let delivered = case.dir().join(DELIVERIES).join("alice.password.age");
        assert!(!delivered.exists());
        for _ in 0..2 {
            assert!(outbox.hand_over(&name).unwrap());
            assert_eq!(fs::read_to_string(&delivered).unwrap(), last.text());
        }
        assert_eq!(names(&case.dir().join(DELIVERIES)), ["alice.password.age"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&delivered), mode(&case.dir().join(DELIVERIES))), (0o600, 0o700));
    }
}
