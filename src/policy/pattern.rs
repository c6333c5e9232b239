//! `*` and `?` as IAM has them, ARNs segment by segment, and policy variables.
//!
//! A wildcard that comes out of a variable is a plain character: it stands for itself, so a user who
//! may choose a name cannot widen a policy. Such characters are moved out of the way before matching.

use wildmatch::WildMatch;

use super::Context;

const STAR: char = '\u{E000}';
const QUESTION: char = '\u{E001}';

fn literal(text: &str) -> String {
    text.replace('*', "\u{E000}").replace('?', "\u{E001}")
}

/// Whether `text` fits `pattern`, in which variables have been filled in.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(&literal(text))
}

/// The same without regard to case, as actions are compared.
pub(super) fn fits_any_case(pattern: &str, text: &str) -> bool {
    WildMatch::new_case_insensitive(pattern).matches(text)
}

/// Whether an ARN fits a pattern: no wildcard reaches over the first five colons.
pub(super) fn arn_fits(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (patterns, segments): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    patterns.len() == segments.len() && patterns.iter().zip(segments).all(|(p, s)| fits(p, s))
}

/// Fills in `${key}`, `${key, 'default'}`, `${*}`, `${?}` and `${$}`.
/// `None` when a key is absent and has no default: then nothing can match.
pub(super) fn fill_in(text: &str, context: &Context) -> Option<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        filled.push_str(before);
        match name {
            "*" => filled.push(STAR),
            "?" => filled.push(QUESTION),
            "$" => filled.push('$'),
            _ => {
                let (key, default) = match name.split_once(',') {
                    Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
                    None => (name.trim(), None),
                };
                let value = match context.get(key) {
                    Some([one]) => one.as_str(),
                    _ => default?,
                };
                filled.push_str(&literal(value));
            }
        }
        rest = behind;
    }
    filled.push_str(rest);
    Some(filled)
}

/// The same for comparisons in which `*` means nothing: the characters come back as they are.
pub(super) fn fill_in_plain(text: &str, context: &Context) -> Option<String> {
    fill_in(text, context).map(|t| t.replace(STAR, "*").replace(QUESTION, "?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_do_not_reach_over_a_segment_of_an_arn() {
        let role = "arn:aws:iam::111122223333:role/ir/Responder";
        for (pattern, expected) in [
            ("*", true),
            ("arn:aws:iam::*:role/*", true),
            ("arn:aws:iam::111122223333:role/ir/Respond?r", true),
            ("arn:*:role/ir/Responder", false),
            ("arn:aws:iam::*:user/*", false),
            ("arn:aws:iam:*:111122223333:role/*", true),
        ] {
            assert_eq!(arn_fits(pattern, role), expected, "{pattern}");
        }
    }

    #[test]
    fn a_variable_never_becomes_a_wildcard() {
        let mut context = Context::new();
        context.set("aws:username", "*");
        let pattern = fill_in("home/${aws:username}/x", &context).unwrap();
        assert!(fits(&pattern, "home/*/x"));
        assert!(!fits(&pattern, "home/somebody/x"));
        assert_eq!(fill_in_plain("${*}${?}${$}", &context).unwrap(), "*?$");
        assert_eq!(fill_in("${aws:absent}", &context), None);
        assert_eq!(fill_in("${aws:absent, 'no'}", &context).unwrap(), "no");
        assert_eq!(fill_in("a ${ b", &context).unwrap(), "a ${ b");
    }
}
