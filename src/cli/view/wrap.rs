//! Long lines on a terminal: broken between words, and what follows hangs under where the text began.
//!
//! A command that is to be typed is never broken, and of a line that does not fit has one of its own: it must survive being
//! copied. Colours take no room. Every
//! character counts as one column, which is true of what is written here.

const COMMAND: &str = "portcullis ";

/// The furthest column that text after a label hangs at.
const FURTHEST: usize = 24;
/// The narrowest column of text; below it nothing hangs.
const NARROWEST: usize = 24;

/// `text` with lines of at most `width` columns, where words allow it.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if columns(line) <= width {
            wrapped.push_str(line);
        } else {
            one(&mut wrapped, line, width);
        }
        wrapped.push_str(end);
    }
    wrapped
}

fn one(wrapped: &mut String, line: &str, width: usize) {
    let hang = hang_of(&visible(line));
    let hang = if hang + NARROWEST > width { 2 } else { hang };
    let mut column = 0;
    let break_line = |wrapped: &mut String, indent: usize| {
        let kept = wrapped.trim_end_matches(' ').len();
        wrapped.truncate(kept);
        wrapped.push('\n');
        wrapped.extend(std::iter::repeat_n(' ', indent));
        indent
    };
    for piece in pieces(line) {
        let text = match piece {
            Piece::Command(command) => {
                // However long: a terminal goes on with it in the next line, and it is copied as one.
                let indent = if hang + columns(command) > width { hang.min(2) } else { hang };
                if column > 0 {
                    break_line(wrapped, indent);
                }
                wrapped.push_str(command);
                column = width + 1;
                continue;
            }
            Piece::Text(text) => text,
        };
        for word in words(text) {
            let wide = columns(word.trim_end());
            // What fits a line of its own is whole there, further to the left if it must be: an id is copied.
            let indent = if hang + wide > width && wide <= width { width - wide } else { hang };
            if column > indent && column + wide > width {
                column = break_line(wrapped, indent);
            }
            wrapped.push_str(word);
            column += columns(word);
        }
    }
}

/// A part of a line.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// A command that is to be typed, alone: what parts it from what follows is left out, so that all of its line can be
    /// copied.
    Command(&'a str),
}

/// Text and commands. What stands in backticks is part of its sentence.
fn pieces(line: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest, mut from) = (Vec::new(), line, 0);
    while let Some(at) = rest[from..].find(COMMAND).map(|at| from + at) {
        let is_typed = rest[..at].ends_with(' ') && !is_quoted(&rest[..at]);
        if !is_typed {
            from = at + COMMAND.len();
            continue;
        }
        let (before, command) = rest.split_at(at);
        let (end, behind) = end_of(command);
        if !before.trim().is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Command(&command[..end]));
        (rest, from) = (command[behind..].trim_start_matches(' '), 0);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Whether the text behind `before` stands in backticks.
fn is_quoted(before: &str) -> bool {
    before.matches('`').count() % 2 == 1
}

/// Where a command ends, and where what follows it begins: behind what ends a clause, outside the quotes of a shell.
fn end_of(command: &str) -> (usize, usize) {
    let mut quoted = false;
    for (at, c) in command.char_indices() {
        let behind = &command[at + c.len_utf8()..];
        let ends = match c {
            '\'' => {
                quoted = !quoted;
                false
            }
            ';' | ',' => behind.starts_with(' '),
            '.' => {
                behind.strip_prefix(' ').is_some_and(|next| next.starts_with(char::is_uppercase))
            }
            _ => false,
        };
        if ends && !quoted {
            return (at, at + 1);
        }
    }
    (command.trim_end().len(), command.len())
}

/// Where the text of a line begins, behind its indentation and its label.
fn hang_of(line: &str) -> usize {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let mut hang = if indent > 8 { indent } else { indent + 2 };
    let mut spaces = 0;
    for (column, c) in line.chars().enumerate().take(FURTHEST + 1) {
        if c == ' ' {
            spaces += 1;
            continue;
        }
        if spaces > 1 && column > indent {
            hang = column;
        }
        spaces = 0;
    }
    hang
}

