//! What reaches the screen: colour only where it is wanted, and nothing that a terminal obeys from anybody
//! but us.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::{nothing_a_terminal_obeys, refused};
use crate::hosted::{Hosted, bare, cases_in, playbook_in, quick_world, ran};

const ESCAPE: char = '\u{1b}';

#[test]
fn colour_is_for_those_who_want_it() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let rehearse = || bare(dir.path(), &["rehearse", &playbook]);
    nothing_a_terminal_obeys(&ran(&mut rehearse()).ended_with(11).said());
    let coloured = ran(rehearse().env("CLICOLOR_FORCE", "1")).ended_with(11);
    assert!(coloured.out.contains(ESCAPE) && coloured.err.contains(ESCAPE));
    let dull = ran(rehearse().env("NO_COLOR", "1").env("TERM", "xterm-256color")).ended_with(11);
    nothing_a_terminal_obeys(&dull.said());
    // Without colour every word is still there.
    let stripped = |text: &str| {
        let mut parts = text.split(ESCAPE);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |all, part| all + part.split_once('m').map_or(part, |(_, rest)| rest))
    };
    let same = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("cases/") && !line.contains("head"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(same(&stripped(&coloured.out)), same(&dull.out));
}

/// Everything an intruder may write into a playbook's or a world's texts, forced through as if onto a terminal.
#[test]
fn names_and_texts_from_outside_cannot_move_the_cursor() {
    let evil = "\\e[2J\\e]0;owned\\a\\u202e";
    let world = quick_world()
        .replace("  - name: nightly-backup", &format!("  - name: \"nightly{evil}\""))
        .replace("Sid: Look", &format!("Sid: \"Look{evil}\""));
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let file = dir.path().join(&playbook).join("playbook.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let titled = text.replace("title: ", &format!("title: \"{evil}\" # "));
    assert_ne!(text, titled);
    std::fs::write(&file, titled).unwrap();
    std::fs::write(dir.path().join("w.yaml"), world).unwrap();
    let mut rehearse = bare(dir.path(), &["rehearse", &playbook, "--world", "w.yaml"]);
    // Forced colour, so that nothing is taken out on the way to a pipe.
    let said = ran(rehearse.env("CLICOLOR_FORCE", "1"));
    only_colours(&said.said());
    for input in ["deliver_to", "access_key_id"] {
        let mut rehearse = bare(dir.path(), &["rehearse", &playbook, "--world", "w.yaml"]);
        rehearse.arg(format!("-i{input}=x\u{1b}[2J")).env("CLICOLOR_FORCE", "1");
        only_colours(&ran(&mut rehearse).said());
    }
    let mut status = bare(dir.path(), &["status", "no\u{1b}[2Jwhere"]);
    only_colours(&ran(status.env("CLICOLOR_FORCE", "1")).ended_with(5).err);
}

/// An endpoint that answers everything with an error whose text would clear the screen.
#[test]
fn what_an_endpoint_says_cannot_move_the_cursor() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no\u{9b}2J\u{202e}</Message>\
                        </Error></ErrorResponse>";
            let head = "HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\nconnection: close\r\n";
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
        }
    });
    let hosted = Hosted::new(&quick_world());
    let mut plan = hosted.portcullis(&["plan", &playbook_in(hosted.dir())]);
    plan.args(hosted.typed_inputs()).args(["--endpoint-url", &url]);
    let said = ran(plan.env("CLICOLOR_FORCE", "1")).ended_with(5);
    assert!(said.err.contains("no\\u{9b}2J\\u{202e}"), "shown, not obeyed: {}", said.err);
    only_colours(&said.err);
    refused(ran(plan.env_remove("CLICOLOR_FORCE")), 5, &["AccessDenied"]);
}

