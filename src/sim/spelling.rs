//! Slips of the finger in a world file: where a name stands that nothing has, and what was most likely meant.
//!
//! Knows words and lines, and nothing of what they mean. Where it is not sure it says nothing.

use crate::diagnostic::nearest;

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

/// `message`, with the line of the file that it is about and what was meant, where both are plain: the name that it
/// names stands on one line alone.
pub(super) fn placed(file: &str, message: String) -> String {
    let Some(name) = named(&message) else { return message };
    let mut at = file.lines().enumerate().filter(|(_, line)| words(line).any(|word| word == name));
    let (Some((n, _)), None) = (at.next(), at.next()) else { return message };
    let keys = file.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
    let keys = keys.map(|key| key.trim_start_matches("- ").trim_matches(['"', '\'']));
    let meant = nearest(name, keys.filter(|key| *key != name && key.len() > 2));
    let meant = match meant {
        Some(meant) if message.contains("there is no ") && !message.contains("did you mean") => {
            format!("; did you mean {meant}?")
        }
        _ => String::new(),
    };
    format!("{message} (line {}){meant}", n + 1)
}

/// The name that a message is about: what it says is not there, or the last id in it.
pub(super) fn named(message: &str) -> Option<&str> {
    if let Some((_, what)) = message.rsplit_once("there is no ") {
        return words(what).nth(1);
    }
    words(message).filter(|word| word.contains(|c: char| c.is_ascii_digit())).last()
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
    fn a_name_on_one_line_is_placed_and_one_on_several_is_not() {
        let file = "users:\n  walter: {}\nconsumers:\n  - { as: waltr }\n";
        let told = placed(file, "consumer a: there is no user waltr".to_owned());
        assert_eq!(told, "consumer a: there is no user waltr (line 4); did you mean walter?");
        // As far off as in a playbook.
        let told = placed(&file.replace("waltr", "watler-"), "there is no user watler-".to_owned());
        assert_eq!(told, "there is no user watler- (line 4); did you mean walter?");
        let told = placed(&file.replace("waltr", "zoe"), "there is no user zoe".to_owned());
        assert_eq!(told, "there is no user zoe (line 4)");
        let twice = format!("{file}  - {{ as: waltr }}\n");
        let message = "consumer a: there is no user waltr".to_owned();
        assert_eq!(placed(&twice, message.clone()), message);
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
