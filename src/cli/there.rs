//! Where the commands go that people are told to type, and as whom: each can be pasted as it stands.
//!
//! Whoever runs a case knows neither where it lies nor with which flags the program was called, and what a run says is
//! kept in the journal, which is read anywhere. So its commands name the case as [`crate::plan::Plan::case`] does. Here
//! the place is put in, and the flags behind it.

use std::fmt;
use std::path::Path;

use serde_json::Value;

use super::by_hand::{quoted, typed};
use super::rehearse;
use crate::case::{self, accounts};
use crate::ids::Arn;
use crate::journal::{Place, State};
use crate::plan::SavedPlan;

/// What must be typed behind a command so that it goes to the same place as the same person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct There {
    /// As whom: the profile, the role, what shows that it is he.
    pub(super) person: Vec<Flag>,
    /// To where: the endpoint, the region.
    pub(super) place: Vec<Flag>,
}

/// A flag of the command line, and its value.
pub(super) type Flag = (&'static str, String);

/// Whose credentials are taken.
pub(super) const PROFILE: &str = "profile";
/// The device whose code is asked for.
pub(super) const MFA_SERIAL: &str = "mfa-serial";
/// Where requests go.
pub(super) const REGION: &str = "region";
pub(super) const ENDPOINT_URL: &str = "endpoint-url";
/// Where cases lie, where nothing else is typed.
pub(super) const CASES: &str = "cases";
/// What shows as whom a command is typed, and where it goes.
const PERSON: &[&str] = &[PROFILE, ROLE, EXTERNAL_ID, MFA_SERIAL, EXTERNAL_ID_OF];
const PLACE: &[&str] = &[REGION, ENDPOINT_URL];

/// The role that a command assumes.
pub(super) const ROLE: &str = "role-arn";
/// What that role asks for besides.
pub(super) const EXTERNAL_ID: &str = "external-id";
/// What the role in another account asks for besides.
pub(super) const EXTERNAL_ID_OF: &str = "external-id-of";

const COMMAND: &str = "portcullis ";
/// How a run names its case.
const CASE: &str = " CASE";

impl There {
    /// The endpoint alone.
    pub(super) fn at(endpoint: Option<&String>) -> Self {
        let place = endpoint.map(|url| (ENDPOINT_URL, url.clone()));
        Self { person: Vec::new(), place: place.into_iter().collect() }
    }

    /// As whoever last worked on a case, where that was on this machine: elsewhere his profile means somebody else, or
    /// nobody. Of a case that nobody has worked on no more is known than where its plan goes.
    pub(super) fn of(saved: &SavedPlan, state: Option<&State>) -> Self {
        let place = state.and_then(|state| state.worker.as_ref()?.place.as_ref());
        let Some(place) = place.filter(|place| !place.flags.is_empty()) else {
            return Self::at(saved.plan.endpoint.as_ref());
        };
        let flags = |known: &[&'static str]| -> Vec<Flag> {
            let of = |(flag, value): &(String, String)| {
                Some((*known.iter().find(|known| **known == flag.as_str())?, value.clone()))
            };
            place.flags.iter().filter_map(of).collect()
        };
        let is_here = place.host == case::here().host;
        let person = if is_here { flags(PERSON) } else { Vec::new() };
        Self { person, place: flags(PLACE) }
    }

    /// This process, as it was called.
    pub(super) fn here(&self) -> Place {
        let flags = self.person.iter().chain(&self.place);
        let flags = flags.map(|(flag, value)| ((*flag).to_owned(), value.clone())).collect();
        Place { flags, ..case::here() }
    }

    /// The same place, as somebody else: whoever needs no profile leaves that out.
    pub(super) fn for_others(&self) -> Self {
        let is_by_profile = self.person.iter().any(|(flag, _)| *flag == PROFILE);
        let person = is_by_profile.then(|| (PROFILE, "NAME".to_owned()));
        Self { person: person.into_iter().collect(), place: self.place.clone() }
    }

    /// The same for a command that begins a case, which is to lie where those of `root` do.
    pub(super) fn among(&self, root: &Path) -> Self {
        let mut there = self.clone();
        if root != Path::new(CASES) {
            there.place.push(("cases", root.display().to_string()));
        }
        there
    }

    /// The same for a command that begins a case, which is to lie where the one in `dir` does.
    pub(super) fn beside(&self, dir: &Path) -> Self {
        match accounts::whole_or_itself(dir).parent() {
            Some(root) if !root.as_os_str().is_empty() => self.among(root),
            _ => self.among(Path::new(".")),
        }
    }

    /// The same for a command that says itself which role it assumes.
    fn in_role(&self, role: &str) -> Self {
        let account = Arn::parse(role).map(|role| role.account().to_owned()).unwrap_or_default();
        let flag = |(flag, value): &Flag| match *flag {
            ROLE | EXTERNAL_ID => None,
            EXTERNAL_ID_OF => {
                let id = value.strip_prefix(&account)?.strip_prefix('=')?;
                Some((EXTERNAL_ID, id.to_owned()))
            }
            other => Some((other, value.clone())),
        };
        Self { person: self.person.iter().filter_map(flag).collect(), place: self.place.clone() }
    }
}

impl fmt::Display for There {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, value) in self.person.iter().chain(&self.place) {
            write!(f, " --{flag} {}", quoted(value))?;
        }
        Ok(())
    }
}

