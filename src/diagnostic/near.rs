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
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| {
            let near = folded(candidate);
            let distance = strsim::osa_distance(&wanted, &near);
            (distance, wanted.len().max(near.len()), candidate)
        })
        .filter(|(distance, longest, _)| *distance <= (longest / 3).max(1) && distance < longest)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, candidate)| candidate)
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
