//! Lists: an IAM credential report, or any CSV with access key ids in it.
//!
//! A list of keys may have their secrets beside them, so every field is taken for one: of what is wrong only the place,
//! the length and how it begins are told.

use std::ops::Range;

use super::{Finding, LENGTH, Reported, Taking, keys_in, words};
use crate::ids::UserName;
use crate::secret::Secret;

/// Takes what stands in a list.
pub(super) fn csv(name: &str, text: &str, taking: &mut Taking) {
    let mut rows = Rows::of(text);
    let Some(header) = rows.next() else { return };
    let column = |name: &str| header.fields.iter().position(|field| field.text() == name);
    let columns = (
        column("user"),
        column("password_enabled"),
        column("access_key_1_active"),
        column("access_key_2_active"),
    );
    if let (Some(user), Some(password), Some(first), Some(second)) = columns {
        let columns = Columns {
            user,
            password,
            keys: [first, second],
            certificates: [column("cert_1_active"), column("cert_2_active")],
            all: header.fields.len(),
        };
        for row in rows.by_ref() {
            columns.take(&row, taking);
            if taking.is_full() {
                break;
            }
        }
    } else {
        list(name, &header, true, taking);
        for row in rows.by_ref() {
            list(name, &row, false, taking);
            if taking.is_full() {
                break;
            }
        }
    }
    if let Some(at) = rows.unclosed {
        taking.wrong(at..at + 1, || {
            "a quotation mark that is not closed: what stands behind it cannot be told apart"
                .to_owned()
        });
    }
}

/// Takes the ids in a row of a list of keys.
fn list(name: &str, row: &Row, is_first: bool, taking: &mut Taking) {
    let mut said = false;
    for field in &row.fields {
        for key in keys_in(field.text()) {
            said = true;
            let (kind, place) = ("access key".to_owned(), format!("{name}:{}", row.line));
            taking.findings.found.insert(Finding { key: Some(key), kind, place });
        }
        for word in words(field.text()).filter(|word| is_like_a_key(word)) {
            said = true;
            taking.wrong(field.at.clone(), || no_key(word));
        }
    }
    // The first may well say what stands in the columns, and what is behind `#` is said to people.
    if !said && !is_first && !row.is_blank() && !row.is_remark() {
        taking.unused(row.at..row.at, "no access key id stands in this line");
    }
}

/// Whether a word is meant for the id of an access key, and is none.
fn is_like_a_key(word: &str) -> bool {
    let begins = |with: &str| word.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    // The continent is a word of many lists.
    let is_meant = begins("AKIA") && word.len() >= 8
        || word.starts_with("ASIA") && word.len() >= 8
        || begins("ASIA") && word.len() == LENGTH;
    is_meant && (word.len() != LENGTH || keys_in(word).is_empty())
}

fn no_key(word: &str) -> String {
    let begin = &word[..4];
    if word.len() == LENGTH {
        return format!(
            "no access key id: it begins with `{begin}`, and one has capital letters and digits alone"
        );
    }
    format!(
        "no access key id: {} characters that begin with `{begin}`, and one has {LENGTH}",
        word.len()
    )
}

/// The columns of a credential report.
struct Columns {
    user: usize,
    password: usize,
    keys: [usize; 2],
    certificates: [Option<usize>; 2],
    all: usize,
}

impl Columns {
    fn take(&self, row: &Row, taking: &mut Taking) {
        let here = row.at..row.at;
        if row.is_blank() {
            return;
        }
        if row.fields.len() != self.all {
            let (fields, all) = (row.fields.len(), self.all);
            return taking.wrong(here, || {
                format!("{fields} fields in a credential report that has {all} columns")
            });
        }
        let given = &row.fields[self.user];
        // The root user is a row of its own, and no IAM user.
        if given.text() == "<root_account>" {
            return;
        }
        let Ok(user) = UserName::parse(given.text()) else {
            return taking.wrong(given.at.clone(), || format!("not {}", UserName::EXPECTED));
        };
        let optional = self.certificates.iter().flatten();
        for column in [self.password].iter().chain(&self.keys).chain(optional) {
            let field = &row.fields[*column];
            if !matches!(
                field.text(),
                "true" | "false" | "N/A" | "no_information" | "not_supported"
            ) {
                return taking.wrong(field.at.clone(), || "neither true nor false".to_owned());
            }
        }
        let is_true = |column: &usize| row.fields[*column].text() == "true";
        taking.findings.reported.insert(Reported {
            user,
            password: is_true(&self.password),
            active_keys: self.keys.iter().filter(|column| is_true(column)).count(),
            active_certificates: self.certificates.iter().flatten().filter(|c| is_true(c)).count(),
        });
    }
}

/// A row, and where it begins.
struct Row {
    line: usize,
    at: usize,
    fields: Vec<Field>,
}

/// A field, and where it stands.
struct Field {
    value: Secret,
    at: Range<usize>,
}

impl Field {
    fn text(&self) -> &str {
        self.value.expose()
    }
}

impl Row {
    fn is_blank(&self) -> bool {
        self.fields.iter().all(|field| field.text().is_empty())
    }

    fn is_remark(&self) -> bool {
        self.fields.first().is_some_and(|field| field.text().starts_with('#'))
    }
}

/// Rows of a CSV: fields may be quoted, and quotes doubled in them.
struct Rows<'t> {
    text: &'t str,
    chars: std::iter::Peekable<std::str::CharIndices<'t>>,
    line: usize,
    /// Where a quotation mark stands that is not closed.
    unclosed: Option<usize>,
}

impl<'t> Rows<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, chars: text.char_indices().peekable(), line: 1, unclosed: None }
    }

    /// A field that ends before `end`, with its place.
    fn field(&self, field: &mut String, from: usize, end: usize) -> Field {
        let raw = &self.text[from..end];
        let start = from + raw.len() - raw.trim_start().len();
        let kept = field.trim().to_owned();
        drop(Secret::new(std::mem::take(field)));
        Field { value: Secret::new(kept), at: start..start + raw.trim().len() }
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let at = self.chars.peek()?.0;
        let mut row = Row { line: self.line, at, fields: Vec::new() };
        let (mut field, mut from, mut quoted) = (String::new(), at, None);
        while let Some((here, c)) = self.chars.next() {
            self.line += usize::from(c == '\n');
            match (quoted, c) {
                (Some(_), '"') if self.chars.next_if(|(_, next)| *next == '"').is_some() => {
                    field.push('"');
                }
                (Some(_), '"') => quoted = None,
                (None, '"') => quoted = Some(here),
                (None, ',' | '\n') => {
                    row.fields.push(self.field(&mut field, from, here));
                    from = here + 1;
                    if c == '\n' {
                        return Some(row);
                    }
                }
                (_, c) => field.push(c),
            }
        }
        self.unclosed = quoted;
        row.fields.push(self.field(&mut field, from, self.text.len()));
        Some(row)
    }
}
