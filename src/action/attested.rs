//! What a person does outside, and stands up for: the common part of `manual.close` and `manual.open`.
//!
//! Nothing is called. A person does what is written, and attests it (`portcullis attest`); where the playbook
//! names a probe, its answer must agree, now and whenever it is looked at again. Without a probe there is the
//! person's word and nothing else, and the proof says so.

use serde::{Deserialize, Serialize};

use super::manual_open::Open;
use super::{ByHand, Draft, Inverse, PlanError};
use crate::inventory::{Inventory, Probe, Tried, Unread, Want};
use crate::journal::{Note, Position, Said};
use crate::plan::{Barrier, Credential, Effect, Subject};
use crate::playbook::{Beside, Field, FieldType, Proof, Such};

const WAY_IN: FieldType = FieldType::Such(&Such {
    of: FieldType::Text,
    expected: "a name for a way in: letters, digits, hyphens, dots and underscores",
    example: "webmail",
    judge: |value| {
        let fits = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        Such::text(value, fits, "name it in a word or two: webmail, vpn-staff")
    },
});

const HOST_AND_PORT: FieldType = FieldType::Such(&Such {
    of: FieldType::Text,
    expected: "a host and a port",
    example: "mail.example.org:443",
    judge: |value| {
        let fits = |text: &str| Probe::tcp(text).is_some();
        Such::text(value, fits, "write it as mail.example.org:443")
    },
});

const PAGE: FieldType = FieldType::Such(&Such {
    of: FieldType::Text,
    expected: "a page that can be asked for: a URL, without a name and a password",
    example: "https://mail.example.org/login",
    judge: |value| {
        let fits = |text: &str| Probe::http(text).is_some();
        Such::text(value, fits, "write it as https://mail.example.org/login")
    },
});

const STATUS: FieldType = FieldType::Such(&Such {
    of: FieldType::Integer,
    expected: "the status of an answer, 100 to 599",
    example: "503",
    judge: |value| {
        Such::number(value, 100..=599, "write the one that the page answers with, like 503")
    },
});

pub(super) const FIELDS: &[Field] = &[
    Field::required("covers", WAY_IN, "The way in, by a name of its own: `webmail`"),
    Field::required("what", FieldType::Text, "What a person does, in a few words"),
    Field::optional("instructions", FieldType::Text, "How it is done"),
    Field::optional("owner", FieldType::Text, "Who does it"),
    Field::optional(
        "tcp",
        HOST_AND_PORT,
        "What is tried, as host:port: it must be open, or not, as the step wants it",
    ),
    Field::optional("http", PAGE, "The page that is asked for instead, a URL")
        .beside(&[Beside::Not("tcp"), Beside::With("status")]),
    Field::optional("status", STATUS, "The status that the page then answers with")
        .beside(&[Beside::Not("tcp"), Beside::With("http")]),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    covers: String,
    what: String,
    instructions: Option<String>,
    owner: Option<String>,
    tcp: Option<String>,
    http: Option<String>,
    status: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    covers: String,
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe: Option<Expected>,
}

/// What a probe answers when the change is done.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    probe: Probe,
    /// `None`: open or not, as the change wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// What it answered when the plan was made, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Tried>,
}

/// Whether a way in is closed, or opened again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Close,
    Open,
}

/// What is tried, of a form that its type has judged.
fn probe_of(inputs: &Inputs) -> Result<Option<Probe>, PlanError> {
    match (&inputs.tcp, &inputs.http, inputs.status) {
        (None, None, None) => Ok(None),
        (Some(tcp), None, None) => Ok(Probe::tcp(tcp)),
        (None, Some(url), Some(_)) => Ok(Probe::http(url)),
        _ => Err(PlanError::Impossible {
            message: format!("what is tried for `{}` is not clear", inputs.covers),
            help: "give `tcp` alone, or `http` with the `status` that it answers with when this is done".to_owned(),
        }),
    }
}

pub(super) fn wants(inputs: &Inputs) -> Vec<Want> {
    let probe = probe_of(inputs).ok().flatten();
    probe.map(|probe| Want::Probe(Box::new(probe))).into_iter().collect()
}

pub(super) fn plan(
    inputs: &Inputs,
    inventory: &Inventory,
    way: Way,
) -> Result<Vec<(Draft, Change)>, PlanError> {
    let probe = probe_of(inputs)?;
    // What cannot be tried now is tried again when it is attested.
    let before = probe.as_ref().and_then(|probe| inventory.probe(probe).ok().copied());
    let found = match (&probe, before) {
        (None, _) => "known to nobody but those who run it".to_owned(),
        (Some(probe), None) => format!("{probe} could not be tried"),
        (Some(probe), Some(answer)) => format!("{probe} {answer}"),
    };
    let subject =
        Subject::Credential { credential: Credential::Manual { name: inputs.covers.clone() } };
    let barrier = Barrier::Attested;
    let (effect, before_it, after) = match way {
        Way::Close => (Effect::Cuts { subject, barrier }, found, "closed"),
        // What is found now is not what will be found then: a step before it closes it.
        Way::Open => (Effect::Lifts { subject, barrier }, "closed".to_owned(), "open again"),
    };
    let status = inputs.status.and_then(|status| u16::try_from(status).ok());
    let probe = probe.map(|probe| Expected { probe, status, before });
    let tried = match &probe {
        Some(expected) => format!(", and {}", wanted(expected, way)),
        None => String::new(),
    };
    let draft = Draft {
        target: format!("way in {}", inputs.covers),
        what: inputs.what.clone(),
        before: before_it,
        after: format!("{after}, as somebody attests{tried}"),
        already: false,
        effects: vec![effect],
        irreversible: None,
    };
    let change = Change {
        covers: inputs.covers.clone(),
        what: inputs.what.clone(),
        instructions: inputs.instructions.clone(),
        owner: inputs.owner.clone(),
        probe,
    };
    Ok(vec![(draft, change)])
}

