//! What is told of several accounts to be typed is typed: by a shell, as it stands, about the account it is told of.

use std::path::Path;
use std::process::Command;

use super::{PLAYBOOK, WORLD, with_an_admin_there};
use crate::check::{portcullis, said};
use crate::hosted::{Hosted, Ran, ran, ran_typing};
use crate::words::Rehearsal;

/// The commands in `said` that begin with `words`, each once, to the tick or the end of what is asked.
fn to_type<'s>(said: &'s str, words: &str) -> Vec<&'s str> {
    let begins = said.match_indices("portcullis ").map(|(at, _)| &said[at..]);
    let commands = begins.filter(|command| command.starts_with(words)).map(|command| {
        let end = command.find(['`', ';', '\n']).unwrap_or(command.len());
        &command[..end]
    });
    let mut commands: Vec<&str> = commands.collect();
    commands.sort_unstable();
    commands.dedup();
    commands
}

#[test]
fn what_is_to_be_typed_about_one_account_of_several_is_said_alike_in_every_one_and_works_as_it_stands()
 {
    let world = with_an_admin_there(&WORLD.replace("lag: 4s", "lag: 200ms"));
    let hosted = Hosted::new(&world);
    let closed = "steps:\n  - { id: leak, in: home, phase: contain, uses: manual.close, with: { covers: leak, what: Close it } }\n";
    let new = "inventory.access_keys(each.name).exists(key, key.created_at >= inputs.leaked_at)";
    let playbook = PLAYBOOK.replace(new, "each.name == 'billing'").replacen("steps:\n", closed, 1);
    std::fs::write(hosted.dir().join("p.yaml"), playbook).unwrap();
    let plan = ["plan", "p.yaml", "-o", "plan.json", "--margin", "1", "--gate", "settled"];
    let leaked = hosted.cloud.now() - std::time::Duration::from_hours(5 * 24);
    let mut inputs = hosted.typed_inputs();
    inputs.retain(|input| !input.starts_with("-ileaked_at="));
    inputs.push(format!("-ileaked_at={leaked}"));
    ran(hosted.here(&plan).args(&inputs)).ended_with(0);
    let typed = |line: &str, then: &str| -> Ran {
        let program = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
        let of = hosted.portcullis(&[]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &line.replace("TEXT", "'so it is'")]);
        shell.current_dir(hosted.dir()).env_clear();
        shell.envs(of.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("PATH", format!("{}:/usr/bin:/bin", program.display()));
        ran_typing(&mut shell, then)
    };
    let run = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(13);
    // In the other account somebody hangs a key and a password on whom nobody looks at.
    hosted.meanwhile(async |iam| {
        iam.create_access_key().user_name("backup").send().await.unwrap();
        let password = iam.create_login_profile().user_name("backup");
        password.password("Correct-Horse-7").send().await.unwrap();
    });
    let resume = to_type(&run.out, "portcullis resume");
    let [resume] = resume[..] else { panic!("{resume:?}") };
    let run = typed(resume, "").ended_with(13);
    let case = hosted.case();
    let status = ran(&mut hosted.portcullis(&["status", case.to_str().unwrap()])).ended_with(0);
    // In the section of each account, by the run and by the status, it is the same command.
    let attest = to_type(&run.out, "portcullis attest");
    let case = case.strip_prefix(hosted.dir()).unwrap().display();
    let expected = [
        format!(
            "portcullis attest {case}/accounts/111122223333 --endpoint-url {} leak.1",
            hosted.url
        ),
        format!(
            "portcullis attest {case}/accounts/111122223333 leak.1 --endpoint-url {}",
            hosted.url
        ),
    ];
    assert_eq!(attest, expected, "{}", run.out);
    let why = "nothing cuts the access key ";
    assert_eq!(run.out.matches("nothing cuts the way in").count(), 0, "{}", run.out);
    assert!(run.out.contains(why) && status.out.contains("unaccounted"), "{}", run.out);
    let cuts = to_type(&run.out, "portcullis cut");
    assert!(cuts.iter().any(|cut| cut.ends_with("--user=backup")), "{cuts:?}");
    let narrow = cuts.iter().find(|cut| cut.contains("--narrow")).unwrap();
    let hung = narrow.split(' ').find(|word| word.starts_with("AKIA")).unwrap();
    let waive = to_type(&run.out, "portcullis waive");
    assert_eq!(waive.len(), 2, "{waive:?}");

    let cut = typed(&format!("{narrow} --margin 1"), "444455556666\n");
    assert!(matches!(cut.code, Some(0 | 11)), "{}", cut.said());
    let before = hosted.cloud.snapshot().0;
    let inactive = before.iter().any(|(what, how)| {
        what.contains(hung) && what.starts_with("444455556666") && how.contains("nactive")
    });
    assert!(inactive, "{before:#?}");
    typed(attest[0], "").ended_with(0);
    let one = typed(waive[0], "").ended_with(0);
    assert!(one.out.contains("Next: 1 row more that nothing cuts"), "{}", one.out);
    let other = to_type(&one.out, "portcullis waive");
    let all = typed(other[0], "").ended_with(0);
    assert!(all.out.contains("Next: portcullis resume"), "{}", all.out);
    let resumed = typed(resume, "").ended_with(11);
    for account in ["111122223333", "444455556666"] {
        assert!(
            resumed.out.contains(&format!("{account}  done, not all proven")),
            "{}",
            resumed.out
        );
    }
}

/// What people are to do in one account holds the others up too, and is asked for once, there.
#[test]
fn of_several_accounts_it_is_said_once_what_people_are_to_do() {
    let case = Rehearsal::shipped("leaked-access-key", "other-accounts.yaml");
    assert_eq!(case.code, Some(13));
    let (_, stands) = case.say(&["status"]);
    let (each, all) = stands.split_once("\n\nCase ").unwrap();
    let of = |account: &str| {
        let of_it = each.split("\nAccount ").find(|part| part.starts_with(account));
        of_it.unwrap_or_else(|| panic!("{account}: {stands}"))
    };
    assert!(of("111122223333").contains(" leak-closed.1; then: portcullis resume "), "{stands}");
    for other in ["444455556666", "222233334444"] {
        let told = of(other);
        assert!(!told.contains("attest") && !told.contains("is asked above"), "{told}");
        assert!(told.contains("Next: it goes on with the others"), "{told}");
    }
    assert_eq!(all.matches("portcullis ").count(), 2, "{all}");
}

/// A word is said of one account, and the report of all says it with the part of the case that it is typed of.
#[test]
fn the_report_of_several_accounts_has_what_is_to_be_said_of_one_with_its_part_of_the_case() {
    let world = WORLD.replacen("      billing:\n", "      billing:\n        password: {}\n", 1);
    let rehearsal = Rehearsal::of(&world, PLAYBOOK);
    let case = rehearsal.case.to_str().unwrap();
    let there = format!("{case}/accounts/444455556666");
    let why = ["--reason", "her laptop was checked", "--as", "anna"];
    let waive = ["waive", &there, "user/billing", "--until", "6m"];
    let waived = portcullis(&[&waive[..], &why].concat());
    assert_eq!(waived.status.code(), Some(0), "{}", said(&waived));
    rehearsal.say(&["undo", "--only", "user/billing", "--yes"]);
    // Minutes have passed in the world since.
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(13), "{screen}");
    let (_, report) = rehearsal.say(&["report"]);
    let (_, left) = report.split_once("Left to do").unwrap();
    for word in ["clear", "waive"] {
        let typed = format!("portcullis {word} {there} password/billing");
        assert!(left.contains(&typed), "{typed}: {report}");
    }
}