/// What a run said of the case in `dir`, or of one that it is a part of, with what its commands lack.
pub(super) fn placed(text: &str, dir: &Path, there: &There) -> String {
    let home = accounts::whole_or_itself(dir);
    // Of a rehearsal, the account that it would go to is a real one.
    let is_played = rehearse::is_played(&home);
    let whole = typed(&home);
    let (mut placed, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(COMMAND) {
        let (before, command) = rest.split_at(at + COMMAND.len());
        let word = command.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(command.len());
        let (word, behind) = command.split_at(word);
        if word == "cut"
            && is_played
            && let Some(before) = before.strip_suffix(&format!("`{COMMAND}"))
            && let Some((_, behind)) = behind.split_once('`')
        {
            placed.push_str(before);
            placed.push_str("in a rehearsal by a step of its playbook alone");
            rest = behind;
            continue;
        }
        placed.push_str(before);
        placed.push_str(word);
        rest = behind;
        if let Some(behind) = behind.strip_prefix(CASE) {
            let is_named = |c: char| c == '/' || c.is_ascii_alphanumeric();
            let end = behind.find(|c| !is_named(c)).unwrap_or(behind.len());
            let (part, behind) = behind.split_at(end);
            placed.push_str(&format!(" {whole}{part}{}", flags_of(word, there)));
            rest = behind;
        } else if word == "cut" {
            let role = behind.strip_prefix(&format!(" --{ROLE} "));
            let role = role.and_then(|role| role.split(' ').next());
            let there = role.map_or_else(|| there.clone(), |role| there.in_role(role));
            placed.push_str(&there.beside(dir).to_string());
        }
    }
    placed.push_str(rest);
    placed
}

/// The flags behind a command about a case.
fn flags_of(word: &str, there: &There) -> String {
    match word {
        // Read from the case alone.
        "status" | "report" => String::new(),
        // Two people are asked, or one who has not spoken yet.
        "approve" | "clear" => there.for_others().to_string(),
        _ => there.to_string(),
    }
}

/// The same in a document.
pub(super) fn placed_in(told: &mut Value, dir: &Path, there: &There) {
    match told {
        Value::String(text) if text.contains(COMMAND) => *text = placed(text, dir, there),
        Value::Array(all) => all.iter_mut().for_each(|one| placed_in(one, dir, there)),
        Value::Object(fields) => fields.values_mut().for_each(|one| placed_in(one, dir, there)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_about_a_case_go_where_it_lies_as_the_same_person() {
        let role = "arn:aws:iam::111122223333:role/ir".to_owned();
        let there = There {
            person: vec![
                ("profile", "ir".to_owned()),
                (ROLE, role),
                (EXTERNAL_ID_OF, "444455556666=ID".to_owned()),
            ],
            ..There::at(Some(&"http://[::1]:4599".to_owned()))
        };
        let of = "my cases/1/accounts/444455556666";
        let said = |text: &str| placed(text, Path::new(of), &there);
        let all = "--profile ir --role-arn arn:aws:iam::111122223333:role/ir --external-id-of 444455556666=ID \
                   --endpoint-url 'http://[::1]:4599'";
        assert_eq!(
            said("; then: portcullis attest CASE/accounts/111122223333 leak.1"),
            format!("; then: portcullis attest 'my cases/1'/accounts/111122223333 {all} leak.1"),
        );
        assert_eq!(
            said("(`portcullis resume CASE`), `portcullis status CASE`, the CASE"),
            format!(
                "(`portcullis resume 'my cases/1' {all}`), `portcullis status 'my cases/1'`, the CASE"
            ),
        );
        assert_eq!(
            said("portcullis approve CASE rotate"),
            "portcullis approve 'my cases/1' --profile NAME --endpoint-url 'http://[::1]:4599' rotate",
        );
        assert_eq!(
            said(
                "portcullis cut --user a; portcullis cut --role-arn arn:aws:iam::444455556666:role/r --user b"
            ),
            format!(
                "portcullis cut {all} --cases 'my cases' --user a; portcullis cut --profile ir --external-id ID \
                 --endpoint-url 'http://[::1]:4599' --cases 'my cases' --role-arn arn:aws:iam::444455556666:role/r --user b"
            ),
        );
        let played = tempfile::tempdir().unwrap();
        std::fs::write(played.path().join("world.json"), "{}").unwrap();
        assert_eq!(
            placed("Cut it: `portcullis cut --user=a`; or else", played.path(), &there),
            "Cut it: in a rehearsal by a step of its playbook alone; or else",
            "there is a real account behind the command",
        );
        let mut told = serde_json::json!({"next": ["portcullis resume CASE"], "n": 1});
        placed_in(&mut told, Path::new("c"), &There::default());
        assert_eq!(told, serde_json::json!({"next": ["portcullis resume c"], "n": 1}));
    }
}
