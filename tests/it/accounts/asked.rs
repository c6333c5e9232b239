//! What somebody must say yes to in one account keeps every other shut, however often it is resumed; and so does a cut
//! that somebody takes off.

use portcullis::ids::{AccessKeyId, UserName};
use portcullis::journal::Entry;
use portcullis::plan::Credential;
use portcullis::playbook::Phase;
use portcullis::run::Ending;

use super::several::Several;
use super::{HOME, OTHER, PLAYBOOK, WORLD, with_a_third, with_an_admin_there};
use crate::stage::{play, somebody_else};

/// With somebody's yes asked for before anything is handed out.
fn approved_first() -> String {
    PLAYBOOK.replace("\nsteps:\n", "\napprovals: { rotate: 1 }\n\nsteps:\n")
}

/// Home waits for approval of what it is to hand out when somebody new comes in in the second of three accounts: that
/// one asks, and as long as nobody has said yes to it nothing is handed out at home, whatever is approved there.
#[test]
fn nothing_is_handed_out_at_home_while_another_account_asks_about_somebody_who_has_come() {
    play(async {
        let three = Several::set(&with_an_admin_there(&with_a_third()), &approved_first()).await;
        let ended = three.run(None).await.unwrap();
        assert!(matches!(ended[HOME], Ending::Waiting(_)), "{ended:?} {}", three.told());
        let iam = aws_sdk_iam::Client::new(&somebody_else(&three.cloud, three.clock));
        iam.create_user().user_name("mallory").send().await.unwrap();
        iam.create_access_key().user_name("mallory").send().await.unwrap();

        let asks = |ended: &[Ending]| {
            let Ending::Asking { beyond, .. } = &ended[OTHER] else { panic!("{ended:?}") };
            assert!(beyond.iter().any(|why| why.contains("mallory")), "{beyond:?}");
            assert!(matches!(ended[HOME], Ending::Waiting(_)), "{ended:?}");
            assert_eq!(three.handed_out(), 0, "{}", three.told());
        };
        asks(&three.run(None).await.unwrap());
        three.says(HOME, "anna", |said| Entry::Approved { phase: Phase::Rotate, said }).await;
        for _ in 0..2 {
            asks(&three.run(None).await.unwrap());
        }

        three.says_yes_to_the_next_round_of(OTHER).await;
        let ended = three.run(None).await.unwrap();
        assert!(ended.iter().all(|one| *one == Ending::Proven), "{ended:?} {}", three.told());
        assert!(three.one_gate_was_kept() >= 4);
        three.the_intruder_is_out_of_all().await;
    });
}

/// It holds the others each time that they are resumed, for as long as it is off, and no longer.
#[test]
fn a_cut_that_is_off_in_one_account_holds_what_is_taken_back_in_another_every_time() {
    play(async {
        let two = Several::set(&with_an_admin_there(WORLD), PLAYBOOK).await;
        assert_eq!(two.run(None).await.unwrap(), [Ending::Proven, Ending::Proven]);
        let key = "AKIAEXAMPLELEAKED001";
        let credential = || Credential::AccessKey {
            user: UserName::parse("ci-deploy").unwrap(),
            id: AccessKeyId::parse(key).unwrap(),
        };
        for name in ["anna", "ben"] {
            let cleared = |said| Entry::Cleared { credential: credential(), said };
            two.says(HOME, name, cleared).await;
        }
        two.begins_undo_in(HOME).await;

        let iam = aws_sdk_iam::Client::new(&somebody_else(&two.cloud, two.clock));
        let deny = "arn:aws:iam::aws:policy/AWSDenyAll";
        let off = || iam.detach_user_policy().user_name("billing").policy_arn(deny).send();
        let on = || iam.attach_user_policy().user_name("billing").policy_arn(deny).send();
        let is_let_in = || {
            let key = format!("111122223333/users/ci-deploy/keys/{key}");
            two.cloud.snapshot().0[&key] == "Active"
        };
        off().await.unwrap();
        for times in 1..=3 {
            let ended = two.run(None).await.unwrap();
            let Ending::Held(why) = &ended[HOME] else { panic!("{times}: {ended:?}") };
            assert!(why.iter().all(|why| why.contains("account 444455556666")), "{why:#?}");
            assert!(why.iter().any(|why| why.contains("was taken off again")), "{why:#?}");
            assert!(!is_let_in(), "{times}");
            if times == 2 {
                // Put on and taken off again between two looks.
                on().await.unwrap();
                off().await.unwrap();
            }
        }
        on().await.unwrap();
        let ended = two.run(None).await.unwrap();
        let Ending::Held(why) = &ended[HOME] else {
            panic!("sessions are denied still: {ended:?}")
        };
        assert!(why.iter().all(|why| !why.contains("account 444455556666")), "{why:#?}");
        assert!(is_let_in(), "he was found innocent: {why:#?}");
    });
}
