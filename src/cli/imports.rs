//! What others found, from files that `--import` names.
//!
//! Such a file may hold secrets beside what is wrong with it: problems have places, and nothing that stands there is shown.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::case;
use crate::diagnostic::{Code, Diagnostic, Place, Source, counted, grouped};
use crate::findings::{self, Findings, Line, Lines, Reading};
use crate::plan::Import;
use crate::secret::Secret;

/// What the files come to.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) imports: Vec<Import>,
    /// Lines that name no credential; they stop nothing.
    pub(super) unused: Vec<Diagnostic>,
    /// Why not all of it is taken.
    pub(super) problems: Vec<Diagnostic>,
    /// Whether a file has to be mended, and not the command line.
    pub(super) in_a_file: bool,
}

/// Reads them all, and says all that is wrong with them.
pub(super) fn taken(paths: &[PathBuf]) -> Taken {
    let mut taken = Taken::default();
    for path in paths {
        match import(path) {
            Ok((import, lines)) => {
                taken.imports.push(import);
                taken.unused.extend(lines);
            }
            Err(not_taken) => {
                taken.problems.extend(not_taken.problems);
                taken.in_a_file |= not_taken.was_read;
            }
        }
    }
    let said: usize = taken.imports.iter().map(|import| import.findings.count()).sum();
    if said > findings::MOST {
        let what = format!("what --import gives is not taken: {}", findings::too_much());
        let problem = Diagnostic::error(Code::BadInput, what);
        let help = "keep what is of AWS, or plan with some of the files at a time";
        taken.problems.push(problem.help(help));
        taken.in_a_file = true;
    }
    taken
}

/// Why what others found is not taken in.
struct NotTaken {
    problems: Vec<Diagnostic>,
    /// Whether the file was read, and is not one of those that are taken.
    was_read: bool,
}

/// What others found, from a file of theirs, and what of it names no credential. Its text may hold secrets, and is wiped
/// once it was read; none of it is told.
fn import(path: &Path) -> Result<(Import, Vec<Diagnostic>), NotTaken> {
    let shown = path.display();
    let not_taken = |was_read, what: String| {
        let problem = Diagnostic::error(Code::BadInput, what).help(
            "give --import a file of findings (TruffleHog's JSON lines, Gitleaks' JSON), a credential report, or a \
             CSV with access key ids",
        );
        NotTaken { problems: vec![problem], was_read }
    };
    let text = case::read_text(path, findings::MAX_BYTES).map(Secret::new).map_err(|error| {
        let was_read = matches!(error.kind(), ErrorKind::FileTooLarge | ErrorKind::InvalidData);
        not_taken(was_read, format!("findings {shown} cannot be read: {error}"))
    })?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (sha256, reading) = Findings::in_file(&file, &text);
    let source = || Source::withheld(shown.to_string(), text.outline());
    match reading {
        Ok(Reading { findings, unused }) => {
            let unused = lines_told(&source, &unused, Diagnostic::warning);
            Ok((Import { file, sha256, findings }, unused))
        }
        Err(findings::Refused::File(why)) => {
            Err(not_taken(true, format!("findings {shown} are not taken: {why}")))
        }
        Err(findings::Refused::Lines { wrong, unused }) => {
            let lines = match wrong.count() {
                1 => "1 line is not understood".to_owned(),
                n => format!("{} lines are not understood", grouped(n)),
            };
            let refused = format!("findings {shown} are not taken: {lines}");
            let refused = Diagnostic::error(Code::BadInput, refused).help(
                "correct what is marked, or take it out of the file: what is wrong in a list is looked for by nobody",
            );
            let wrong = lines_told(&source, &wrong, Diagnostic::error);
            let unused = lines_told(&source, &unused, Diagnostic::warning);
            let problems = [refused].into_iter().chain(wrong).chain(unused).collect();
            Err(NotTaken { problems, was_read: true })
        }
    }
}

/// Lines of what others found that are not used, each with its place, and how many more there are.
fn lines_told(
    source: &dyn Fn() -> Source,
    lines: &Lines,
    said: fn(Code, String) -> Diagnostic,
) -> Vec<Diagnostic> {
    if lines.count() == 0 {
        return Vec::new();
    }
    let source = source();
    let of = |line: &Line| {
        said(Code::BadInput, line.why.clone()).at(Place::new(&source, line.at.clone()), "")
    };
    let more = (lines.more > 0).then(|| {
        let more = counted(lines.more, "line");
        said(Code::BadInput, format!("{more} more of {} not used, for such reasons", source.name()))
    });
    more.into_iter().chain(lines.told.iter().map(of)).collect()
}
