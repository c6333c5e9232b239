//! What a case comes to, in figures, and those in five sentences; of one account, or of several added up.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::{AccountId, ChangeId};
use crate::journal::{ChangeState, Decoded, Entry, Note, State, Witness};
use crate::ledger::{self, Ledger, Row, Standing};
use crate::plan::{Credential, Effect, Plan};
use crate::playbook::Proof;

/// The figures of one account, or of all of a case.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    title: String,
    accounts: Vec<AccountId>,
    opened_at: Option<Timestamp>,
    rehearsal: bool,
    standings: BTreeMap<&'static str, usize>,
    users: usize,
    roles: usize,
    cut: usize,
    /// Of those that had been cut, how many work again; and how many were found innocent and are kept out all the same.
    opened_again: usize,
    still_kept_out: usize,
    /// When the last of these was found innocent by as many as it takes, and when the last was opened.
    found_innocent: Option<Timestamp>,
    last_opened: Option<Timestamp>,
    /// Whether the case was taken back.
    taken_back: bool,
    /// Of those that were cut, how many were tried themselves, and how many in the way that a canary was.
    tried: usize,
    inferred: usize,
    /// How many were deleted, once such a cut of them had been shown so.
    deleted: usize,
    /// How many were tried and let in all the same.
    let_in: usize,
    /// Ways in that people closed, by their word; and how many of those were probed and refuse.
    by_hand: usize,
    probed: usize,
    issued: usize,
    /// How surely the cuts were proven when the gate was last opened before anything was handed out, and when that was.
    opened: Option<(Proof, Timestamp)>,
    open: usize,
    /// Whether all of it ended with nothing left to say.
    over: bool,
}

impl Figures {
    pub(super) fn of(plan: &Plan, decoded: &Decoded, state: &State, ledger: &Ledger) -> Self {
        let mut standings = BTreeMap::new();
        for row in &ledger.rows {
            *standings.entry(row.standing.word()).or_default() += 1;
        }
        let users = plan.users().count();
        let cut: Vec<&Row> = ledger.rows.iter().filter(|row| is_cut(&row.standing)).collect();
        let of = |way: Way| cut.iter().filter(|row| way_of(row, state) == way).count();
        // A seal stands, and so may what people are only asked to open.
        let still_stands = |row: &Row| match &row.credential {
            Credential::SecretValue { .. } => {
                !ledger::barriers(plan, state, &row.credential).is_empty()
            }
            Credential::Manual { .. } => plan.changes.reaching(&row.credential).any(|change| {
                let lifts = |effect: &Effect| matches!(effect, Effect::Lifts { .. });
                change.effects.iter().any(lifts)
                    && state.record(&change.id).attempts > 0
                    && state.record(&change.id).state != ChangeState::Seen
            }),
            _ => false,
        };
        let was_cut = |row: &&Row| {
            !is_cut(&row.standing)
                && !still_stands(row)
                && plan
                    .changes
                    .reaching(&row.credential)
                    .any(|change| change.cuts() && state.record(&change.id).seen.is_some())
        };
        let were_cut: Vec<&Row> = ledger.rows.iter().filter(was_cut).collect();
        let keeps_out = |row: &&&Row| {
            matches!(&row.standing, Standing::Cleared { barriers, .. }
                if barriers.iter().any(|barrier| barrier.blocks()))
        };
        let still_kept_out = were_cut.iter().filter(keeps_out).count();
        let named = |row: &&Row| {
            let spoken = state.cleared.get(&row.credential)?;
            Some(spoken.last()?.at.at).filter(|_| matches!(row.standing, Standing::Cleared { .. }))
        };
        let opened = plan.changes.iter().filter(|change| {
            change.effects.iter().any(|effect| matches!(effect, Effect::Lifts { .. }))
        });
        let probed = of(Way::ByHand { probed: true });
        Self {
            title: plan.title.clone(),
            accounts: vec![plan.account.clone()],
            opened_at: decoded.lines.first().map(|line| line.at),
            rehearsal: state.opened.as_ref().is_some_and(|opened| opened.rehearsal),
            standings,
            users,
            roles: plan.principals.len() - users,
            cut: cut.len(),
            opened_again: were_cut.len() - still_kept_out,
            still_kept_out,
            found_innocent: were_cut.iter().filter_map(named).max(),
            last_opened: opened.filter_map(|change| Some(state.record(&change.id).seen?.at)).max(),
            taken_back: plan.is_undo(),
            tried: of(Way::Itself),
            inferred: of(Way::Canary),
            deleted: of(Way::Deleted),
            let_in: of(Way::LetIn),
            by_hand: of(Way::ByHand { probed: false }) + probed,
            probed,
            issued: ledger.issued.len(),
            opened: opened_for_the_first(plan, decoded),
            open: ledger.unaccounted().count(),
            over: state.finished.is_some_and(|exit| exit == 0),
        }
    }