/// No control character but those of our own colours.
#[track_caller]
fn only_colours(text: &str) {
    let mut parts = text.split(ESCAPE);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('m').unwrap_or((part, ""));
        let ours = code
            .strip_prefix('[')
            .is_some_and(|code| code.chars().all(|c| c.is_ascii_digit() || c == ';'));
        assert!(ours, "not a colour: {code:?}");
        plain.push_str(rest);
    }
    nothing_a_terminal_obeys(&plain);
    assert!(!plain.contains('\u{202e}'));
}

/// A terminal so many columns wide: our end of it, and the program's.
fn terminal(columns: u16) -> (std::fs::File, std::fs::File) {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};

    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let no_control = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
    let theirs = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(no_control)
        .open(std::ffi::OsStr::from_bytes(name.as_bytes()))
        .unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&theirs, size).unwrap();
    (ours.into(), theirs)
}

#[test]
fn on_a_narrow_terminal_lines_end_between_words_and_no_word_is_lost() {
    const WIDTH: u16 = 60;
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    ran(&mut bare(dir.path(), &["rehearse", &playbook])).ended_with(11);
    let case = cases_in(dir.path()).remove(0);
    let status = || bare(dir.path(), &["status", case.to_str().unwrap()]);
    let plain = ran(&mut status()).ended_with(0).out;
    let (mut ours, theirs) = terminal(WIDTH);
    let mut child = status().stdout(theirs).spawn().unwrap();
    // The other end is closed with the process: on Linux that is an error, elsewhere an end.
    let (mut shown, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = ours.read(&mut bytes) {
        shown.extend(&bytes[..n]);
    }
    assert!(child.wait().unwrap().success());
    let shown = anstream::adapter::strip_str(std::str::from_utf8(&shown).unwrap()).to_string();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&shown), words(&plain));
    assert!(plain.lines().any(|line| line.len() > 100), "there is something to break");
    for line in shown.lines() {
        // A word that is longer than the terminal, and a command that is to be copied, stay whole.
        let wide = line.trim_end().chars().count() > usize::from(WIDTH);
        let one_word = line.split_whitespace().count() == 1;
        let command = line.trim_start_matches([' ', '(', '`']).starts_with("portcullis ");
        assert!(!wide || one_word || command, "{line:?}");
    }
}

#[test]
fn what_could_not_be_written_is_no_success() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut actions = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let ended = actions.arg("actions").stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(5));
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(err.contains("not all could be written to standard output"), "{err}");
}

/// What a program writes to a terminal of that width, without colours.
fn on_terminal(command: &mut Command, columns: u16) -> String {
    shown_on_terminal(command, columns, |command, theirs| command.stdout(theirs))
}

