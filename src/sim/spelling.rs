//! Slips of the finger in a world file: where a name stands that nothing has, and what was most likely meant.
//!
//! Knows words and lines, and nothing of what they mean. Where it is not sure it says nothing.

/// Whether one is the other with a letter more, less or changed, or in other capitals: so little that nothing else can be
/// meant, and it is refused.
pub(super) fn is_near(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let same =
        |pairs: &mut dyn Iterator<Item = (&char, &char)>| pairs.take_while(|(a, b)| a == b).count();
    let from_the_left = same(&mut one.iter().zip(&other));
    let from_the_right = same(&mut one.iter().rev().zip(other.iter().rev()));
    let longer = one.len().max(other.len());
    // What is alike on both sides of the slip is all but one letter.
    longer - one.len().min(other.len()) <= 1 && from_the_left + from_the_right + 1 >= longer
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let of_a_name = |c: char| c.is_alphanumeric() || "_-/@+=.".contains(c);
    text.split(move |c: char| !of_a_name(c)).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_more_less_or_changed_is_near_and_another_word_is_not() {
        for near in ["Username", "UserNam", "UserNames", "UserNome", "UserName"] {
            assert!(is_near(near, "UserName"), "{near}");
        }
        for far in ["User", "RoleName", "Name", ""] {
            assert!(!is_near(far, "UserName"), "{far}");
        }
    }

    #[test]
    fn a_name_that_nothing_has_is_told_with_its_line_and_what_was_meant() {
        let told = |reads: &str| {
            let file = format!(
                "world: 1\nnow: 2026-03-24T07:10:00Z\naccounts:\n  \"111122223333\":\n    users:\n      walter: {{}}\n    \
                 roles: {{}}\nsessions:\n  - {{ id: ASIAEXAMPLESESSION01, of: {{ account: \"111122223333\", user: {reads} }}, \
                 kind: console, name: x, issued_at: 2026-03-24T07:00:00Z, expires_at: 2026-03-24T08:00:00Z }}\n"
            );
            crate::sim::World::parse(&file).unwrap_err().to_string()
        };
        let near = told("waltr");
        assert!(near.ends_with("there is no user waltr (line 9); did you mean walter?"), "{near}");
        let far = told("zoe");
        assert!(far.ends_with("there is no user zoe (line 9)"), "{far}");
    }

    #[test]
    fn a_parameter_of_a_deed_that_is_misspelt_is_refused_with_its_line_and_its_name() {
        let file = "world: 1\nnow: 2026-03-24T07:10:00Z\naccounts: {}\nintruder:\n  reacts:\n    - after: 1m\n      deeds:\n        - operation: CreateUser\n          params: { Username: evil }\n";
        let told = crate::sim::World::parse(file).unwrap_err().to_string();
        let expected = "there is no parameter Username; did you mean UserName? (line 9)";
        assert!(told.ends_with(expected), "{told}");
        assert!(crate::sim::World::parse(&file.replace("Username", "UserName")).is_ok());
    }
}