    /// Those of another account of the same case besides.
    pub(super) fn with(mut self, other: Self) -> Self {
        self.accounts.extend(other.accounts);
        self.opened_at = self.opened_at.into_iter().chain(other.opened_at).min();
        self.rehearsal |= other.rehearsal;
        for (word, count) in other.standings {
            *self.standings.entry(word).or_default() += count;
        }
        self.users += other.users;
        self.roles += other.roles;
        self.cut += other.cut;
        self.opened_again += other.opened_again;
        self.still_kept_out += other.still_kept_out;
        self.found_innocent = self.found_innocent.max(other.found_innocent);
        self.last_opened = self.last_opened.max(other.last_opened);
        self.taken_back |= other.taken_back;
        self.tried += other.tried;
        self.inferred += other.inferred;
        self.deleted += other.deleted;
        self.let_in += other.let_in;
        self.by_hand += other.by_hand;
        self.probed += other.probed;
        self.issued += other.issued;
        // No gate opens before the cuts of all are proven: the first, and the weakest proof of any.
        self.opened = match (self.opened, other.opened) {
            (Some((proof, at)), Some((other, then))) => Some((proof.min(other), at.min(then))),
            (one, other) => one.or(other),
        };
        self.open += other.open;
        self.over &= other.over;
        self
    }

    /// How the cuts were shown to work, each counted once, by what was tried of its own.
    fn how_sure(&self) -> String {
        match (self.cut, self.opened()) {
            (0, None) => return "Nothing was cut.".to_owned(),
            (0, Some(opened)) => return opened,
            _ => {}
        }
        let are =
            |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let mut told = vec![
            are(self.tried, "was tried itself and refused", "were tried themselves and refused"),
            are(
                self.inferred,
                "is cut in a way that was shown to work on a stand-in made for it",
                "are cut in a way that was shown to work on a stand-in made for it",
            ),
        ];
        if self.deleted > 0 {
            told.push(are(
                self.deleted,
                "is deleted, and its cut was shown to work on a stand-in made for it",
                "are deleted, and their cut was shown to work on a stand-in made for it",
            ));
        }
        if self.let_in > 0 {
            told.push(are(self.let_in, "was tried and LET IN", "were tried and LET IN"));
        }
        if self.by_hand > 0 {
            let closed = are(
                self.by_hand,
                "is a way in that a person closed and attested",
                "are ways in that people closed and attested",
            );
            let probed = are(self.probed, "was probed and refuses", "were probed and refuse");
            told.push(format!("{closed}, of which {probed}"));
        }
        let other =
            self.cut - (self.tried + self.inferred + self.deleted + self.let_in + self.by_hand);
        if other > 0 {
            told.push(format!(
                "of the other {other} nothing was tried, and what is known of each stands in its row"
            ));
        }
        let opened = self.opened().map_or(String::new(), |opened| format!("{opened} "));
        let are = if opened.is_empty() { "were" } else { "still are" };
        format!("{opened}Of the {} that {are} cut, {}.", self.cut, told.join("; "))
    }

    /// What had been cut and works again, in a sentence.
    fn opened(&self) -> Option<String> {
        let were = self.opened_again + self.still_kept_out;
        if were == 0 {
            return None;
        }
        let on = |what: &str, at: Option<Timestamp>| {
            at.map_or(String::new(), |at| {
                format!(", {what} on {}", at.strftime("%-d %B %Y, %H:%M UTC"))
            })
        };
        let opened = match (self.opened_again, were) {
            (0, _) => "none was opened again yet".to_owned(),
            (1, _) => format!("1 was opened again{}", on("the last", self.last_opened)),
            (n, _) if n == were => {
                format!("all were opened again{}", on("the last", self.last_opened))
            }
            (n, _) => format!("{n} were opened again{}", on("the last", self.last_opened)),
        };
        let kept = match self.still_kept_out {
            0 => String::new(),
            n => format!("; {n} found innocent still kept out"),
        };
        let found = on("found innocent", self.found_innocent);
        Some(match self.cut {
            0 => format!("{were} were cut{found}: {opened}{kept}."),
            cut => format!(
                "{} were cut, of which {were} are no more{found}: {opened}{kept}.",
                cut + were
            ),
        })
    }