/// The same of what it is told to write there.
fn shown_on_terminal(
    command: &mut Command,
    columns: u16,
    connect: impl Fn(&mut Command, Stdio) -> &mut Command,
) -> String {
    let (mut ours, theirs) = terminal(columns);
    let mut child = connect(command, theirs.into()).spawn().unwrap();
    // The command keeps our copy of the other end, which would never close.
    connect(command, Stdio::null());
    let (mut shown, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = ours.read(&mut bytes) {
        shown.extend(&bytes[..n]);
    }
    child.wait().unwrap();
    anstream::adapter::strip_str(std::str::from_utf8(&shown).unwrap()).to_string()
}

/// In one line, which is rewritten and then gone; what is not a terminal gets none of it.
#[test]
fn a_wait_is_counted_down_on_a_terminal() {
    const SECONDS: u64 = 3;
    let hosted = Hosted::new(&quick_world());
    hosted.save_plan(SECONDS);
    let mut run = hosted.here(&["run", "plan.json", "--yes"]);
    let shown = shown_on_terminal(run.stdout(Stdio::null()), 160, |run, on| run.stderr(on));
    let waits = shown.split("looked at again").skip(1);
    let waits: Vec<&str> = waits.map(|wait| wait.split("settled").next().unwrap()).collect();
    assert!(waits.len() >= 2, "{shown}");
    for wait in waits {
        let counts: Vec<&str> = wait.split('\r').filter(|part| part.contains(" s left")).collect();
        assert!(!counts.is_empty() && counts.iter().all(|count| !count.contains('\n')), "{wait:?}");
        // Blank before anything else is written there.
        let last = wait.rsplit('\r').nth(1).unwrap();
        assert!(last.trim().is_empty(), "{wait:?}");
    }
    let piped = ran(&mut bare(hosted.dir(), &["rehearse", &playbook_in(hosted.dir())]));
    assert!(piped.err.contains("looked at again") && !piped.err.contains(" s left"));
}

/// Words are not broken, and what is drawn under a line of the file stays under it.
#[test]
fn problems_of_a_playbook_fit_a_terminal_of_eighty_columns() {
    let dir = tempfile::TempDir::new().unwrap();
    let folder = dir.path();
    let (mut shown, mut long) = (0, 0);
    for name in [
        "many-at-once",
        "wrong-type--operands",
        "bad-value--literal",
        "gate-proof",
        "bad-expression--duration",
    ] {
        let file = format!("{name}.yaml");
        std::fs::copy(format!("tests/data/broken/{file}"), folder.join(&file)).unwrap();
        let whole = ran(&mut bare(folder, &["check", &file])).err;
        let told = shown_on_terminal(
            bare(folder, &["check", &file]).stdout(Stdio::null()),
            80,
            |check, on| check.stderr(on),
        );
        let told = told.replace("\r\n", "\n");
        for line in told.lines() {
            assert!(line.chars().count() <= 80 || line.contains("portcullis"), "{line:?}");
            shown += 1;
        }
        long += whole.lines().filter(|line| line.chars().count() > 80).count();
        let words = |text: &str| {
            text.split_whitespace()
                .filter(|word| !word.contains('|'))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let outside = |text: &str| {
            text.lines().filter(|line| !line.contains('|')).map(words).collect::<Vec<_>>().concat()
        };
        assert_eq!(outside(&told), outside(&whole), "{told}");
    }
    println!("{shown} lines, of which {long} are too long elsewhere");
    assert!(long > 0);
}

/// A dozen changes at most: with all that they may break, above what must be read before saying yes, which is whole. Many are
/// told by step, and fit a page.
#[test]
fn a_plan_fits_a_screen_and_a_long_one_a_page() {
    // Columns, rows of a screen, rows of a page.
    for (columns, rows, page) in [(80, 41, 106), (120, 31, 90)] {
        fits_a_screen(columns, rows, page);
    }
}

fn fits_a_screen(columns: u16, rows: usize, page: usize) {
    const A_DOZEN: usize = 12;
    let dir = tempfile::TempDir::new().unwrap();
    let mut shown = 0;
    for playbook in std::fs::read_dir("playbooks").unwrap() {
        let playbook = playbook.unwrap().path().canonicalize().unwrap();
        let mut rehearse = bare(dir.path(), &["rehearse", playbook.to_str().unwrap()]);
        let text = on_terminal(&mut rehearse, columns);
        let plan = &text[text.find("Plan for account").unwrap()..];
        // What comes of it is told afterwards.
        let end = plan.find("Every credential concerned").unwrap();
        let told = plan[..end].split("Before you say yes").next().unwrap();
        let lines = told.trim_end().lines().count();
        let counted = plan[..end].split(" changes. About").next().unwrap();
        let changes: usize = counted.rsplit([' ', '\n']).next().unwrap().parse().unwrap();
        println!("{}: {changes} changes, {lines} lines of {columns}", playbook.display());
        let most = if changes <= A_DOZEN { rows } else { page };
        assert!(lines < most, "{}: {lines} lines\n{}", playbook.display(), &plan[..end]);
        // What must be read stands last.
        let (untouched, warned) =
            (plan.find("untouched").unwrap(), plan.find("Before you say yes"));
        assert!(warned.is_none_or(|warned| warned > untouched), "{plan}");
        // How it is taken back; and where a step says why and until when, that too.
        assert!(plan.contains("(back: "), "{plan}");
        if playbook.ends_with("pipeline-sweep") {
            assert!(plan.contains("\n  why: quarantine.1: build works in"), "{plan}");
            assert!(plan.contains("\n  look again: quarantine: 2026-03-31 08:00 UTC"), "{plan}");
        }
        // With all that is to be read before the yes, and what it comes to.
        if playbook.ends_with("leaked-access-key") {
            let whole = plan[..end].split(" changes. About").next().unwrap().lines().count();
            assert!(whole < rows, "{whole} lines\n{}", &plan[..end]);
        }
        let words = plan[untouched..].split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("everything else in account 111122223333"), "{plan}");
        shown += 1;
    }
    assert!(shown > 3);
}

/// Whoever is asked sees of every change what it may break first of all, and from what to what it goes; what is left out
/// is said to be, and can be read before answering.
#[test]
fn nothing_that_decides_the_yes_is_left_out_without_a_sign() {
    use serde_json::Value;

    let hosted = Hosted::new(&quick_world());
    ran(&mut hosted.plan(&[])).ended_with(0);
    let saved = std::fs::read_to_string(hosted.dir().join("plan.json")).unwrap();
    let saved: Value = serde_json::from_str(&saved).unwrap();
    let plan = &saved["content"]["plan"];
    let changes = plan["changes"].as_array().unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    std::fs::write(hosted.dir().join("typed"), "all\nall\n").unwrap();
    for columns in [80, 120] {
        let mut run = hosted.here(&["run", "plan.json"]);
        run.stdin(std::fs::File::open(hosted.dir().join("typed")).unwrap());
        let shown = shown_on_terminal(run.stdout(Stdio::null()), columns, |run, on| run.stderr(on));
        let shown = words(&shown);
        let parts: Vec<&str> = shown.split("To go on, type its twelve digits").collect();
        let [first, whole, end] = parts[..] else { panic!("{shown}") };
        assert!(whole.starts_with("; to read all of the plan first, type all:"), "{whole}");
        assert!(end.contains("nothing was changed"), "asked once more, and no more: {end}");
        assert!(
            first.contains("`...` and +N: see --all, or type `all` at the question"),
            "{first}"
        );
        for (input, value) in plan["inputs"].as_object().unwrap() {
            if let Some(value) = value.as_str().filter(|value| !value.is_empty()) {
                assert!(first.contains(&format!("{input}={value}")), "{first}");
            }
        }
        for change in changes {
            let text = |field: &str| words(change[field].as_str().unwrap());
            let hazards: Vec<&str> = change["hazards"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one.as_str().unwrap())
                .collect();
            let told = match hazards.len() - 1 {
                0 => hazards[0].to_owned(),
                more => format!("{} +{more}", hazards[0]),
            };
            assert!(first.contains(&told), "{told}: {first}");
            let (before, after) = (text("before"), text("after"));
            let starts = |text: &str| text.chars().take(12).collect::<String>();
            // A second pass is told with the first: it does the same again.
            if text("what").contains("sessions again") {
                assert!(first.contains("; again, behind every cut of what mints them"), "{first}");
            } else {
                assert!(first.contains(&starts(&before)), "{before}: {first}");
                assert!(first.contains(&format!("-> {}", starts(&after))), "{after}: {first}");
            }
            // Where its step is written stands there too, however narrow it is.
            assert!(first.contains(&format!("line {})", change["line"])), "{change}: {first}");
            for all in hazards.iter().map(|one| words(one)).chain([before, after, text("undo")]) {
                assert!(whole.contains(&all), "{all}: {whole}");
            }
        }
    }
    let mut run = hosted.here(&["run", "plan.json", "--all"]);
    let shown = shown_on_terminal(run.stdout(Stdio::null()), 80, |run, on| run.stderr(on));
    assert!(words(&shown).contains("sessions that the key has minted live on for up to 36 hours"));
}
