//! What somebody most likely meant: the word that is nearest to what he typed, if one is near enough to say so.

/// The candidate that `text` most likely was meant to be, if one is near enough to say so.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing this long is a slip of the finger, and comparing takes the product of the lengths.
    const LONGEST: usize = 80;
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let folded = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let wanted = folded(text);
    let candidates: Vec<&str> = candidates.into_iter().collect();
    // The end of a name with dots in it is no slip: `secret.seal`.
    let mut endings = candidates.iter().filter(|candidate| {
        let front = candidate.strip_suffix(text);
        front.is_some_and(|front| front.ends_with('.'))
    });
    if let (Some(whole), None) = (endings.next(), endings.next()) {
        return Some(whole);
    }
    let letters = letters_of(text);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        // Where a thousand names are wrong, each is held against a thousand that are right: most of them are told apart by
        // what letters they have.
        .filter(|candidate| {
            let most = most_apart(text.len().max(candidate.len()));
            text.len().abs_diff(candidate.len()) <= most
                && letters
                    .iter()
                    .zip(letters_of(candidate))
                    .map(|(one, other)| one.abs_diff(other))
                    .sum::<usize>()
                    <= 2 * most
        })
        .map(|candidate| {
            let near = folded(candidate);
            let distance = strsim::osa_distance(&wanted, &near);
            (distance, wanted.len().max(near.len()), candidate)
        })
        .filter(|(distance, longest, _)| *distance <= most_apart(*longest) && distance < longest)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, candidate)| candidate)
}

/// By how many slips two names of that length may differ.
fn most_apart(longest: usize) -> usize {
    (longest / 3).clamp(1, 5)
}

/// How often each letter is there. Each slip changes two of the counts by one, or one.
fn letters_of(text: &str) -> [usize; 32] {
    let mut letters = [0; 32];
    for letter in text.chars() {
        let folded = match letter {
            '_' | ' ' => '-',
            letter => letter.to_ascii_lowercase(),
        };
        // What falls together is told apart less often, and never wrongly.
        letters[folded as usize % 32] += 1;
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_by_its_end_where_that_is_of_no_other() {
        let kinds = ["secretsmanager.secret.seal", "iam.user.quarantine", "iam.role.quarantine"];
        assert_eq!(nearest("secret.seal", kinds), Some(kinds[0]));
        assert_eq!(nearest("role.quarantine", kinds), Some(kinds[2]));
        assert_eq!(nearest("ole.quarantine", kinds), Some(kinds[2]), "a slip of the finger");
        assert_eq!(nearest("quarantine", kinds), None);
    }

    #[test]
    fn only_near_misses_are_suggested() {
        let keys = ["id", "phase", "uses", "with", "needs"];
        assert_eq!(nearest("phsae", keys), Some("phase"));
        assert_eq!(nearest("need", keys), Some("needs"));
        assert_eq!(nearest("Uses", keys), Some("uses"));
        assert_eq!(nearest("xyz", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest(&"a".repeat(100_000), keys), None);
    }
}