/// What a probe is to answer, in words.
fn wanted(expected: &Expected, way: Way) -> String {
    match (expected.status, way) {
        (Some(status), _) => format!("{} answers {status}", expected.probe),
        (None, Way::Close) => format!("{} is not open", expected.probe),
        (None, Way::Open) => format!("{} is open", expected.probe),
    }
}

/// What a person is to do and to attest.
pub(super) fn asks(change: &Change) -> String {
    let mut text = format!("{}: {}", change.covers, change.what);
    if let Some(instructions) = &change.instructions {
        text += &format!(" ({instructions})");
    }
    if let Some(owner) = &change.owner {
        text += &format!("; it is for {owner} to do");
    }
    text
}

/// How a person opens again what a person has closed. What was tried is tried the other way around, where it was seen to
/// be open before it was closed. What was shut before stays so, and nobody is asked about it.
pub(super) fn opened_again(closed: &Change) -> Option<Inverse> {
    let before = closed.probe.as_ref().and_then(|expected| Some((expected, expected.before?)));
    if before.is_some_and(|(expected, answer)| agrees(expected, Way::Close, answer)) {
        return None;
    }
    let probe = before.and_then(|(expected, answer)| {
        let status = match (expected.status, answer) {
            (None, Tried::Open) => None,
            (Some(closed), Tried::Status(open)) if open != closed => Some(open),
            _ => return None,
        };
        Some(Expected { probe: expected.probe.clone(), status, before: None })
    });
    let what = format!("Open it again, by taking back: {}", closed.what);
    let tried = match &probe {
        Some(expected) => format!(", and {}", wanted(expected, Way::Open)),
        None => String::new(),
    };
    let subject =
        Subject::Credential { credential: Credential::Manual { name: closed.covers.clone() } };
    let draft = Draft {
        target: format!("way in {}", closed.covers),
        what: what.clone(),
        before: "closed, as attested".to_owned(),
        after: format!("open again, as somebody attests{tried}"),
        already: false,
        effects: vec![Effect::Lifts { subject, barrier: Barrier::Attested }],
        irreversible: None,
    };
    let opened = Change {
        covers: closed.covers.clone(),
        what,
        instructions: None,
        owner: closed.owner.clone(),
        probe,
    };
    Some(Inverse::by::<Open>(draft, &opened))
}

/// The same without this program.
pub(super) fn by_hand(change: &Change) -> ByHand {
    ByHand { commands: Vec::new(), console: asks(change) }
}

pub(super) fn look(change: &Change) -> Vec<Want> {
    change.probe.iter().map(|one| Want::Probe(Box::new(one.probe.clone()))).collect()
}

/// The last word that it is done.
fn word(notes: &[Note]) -> Option<&Said> {
    notes.iter().rev().find_map(|note| match note {
        Note::Attested { said, .. } => Some(said),
        _ => None,
    })
}

fn agrees(expected: &Expected, way: Way, answer: Tried) -> bool {
    match (expected.status, way) {
        (Some(status), _) => answer == Tried::Status(status),
        (None, Way::Close) => matches!(answer, Tried::Refused | Tried::Silence),
        (None, Way::Open) => answer == Tried::Open,
    }
}

pub(super) fn judge(
    change: &Change,
    notes: &[Note],
    facts: &Inventory,
    way: Way,
) -> Result<Position, Unread> {
    let Some(said) = word(notes) else { return Ok(Position::Before) };
    let Some(expected) = &change.probe else { return Ok(Position::After) };
    let answer = *facts.probe(&expected.probe)?;
    if agrees(expected, way, answer) {
        return Ok(Position::After);
    }
    Ok(Position::Between {
        why: format!("{} attests it, and {} {answer}", said.by, expected.probe),
    })
}

/// How much a look shows, and what it shows. A word alone is a word.
pub(super) fn shows(
    change: &Change,
    notes: &[Note],
    facts: &Inventory,
    way: Way,
) -> Option<(Proof, String)> {
    let said = word(notes)?;
    let evidence = said.evidence.as_ref().map_or(String::new(), |shown| format!(" ({shown})"));
    let attested = format!("attested by {}{evidence}", said.by);
    let answered = |expected: &Expected| facts.probe(&expected.probe).ok().copied();
    let Some((expected, answer)) =
        change.probe.as_ref().and_then(|expected| Some((expected, answered(expected)?)))
    else {
        return Some((Proof::ReadBack, format!("{attested}; nothing was tried")));
    };
    let now = format!("{} {answer}", expected.probe);
    // Refused after it was let in, by the same try from the same place: that is because of it.
    let contrast = expected.before.filter(|before| {
        *before != answer && answer != Tried::Silence && !agrees(expected, way, *before)
    });
    Some(match contrast {
        Some(before) => {
            let then = format!("{} {before} when the plan was made", expected.probe);
            (Proof::Enforced, format!("{then}, and {now}; {attested}"))
        }
        None => (Proof::Settled, format!("{now}; {attested}")),
    })
}

/// What is said where it is not attested, or the probe does not agree.
pub(super) fn refusal(change: &Change, notes: &[Note], way: Way) -> String {
    let asked = asks(change);
    match (word(notes), &change.probe) {
        (Some(said), Some(expected)) => format!(
            "{} attests it, and what is tried does not agree, or could not be tried: see to it that {}. {asked}",
            said.by,
            wanted(expected, way)
        ),
        _ => format!("a person is to do this and to attest it. {asked}"),
    }
}
