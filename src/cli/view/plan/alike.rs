//! What is left alone, with what is alike told once: a thousand users whom one role's trust admits are one line,
//! with the first of them and how many more. What is told apart is told by its words; where they are names of this plan,
//! or have a digit in them, they are what may differ. Pure: returns text, and cannot fail.

use std::collections::{BTreeMap, BTreeSet};

use super::super::plain;
use super::few;
use crate::diagnostic::grouped;
use crate::plan::{Effect, Plan, Untouched};

/// Things left alone that differ in names alone.
pub(super) struct Alike<'a> {
    all: Vec<&'a Untouched>,
    /// By what the others are told from the first and from each other.
    others: Vec<String>,
}

impl Alike<'_> {
    /// The first of them with why, and which others there are.
    pub(super) fn whole(&self) -> String {
        let mut line = self.first();
        if self.all.len() > 1 {
            let others: Vec<&str> = self.others.iter().map(String::as_str).collect();
            line += &format!("; and {} alike: {}", grouped(self.all.len() - 1), few(&others));
        }
        line
    }

    /// The same in few words, with how many there are where it is not cut off.
    pub(super) fn brief(&self) -> String {
        match self.all.len() {
            1 => self.first(),
            n => {
                let Untouched { what, why } = self.all[0];
                format!("{} ({} alike): {}", plain(what), grouped(n), plain(why))
            }
        }
    }

    /// What it is, with how many are alike.
    pub(super) fn named(&self) -> String {
        let first = plain(&self.all[0].what);
        match self.all.len() {
            1 => first,
            n => format!("{first} ({} alike)", grouped(n)),
        }
    }

    fn first(&self) -> String {
        let first = self.all[0];
        format!("{}: {}", plain(&first.what), plain(&first.why))
    }
}

/// What is left alone: ways in, and then what steps leave and what nobody looked at. Ways in of one name stand
/// together; of several names only where there would be more than `most` lines of them otherwise.
pub(super) fn left_alone(plan: &Plan, most: usize) -> (Vec<Alike<'_>>, Vec<Alike<'_>>) {
    let names = names(plan);
    let (ways_in, other): (Vec<&Untouched>, Vec<&Untouched>) =
        plan.untouched.iter().partition(|left| rank(left) == 0);
    if most == usize::MAX {
        let each = |all| gathered(all, |left| (left.what.clone(), left.why.clone()));
        return (each(&ways_in), by_rank(each(&other)));
    }
    let shape = |text: &str| shape(text, &names);
    let mut of_ways_in = gathered(&ways_in, |left| (left.what.clone(), shape(&left.why)));
    if of_ways_in.len() > most {
        of_ways_in = gathered(&ways_in, |left| (shape(&left.what), shape(&left.why)));
    }
    let of_other = gathered(&other, |left| {
        // Steps that do nothing for the same reason are named, whatever they are called.
        let what = if rank(left) == 1 { String::new() } else { shape(&left.what) };
        (what, shape(&left.why))
    });
    (of_ways_in, by_rank(of_other))
}

/// Sentences, of those that differ in names alone the first, with how many more of them there are.
pub(super) fn sentences(plan: &Plan, all: &[String]) -> Vec<String> {
    let names = names(plan);
    let mut told: Vec<(String, &str, usize)> = Vec::new();
    for one in all {
        let shape = shape(one, &names);
        match told.iter_mut().find(|(known, ..)| *known == shape) {
            Some((.., more)) => *more += 1,
            None => told.push((shape, one, 0)),
        }
    }
    let told = told.into_iter().map(|(_, first, more)| match more {
        0 => plain(first),
        n => format!("{} ({} more are alike)", plain(first), grouped(n)),
    });
    told.collect()
}

/// So many are named of whom the same is said; of more nobody reads every name at once.
const EACH: usize = 48;