    /// What it was, how far it reaches, how sure that is, what was handed out, what is left.
    /// `left` is whether anything is left to do.
    pub(super) fn in_five_sentences(&self, left: bool) -> Vec<String> {
        let opened = match self.opened_at {
            Some(at) => format!("On {} a case was opened", at.strftime("%-d %B %Y, %H:%M UTC")),
            None => "A case was prepared and not begun".to_owned(),
        };
        let rehearsal =
            if self.rehearsal { " This was a rehearsal: nothing of it is real." } else { "" };
        let accounts: BTreeSet<&str> = self.accounts.iter().map(AccountId::as_str).collect();
        let accounts: Vec<&str> = accounts.into_iter().collect();
        let accounts = match &accounts[..] {
            [one] => format!("account {one}"),
            all => format!("{} accounts ({})", all.len(), all.join(", ")),
        };
        let rows = self.standings.values().sum();
        let standings: Vec<String> =
            self.standings.iter().map(|(word, count)| format!("{count} {word}")).collect();
        vec![
            format!("{opened} in {accounts}: {}.{rehearsal}", self.title),
            format!(
                "{} of {} and {} were looked into: {}.",
                counted(rows, "credential"),
                counted(self.users, "user"),
                counted(self.roles, "role"),
                if standings.is_empty() {
                    "none was found".to_owned()
                } else {
                    standings.join(", ")
                }
            ),
            self.how_sure(),
            match (&self.opened, self.issued) {
                (_, 0) => "Nothing new was handed out.".to_owned(),
                (Some((proof, at)), issued) => format!(
                    "{} handed out, the first after {}, when the gate opened: it asks for {proof} proof of every cut that can be \
                     tried.",
                    were(issued, "new credential"),
                    at.strftime("%H:%M UTC")
                ),
                (None, issued) => format!("{} handed out.", were(issued, "new credential")),
            },
            match self.open {
                0 if self.over && self.taken_back && self.issued == 0 && !left => {
                    "It was taken back, and nothing of it is left in place.".to_owned()
                }
                0 if self.over && self.taken_back => {
                    "It was taken back, as far as it could be; what is left in place is listed below.".to_owned()
                }
                0 if self.over && self.standings.contains_key("waived") => {
                    "Nothing is left open but what somebody answers for, for a time.".to_owned()
                }
                0 if self.over => "Nothing is left open.".to_owned(),
                0 if !left => "No credential is unaccounted for.".to_owned(),
                0 => "No credential is unaccounted for; what is still to do is listed below."
                    .to_owned(),
                open => format!(
                    "{} still open or cannot be spoken for: whoever holds one of them may be inside.",
                    if open == 1 {
                        "1 credential is".to_owned()
                    } else {
                        format!("{open} credentials are")
                    }
                ),
            },
        ]
    }
}

/// How surely every cut was proven, and when, as the gate was last opened before the first new credential: by the journal's
/// order, since a gate that was opened may have been shut again and opened anew.
fn opened_for_the_first(plan: &Plan, decoded: &Decoded) -> Option<(Proof, Timestamp)> {
    let issues = |change: &ChangeId| {
        plan.change(change).is_some_and(|change| {
            change.effects.iter().any(|effect| matches!(effect, Effect::Issues { .. }))
        })
    };
    let mut opened = None;
    for line in &decoded.lines {
        for entry in &line.entries {
            match entry {
                Entry::GateOpened { proof } => opened = Some((*proof, line.at)),
                Entry::Applied { change, .. }
                | Entry::Noted { change, note: Note::Minted { .. } }
                    if issues(change) =>
                {
                    return opened;
                }
                Entry::Observed { change, position } if position.is_done() && issues(change) => {
                    return opened;
                }
                _ => {}
            }
        }
    }
    opened
}

/// What was tried of the cut of one credential.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The credential itself: it was refused.
    Itself,
    /// The same cut of a canary.
    Canary,
    /// It was deleted, which is not tried; another cut of it had been, of a canary.
    Deleted,
    /// The credential itself: it was let in.
    LetIn,
    /// A person's work, which may have been probed from outside.
    ByHand { probed: bool },
    /// Nothing: it was read, or something else that stands in its way was tried.
    Nothing,
}

fn way_of(row: &Row, state: &State) -> Way {
    let enforced = row.proof.as_ref().filter(|shown| shown.proof >= Proof::Enforced);
    if row.let_in.is_some() {
        return Way::LetIn;
    }
    if matches!(row.credential, Credential::Manual { .. }) {
        return Way::ByHand { probed: enforced.is_some() };
    }
    match enforced.map(|shown| &shown.by) {
        Some(Witness::Itself { .. }) => Way::Itself,
        // What was deleted is gone by its deletion, whatever was shown of another cut that reached it too.
        Some(Witness::Canary { .. }) => match &row.standing {
            Standing::Dead { by, found_gone } if !is_of_sessions(&row.credential) => {
                let own = state.change(by).proof.filter(|_| !found_gone);
                let shown = own.is_some_and(|own| own.proof >= Proof::Enforced);
                if shown { Way::Canary } else { Way::Deleted }
            }
            _ => Way::Canary,
        },
        Some(Witness::ReadAgain) | None => Way::Nothing,
    }
}

/// Sessions end by themselves behind a deny: the proof of the deny is theirs.
fn is_of_sessions(credential: &Credential) -> bool {
    matches!(credential, Credential::Sessions { .. } | Credential::RoleSessions { .. })
}

/// Whether something stands in the way of what stands so.
fn is_cut(standing: &Standing) -> bool {
    matches!(standing, Standing::Dead { .. } | Standing::Blocked { .. } | Standing::Replaced { .. })
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn were(count: usize, what: &str) -> String {
    let were = if count == 1 { "was" } else { "were" };
    format!("{} {were}", counted(count, what))
}