/// The words of a text, each with the spaces behind it; those before the first are part of it. A command in backticks is
/// one word.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let rest = &text[start..];
        let begin = rest.len() - rest.trim_start_matches([' ', '(']).len();
        let space = |from: usize| rest[from..].find(' ').map_or(rest.len(), |end| from + end);
        let ticked = rest[begin..].strip_prefix('`').filter(|of| of.starts_with(COMMAND));
        let end = match ticked {
            Some(of) => of.find('`').map_or(rest.len(), |at| space(begin + 1 + at)),
            None => space(begin),
        };
        let behind = rest[end..].len() - rest[end..].trim_start_matches(' ').len();
        words.push(&rest[..end + behind]);
        start += end + behind;
    }
    words
}

fn columns(text: &str) -> usize {
    visible(text).chars().count()
}

/// The text without its colours.
fn visible(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_as_it_is() {
        let text = "short\n  and   indented \n\n";
        assert_eq!(wrap(text, 40), text);
    }

    #[test]
    fn text_hangs_under_where_it_began() {
        let line = "07:10:00  waiting    3 cuts have time to reach every corner; then they are looked at\n";
        let expected = "\
07:10:00  waiting    3 cuts have time to reach
                     every corner; then they are
                     looked at
";
        assert_eq!(wrap(line, 50), expected);
        let bullet = "    - whatever works under this user stops until it is lifted again";
        let expected = "    - whatever works under this user\n      stops until it is lifted again";
        assert_eq!(wrap(bullet, 40), expected);
        assert_eq!(
            wrap("one two three four five six seven", 20),
            "one two three four\n  five six seven"
        );
    }

    #[test]
    fn an_id_that_fits_a_line_is_whole_on_it() {
        let id = "4447fc0f25ee9f9a821842a5aa1c7d6fb9dab33b";
        let line = format!("  done       leak.1  version {id} of it");
        let (left, hung) = (" ".repeat(20), " ".repeat(21));
        let expected = format!("  done       leak.1  version\n{left}{id}\n{hung}of it");
        assert_eq!(wrap(&line, 60), expected);
        assert_eq!(wrap(&format!("  head       {id}"), 42), format!("  head\n  {id}"));
    }

    #[test]
    fn colours_take_no_room() {
        let line = "\u{1b}[1mNext\u{1b}[0m: a word and another";
        assert_eq!(wrap(line, 24), line);
        assert_eq!(wrap(line, 20), "\u{1b}[1mNext\u{1b}[0m: a word and\n  another");
    }

    #[test]
    fn a_command_is_never_broken() {
        let line =
            "Next: when that is mended: portcullis resume cases/2026-03-24-leaked-access-key-1";
        let expected =
            "Next: when that is mended:\n  portcullis resume cases/2026-03-24-leaked-access-key-1";
        assert_eq!(wrap(line, 40), expected);
        let line = "1 error; `portcullis explain gate-order` says more than that";
        let expected = "1 error;\n  `portcullis explain gate-order`\n  says more than that";
        assert_eq!(
            wrap("answer for it (`portcullis waive CASE X`); then", 24),
            "answer for it\n  (`portcullis waive CASE X`);\n  then"
        );
        assert_eq!(wrap(line, 34), expected);
    }

    #[test]
    fn of_several_commands_in_a_line_each_has_one_of_its_own() {
        let line = "Next: one more approves it: portcullis approve cases/1 rotate --reason 'a; b. C'; then portcullis \
                    resume cases/1. The record: portcullis status cases/1";
        let expected = "\
Next: one more approves it:
  portcullis approve cases/1 rotate --reason 'a; b. C'
  then
  portcullis resume cases/1
  The record:
  portcullis status cases/1";
        assert_eq!(wrap(line, 60), expected);
        // One that fits no line is whole all the same.
        assert!(
            wrap(line, 30).contains("\n  portcullis approve cases/1 rotate --reason 'a; b. C'\n")
        );
        let prose = "name the directory that `portcullis run` printed, or plan: portcullis plan X ... -o plan.json";
        let expected = "\
name the directory that
  `portcullis run` printed, or plan:
  portcullis plan X ... -o plan.json";
        assert_eq!(wrap(prose, 36), expected);
    }

    #[test]
    fn a_question_keeps_the_space_before_its_answer() {
        assert_eq!(wrap("To go on, type its digits: ", 16), "To go on, type\n  its digits: ");
    }
}