/// Sentences about one thing each, all of them: of those that differ in some words the first, and what those words are in each
/// of the others.
pub(super) fn each(all: &[&str]) -> String {
    let words: Vec<Vec<&str>> = all.iter().map(|one| one.split_whitespace().collect()).collect();
    let mut told: Vec<(&Vec<&str>, Vec<&Vec<&str>>)> = Vec::new();
    for one in &words {
        match told.iter_mut().find(|(first, _)| first.len() == one.len() && are_alike(first, one)) {
            Some((_, others)) => others.push(one),
            None => told.push((one, Vec::new())),
        }
    }
    let told = told.into_iter().map(|(first, others)| {
        let differs = |column: &usize| others.iter().any(|one| one[*column] != first[*column]);
        let differ: Vec<usize> = (0..first.len()).filter(differs).collect();
        let mut seen = BTreeSet::new();
        let others = others.iter().map(|one| {
            let these = differ.iter().map(|column| plain(bare(one[*column])));
            these.collect::<Vec<_>>().join(" of ")
        });
        let others: Vec<String> = others.filter(|one| seen.insert(one.clone())).collect();
        let first = plain(&first.join(" "));
        let more = match others.len().saturating_sub(EACH) {
            0 => String::new(),
            n => format!(" and {} more, which --all names", grouped(n)),
        };
        match others.len() {
            0 => first,
            1 if others[0].is_empty() => first,
            n => format!("{first}; the same of {}{more}", others[..n.min(EACH)].join(", ")),
        }
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Whether most of the words of two sentences are the same.
fn are_alike(one: &[&str], other: &[&str]) -> bool {
    let same = one.iter().zip(other).filter(|(a, b)| a == b).count();
    same * 2 > one.len()
}

fn by_rank(mut all: Vec<Alike<'_>>) -> Vec<Alike<'_>> {
    all.sort_by_key(|alike| rank(alike.all[0]));
    all
}

/// Ways in, then steps that do nothing, then what nobody looked at.
fn rank(left: &Untouched) -> u8 {
    const NOT_LOOKED_AT: [&str; 4] =
        ["everything else", "other readers", "roles of accounts", "MFA device"];
    if left.what.starts_with("step `") {
        return 1;
    }
    if NOT_LOOKED_AT.iter().any(|start| left.what.starts_with(start)) { 2 } else { 0 }
}

fn gathered<'a>(
    all: &[&'a Untouched],
    key: impl Fn(&Untouched) -> (String, String),
) -> Vec<Alike<'a>> {
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&'a Untouched>> = Vec::new();
    for &left in all {
        let at = *places.entry(key(left)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(left);
    }
    groups.into_iter().map(|all| Alike { others: others(&all), all }).collect()
}

/// What each of the others is told by: what they are, or else why. Where one word differs it is that word, else all of
/// what they are, or the words that differ beside each other: no word of one is told apart from those that go with it.
fn others(all: &[&Untouched]) -> Vec<String> {
    let differing = |of: fn(&Untouched) -> &str, whole: bool| -> Vec<String> {
        let words: Vec<Vec<&str>> =
            all.iter().map(|&left| of(left).split_whitespace().collect()).collect();
        let columns = words.iter().map(Vec::len).max().unwrap_or(0);
        let differs =
            |column: &usize| words.iter().any(|of| of.get(*column) != words[0].get(*column));
        let differ: Vec<usize> = (0..columns).filter(differs).collect();
        let mut seen = BTreeSet::new();
        let told = words.iter().zip(all).map(|(words, left)| {
            if whole && differ.len() > 1 {
                return plain(of(left));
            }
            let these = differ.iter().filter_map(|column| words.get(*column));
            these.map(|word| plain(bare(word))).collect::<Vec<_>>().join(" ")
        });
        let told: Vec<String> = told.filter(|told| seen.insert(told.clone())).collect();
        told.into_iter().skip(1).collect()
    };
    let what = differing(|left| &left.what, true);
    if what.is_empty() { differing(|left| &left.why, false) } else { what }
}

/// The text with a mark for each word that may differ.
fn shape(text: &str, names: &BTreeSet<String>) -> String {
    let words = text.split_whitespace().map(|word| {
        let may_differ = word.contains(|c: char| c.is_ascii_digit()) || names.contains(bare(word));
        if may_differ { "*" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The word without what stands around it in a sentence.
fn bare(word: &str) -> &str {
    word.trim_matches(|c| "(),;:`".contains(c))
}

/// Names that the plan's lines have in them.
fn names(plan: &Plan) -> BTreeSet<String> {
    let roles = plan.roles.iter().filter_map(|reach| reach.sessions.principal());
    let users = plan.roles.iter().map(|reach| reach.user.to_string());
    let principals = plan.principals.iter().cloned().chain(roles);
    let effects = plan.changes.iter().flat_map(|change| &change.effects);
    let secrets = effects.filter_map(Effect::secret).map(ToString::to_string);
    principals.map(|one| one.name().to_owned()).chain(users).chain(secrets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_said_of_each_nothing_is_left_out() {
        let deletes = |key, user| format!("deletes access key {key} for good: {user} holds 2 keys");
        let all = [deletes("A1", "ada"), deletes("B1", "bob"), deletes("B2", "bob")];
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(each(&all[..1]), "deletes access key A1 for good: ada holds 2 keys");
        let first = "deletes access key A1 for good: ada holds 2 keys";
        assert_eq!(each(&all), format!("{first}; the same of B1 of bob, B2 of bob"));
        assert_eq!(each(&[all[0], all[0]]), first);
        assert_eq!(each(&[all[0], "wipes the disk"]), format!("{first}; wipes the disk"));
    }

    #[test]
    fn what_differs_in_several_words_is_told_with_those_that_go_together() {
        let told = |all: &[(&str, &str)]| {
            let all: Vec<Untouched> = all
                .iter()
                .map(|(what, why)| Untouched { what: (*what).into(), why: (*why).into() })
                .collect();
            let all: Vec<&Untouched> = all.iter().collect();
            gathered(&all, |_| (String::new(), String::new()))[0].whole()
        };
        let keys = [("key a1 of ada", "x"), ("key s1 of ada", "x"), ("key s2 of bob", "x")];
        assert_eq!(told(&keys), "key a1 of ada: x; and 2 alike: key s1 of ada, key s2 of bob");
        let one = [("key a1 of ada", "x"), ("key a2 of ada", "x"), ("key a3 of ada", "x")];
        assert_eq!(told(&one), "key a1 of ada: x; and 2 alike: a2, a3");
        let why = [("role r", "admits ada (as a1)"), ("role r", "admits bob (as b1)")];
        assert_eq!(told(&why), "role r: admits ada (as a1); and 1 alike: bob b1");
    }
}
