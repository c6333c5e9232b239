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
