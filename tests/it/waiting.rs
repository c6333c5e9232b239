//! What waits for something that was not done is named with it: whoever is called for the one sees the other.

use portcullis::planning::Terms;
use portcullis::run::Ending;

use crate::stage::{Stage, play};

async fn set(users: &str, responder: &str, more: &str, steps: &str) -> Stage {
    let world = format!(
        "world: 1
now: 2026-03-24T07:10:00Z
lag: 4s
responder: {{ account: \"111122223333\", role: incident-responder }}
accounts:
  \"111122223333\":
    users:
{users}
    roles:
      incident-responder:
        trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"arn:aws:iam::999988887777:root\" }}, Action: \"sts:AssumeRole\" }}] }}
        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]
{responder}{more}"
    );
    let playbook = format!("portcullis: 1\nname: waiting\ntitle: What waits\nsteps:\n{steps}");
    Stage::set_on(&world, &playbook, &Terms::default()).await.unwrap_or_else(|problems| {
        panic!("{}", portcullis::cli::diagnostics::text(&problems.into(), false))
    })
}

async fn held(stage: &Stage) -> Vec<String> {
    match stage.resume_to_the_end(1).await {
        Ending::Held(why) => why,
        other => panic!("{other:?}"),
    }
}

/// Changes that were held are tried once more before the run gives up: that is no new time for the batches behind them.
#[test]
fn a_step_that_stops_between_batches_says_so_at_the_end() {
    play(async {
        let users: Vec<String> = (1..=4)
            .map(|n| {
                format!("      u{n}: {{ path: /ops/, keys: [{{ id: AKIAEXAMPLEUSER0000{n} }}] }}\n")
            })
            .collect();
        let deny = "        inline: { not: { Version: \"2012-10-17\", Statement: [{ Effect: Deny, Action: [\"iam:UpdateAccessKey\"], Resource: [\"arn:aws:iam::111122223333:user/ops/u2\", \"arn:aws:iam::111122223333:user/ops/u3\"] }] } }\n";
        let steps = "  - id: keys-off
    phase: contain
    for_each: [u1, u2, u3, u4]
    batches: { size: 1, pause: 20s, stop_at: 60 }
    uses: iam.access-key.deactivate
    with: { user: \"${{ each }}\", keys: all }
  - { id: q, phase: contain, for_each: [u1, u2, u3, u4], uses: iam.user.quarantine, with: { user: \"${{ each }}\" } }
  - { id: so, phase: contain, for_each: [u1, u2, u3, u4], uses: iam.user.revoke-sessions, with: { user: \"${{ each }}\" } }
";
        let stage = set(&users.concat(), deny, "", steps).await;
        let why = held(&stage).await;
        assert!(why[0].starts_with("step keys-off stops after batch 3 of 4: 2 of 3"), "{why:#?}");
        // Whoever is quarantined mints nothing, and is denied twice all the same.
        assert!(!why.join("\n").contains("so."), "{why:#?}");
    });
}

/// A list of people is let in behind the new keys of all of them: whom that keeps cut off, and by whose key, is told.
#[test]
fn who_stays_cut_off_because_of_another_is_named() {
    play(async {
        let users = "      a1: { path: /ops/, keys: [{ id: AKIAEXAMPLEAONE00001 }] }\n      a2: { path: /ops/, keys: [{ id: AKIAEXAMPLEATWO00001 }] }\n";
        let secrets = "    secrets:\n      k/a1: { value: { region: eu-west-1 } }\n      k/a2: { value: no object }\n";
        let steps = "  - { id: q, phase: contain, for_each: [a1, a2], uses: iam.user.quarantine, with: { user: \"${{ each }}\" } }
  - { id: ko, phase: contain, for_each: [a1, a2], uses: iam.access-key.deactivate, with: { user: \"${{ each }}\", keys: all } }
  - { id: so, phase: contain, for_each: [a1, a2], uses: iam.user.revoke-sessions, with: { user: \"${{ each }}\" } }
  - { id: nk, phase: rotate, for_each: [a1, a2], uses: iam.access-key.replace, with: { user: \"${{ each }}\", deliver_to: \"${{ 'k/' + each }}\" } }
  - { id: li, phase: recover, needs: [nk], for_each: [a1, a2], uses: iam.user.lift-quarantine, with: { user: \"${{ each }}\" } }
";
        let stage = set(users, "", secrets, steps).await;
        let why = held(&stage).await;
        assert!(why[0].starts_with("nk.2: "), "{why:#?}");
        assert!(
            why[1].starts_with("li.1 (user a1, ")
                && why[1].ends_with("it waits for nk.2. Until then user a1 stays cut off"),
            "{why:#?}"
        );
    });
}

/// The playbook's own order is kept: what waits for a refused cut by its word is not made, and not called cut.
#[test]
fn what_waits_for_a_refused_cut_by_the_playbook_s_word_is_named_with_it() {
    play(async {
        let users = "      u1: { path: /ops/, keys: [{ id: AKIAEXAMPLEUSER00001 }] }\n";
        let deny = "        inline: { not: { Version: \"2012-10-17\", Statement: [{ Effect: Deny, Action: [\"iam:UpdateAccessKey\"], Resource: \"*\" }] } }\n";
        let steps = "  - { id: ko, phase: contain, uses: iam.access-key.deactivate, with: { user: u1, keys: all } }
  - { id: so, phase: contain, needs: [ko], uses: iam.user.revoke-sessions, with: { user: u1 } }
";
        let stage = set(users, deny, "", steps).await;
        let why = held(&stage).await;
        assert!(why[0].starts_with("ko.1: iam:UpdateAccessKey was refused"), "{why:#?}");
        assert!(
            why[1].starts_with("so.1 (user u1, ") && why[1].ends_with("it waits for ko.1"),
            "{why:#?}"
        );
    });
}
