//! Long lines on a terminal: broken between words, and what follows hangs under where the text began.
//!
//! A command that is to be typed is never broken: it must survive being copied. Colours take no room. Every
//! character counts as one column, which is true of what is written here.

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
    for word in words(line) {
        let wide = columns(word.trim_end());
        // What fits a line of its own is whole there, further to the left if it must be: an id is copied.
        let indent = if hang + wide > width && wide <= width { width - wide } else { hang };
        if column > indent && column + wide > width {
            let kept = wrapped.trim_end_matches(' ').len();
            wrapped.truncate(kept);
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        }
        wrapped.push_str(word);
        column += columns(word);
    }
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

/// The words of a line, each with the spaces behind it; those before the first are part of it. A command is
/// one word, to the backtick or the end of the line.
fn words(line: &str) -> Vec<&str> {
    const COMMAND: &str = "portcullis ";
    let mut words = Vec::new();
    let mut start = 0;
    while start < line.len() {
        let rest = &line[start..];
        let text = rest.len() - rest.trim_start_matches([' ', '(']).len();
        let command = rest[text..].trim_start_matches('`').starts_with(COMMAND);
        let end = if command {
            let ticked = rest[text..].starts_with('`');
            let close =
                if ticked { rest[text + 1..].find('`').map(|at| text + 1 + at) } else { None };
            close.map_or(rest.len(), |at| rest[at..].find(' ').map_or(rest.len(), |end| at + end))
        } else {
            rest[text..].find(' ').map_or(rest.len(), |end| text + end)
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
    fn a_question_keeps_the_space_before_its_answer() {
        assert_eq!(wrap("To go on, type its digits: ", 16), "To go on, type\n  its digits: ");
    }
}
