//! Whose word about a case is not taken: of whom it is about, however he comes by his credentials.

use portcullis::clock::Clock;
use portcullis::ids::{AccountId, Arn, RoleName};
use portcullis::inventory::Caller;
use portcullis::plan::{Credential, SavedPlan};
use portcullis::planning::comes_of;

use crate::hosted::{Hosted, in_real_time, quick_world, ran};
use crate::stage::{PLAYBOOK, Stage, WORLD, play, somebody_with};

/// His row is of the role; whom it admits is who it is about.
#[test]
fn whom_a_role_has_come_to_admit_is_whom_the_row_of_that_is_about() {
    play(async {
        let stage = Stage::set(WORLD, PLAYBOOK).await;
        let is_he = |who: &str, arn: &str| {
            let role = RoleName::parse("pipeline").unwrap();
            let (part, who) = ("0".to_owned(), who.to_owned());
            let arn = Arn::parse(arn).unwrap();
            let caller = Caller {
                account: AccountId::parse(arn.account()).unwrap(),
                arn,
                id: "AROANOBODY:anna".to_owned(),
                access_key_id: None,
                came_from: Vec::new(),
                break_glass: Vec::new(),
            };
            let SavedPlan { plan, inventory, .. } = &stage.saved;
            comes_of(plan, inventory, &caller, &Credential::Admission { role, part, who })
        };
        let evil = "arn:aws:sts::666666666666:assumed-role/evil/anna";
        let ours = "arn:aws:sts::111122223333:assumed-role/incident-responder/anna";
        for (who, arn, expected) in [
            ("arn:aws:iam::666666666666:role/evil", evil, true),
            ("anyone of account 666666666666 whose own policies allow it", evil, true),
            ("arn:aws:iam::666666666666:role/evil", ours, false),
            ("anyone of account 111122223333 whose own policies allow it", ours, false),
            ("arn:aws:iam::111122223333:role/ir/incident-responder", ours, true),
            ("arn:aws:iam::111122223333:user/mallory", ours, false),
            (
                "arn:aws:iam::111122223333:user/mallory",
                "arn:aws:iam::111122223333:user/mallory",
                true,
            ),
        ] {
            assert_eq!(is_he(who, arn), expected, "{who}: {arn}");
        }
    });
}

/// Whoever is cut has made himself sessions before, under whatever names he liked.
#[test]
fn sessions_that_whoever_is_cut_has_made_himself_say_nothing_for_him() {
    let hosted = Hosted::new(&quick_world());
    let leaked = "AKIAEXAMPLELEAKED001";
    let (federated, assumed) = in_real_time(async {
        let his = somebody_with(leaked, &hosted.cloud, Clock::system());
        let sts = aws_sdk_sts::Client::new(&his);
        let federated = sts.get_federation_token().name("anna.real").send().await.unwrap();
        let assumed = sts.assume_role().role_session_name("anna");
        let assumed = assumed.role_arn("arn:aws:iam::111122223333:role/auditor").send().await;
        (federated.credentials.unwrap(), assumed.unwrap().credentials.unwrap())
    });
    let cut = ["cut", "--access-key", leaked, "--yes", "--margin", "1"];
    let cut = ran(&mut hosted.here(&cut));
    assert!(matches!(cut.code, Some(11 | 13)), "{}", cut.said());
    let case = hosted.case();
    let case = case.to_str().unwrap();
    let says = |with: &aws_sdk_sts::types::Credentials, words: &[&str]| {
        let mut command = hosted.here(words);
        command
            .env("AWS_ACCESS_KEY_ID", with.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", with.secret_access_key())
            .env("AWS_SESSION_TOKEN", with.session_token());
        ran(&mut command).ended_with(5)
    };
    let clear = ["clear", case, "user/ci-deploy", "--reason", "x"];
    let refused = says(&federated, &clear);
    assert!(refused.err.contains("nobody knows by whose key"), "{}", refused.err);
    let refused = says(&assumed, &clear);
    assert!(refused.err.contains("holds what this case is about"), "{}", refused.err);
    let waive = ["waive", case, "role-sessions/auditor", "--until", "7d", "--reason", "x"];
    says(&assumed, &waive);
}
