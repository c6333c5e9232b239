//! Several changes in flight: three users cut side by side, every answer late, with crashes and faults by
//! seed. What was under way when it crashed is finished by the resumption, for every user.

use super::{misfortune, seeds};
use crate::side_by_side::each;
use crate::stage::{Left, Stage, WORLD, play};
use crate::verdict::{ACCOUNT, no_effect_came_without_its_intent, no_secret_was_written};

const USERS: [&str; 3] = ["ci-deploy", "ci-build", "ci-test"];

fn world() -> String {
    let more: Vec<String> = USERS[1..]
        .iter()
        .enumerate()
        .map(|(n, user)| {
            format!(
                "      {user}:\n        keys: [{{ id: AKIAEXAMPLEFLIGHT{n}A0 }}, {{ id: AKIAEXAMPLEFLIGHT{n}B0 }}]\n"
            )
        })
        .collect();
    let bystander = "      backup:\n        path: /ops/\n";
    WORLD
        .replace(bystander, &format!("{}{bystander}", more.concat()))
        .replace("lag: 4s", "lag: 4s\nlatency: 300ms")
}

fn playbook() -> String {
    let steps: Vec<String> = USERS
        .iter()
        .map(|user| {
            format!(
                "  - {{ id: {user}-deny, phase: contain, uses: iam.user.quarantine, with: {{ user: {user} }} }}
  - {{ id: {user}-keys, phase: contain, uses: iam.access-key.deactivate, with: {{ user: {user}, keys: all }} }}
  - {{ id: {user}-sessions, phase: contain, uses: iam.user.revoke-sessions, with: {{ user: {user} }} }}
"
            )
        })
        .collect();
    format!(
        "portcullis: 1\nname: three-users\ntitle: Three users at once\nmode: breach\ngate: {{ proof: settled, margin: 60s }}\nsteps:\n{}",
        steps.concat()
    )
}

#[test]
fn changes_in_flight_by_seed_all_stand_in_the_end() {
    let (world, playbook) = (world(), playbook());
    let (backdrop, calls, lines) = play(async {
        let stage = Stage::set(&world, &playbook).await;
        let backdrop = stage.backdrop();
        let planned = stage.cloud.requests();
        stage.resume_to_the_end(1).await;
        let tape = stage.tape.lock().unwrap();
        (backdrop, planned + 1..=stage.cloud.requests(), tape.requests.len())
    });
    let cases = each(&seeds(80), |seed| {
        play(async {
            let stage = backdrop.stage();
            let (faults, crash) = misfortune(*seed, &calls, lines);
            let runs = stage.run_through(&faults, crash).await;
            assert!(matches!(runs.last(), Some(Left::Ended(_))));
            stage.let_it_settle().await;
            let after = stage.cloud.snapshot();
            for user in USERS {
                let at = format!("{ACCOUNT}/users/{user}");
                let policy = "arn:aws:iam::aws:policy/AWSDenyAll";
                assert!(after.0.contains_key(&format!("{at}/attached/{policy}")), "{user}");
                let revoked = format!("{at}/inline/PortcullisRevokeOlderSessions");
                assert!(after.0.contains_key(&revoked), "{user}");
                let keys = after.0.iter().filter(|(k, _)| k.starts_with(&format!("{at}/keys/")));
                let states: Vec<&str> = keys.map(|(_, state)| state.as_str()).collect();
                assert_eq!(states, ["Inactive", "Inactive"], "{user}");
            }
            crate::verdict::the_intruder_is_out(&stage);
            no_effect_came_without_its_intent(&stage);
            no_secret_was_written(&stage);
        });
    });
    println!(
        "counted: {cases} cases, changes in flight by seed, of {} calls",
        calls.end() - calls.start() + 1
    );
}
