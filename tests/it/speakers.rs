//! Whose word about a case is not taken: of whom it is about, however he comes by his credentials.

use std::time::Duration;

use portcullis::clock::Clock;
use portcullis::ids::{AccountId, Arn, RoleName};
use portcullis::inventory::Caller;
use portcullis::journal::{self, Entry, State};
use portcullis::ledger::Ledger;
use portcullis::plan::{Credential, SavedPlan};
use portcullis::planning::comes_of;
use portcullis::policy::admission::Whom;
use portcullis::run::Log;

use crate::hosted::{Hosted, in_real_time, quick_world, ran};
use crate::stage::{
    PLAYBOOK, Stage, WORLD, play, somebody_else, somebody_with, with_somebody_else,
};

/// His row is of the role; whom it admits is who it is about.
#[test]
fn whom_a_role_has_come_to_admit_is_whom_the_row_of_that_is_about() {
    play(async {
        let stage = Stage::set(WORLD, PLAYBOOK).await;
        let is_he = |who: &str, whom: &Whom, arn: &str| {
            let role = RoleName::parse("pipeline").unwrap();
            let (part, who, whom) = ("0".to_owned(), who.to_owned(), whom.clone());
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
            comes_of(plan, inventory, &caller, &Credential::Admission { role, part, who, whom })
        };
        let evil = "arn:aws:sts::666666666666:assumed-role/evil/anna";
        let ours = "arn:aws:sts::111122223333:assumed-role/incident-responder/anna";
        let mallory = "arn:aws:iam::111122223333:user/mallory";
        let of = |account: &str| Whom::Account(account.to_owned());
        for (who, whom, arn, expected) in [
            ("arn:aws:iam::666666666666:role/evil", Whom::Named, evil, true),
            ("anyone of account 666666666666", of("666666666666"), evil, true),
            ("arn:aws:iam::666666666666:role/evil", Whom::Named, ours, false),
            // Of whoever may be meant by his own policies, the one alone speaks who works on the case.
            ("anyone of account 111122223333", of("111122223333"), ours, false),
            ("anyone of account 111122223333", of("111122223333"), mallory, true),
            ("anyone of account 111122223333", of("111122223333"), evil, false),
            ("anyone at all", Whom::Anyone, ours, false),
            ("anyone at all", Whom::Anyone, mallory, true),
            ("anyone at all", Whom::Anyone, evil, true),
            ("ec2.amazonaws.com", Whom::Other, mallory, false),
            ("arn:aws:iam::111122223333:role/ir/incident-responder", Whom::Named, ours, true),
            (mallory, Whom::Named, ours, false),
            (mallory, Whom::Named, mallory, true),
        ] {
            assert_eq!(is_he(who, &whom, arn), expected, "{who}: {arn}");
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

/// He is asked about himself when he speaks, and by the next run where he may not read that.
#[test]
fn whoever_has_come_since_the_case_began_is_nobody_independent() {
    let hosted = Hosted::new(&with_somebody_else(&quick_world()));
    let cut = ["cut", "--access-key", "AKIAEXAMPLELEAKED001", "--yes", "--margin", "1"];
    let cut = ran(&mut hosted.here(&cut));
    assert!(matches!(cut.code, Some(11 | 13)), "{}", cut.said());
    let case = hosted.case();
    let case = case.to_str().unwrap();
    let state = || {
        let text = std::fs::read(hosted.case().join("journal.jsonl")).unwrap();
        State::of(&journal::decode(&text).unwrap()).unwrap()
    };
    let mut keys = Vec::new();
    hosted.meanwhile(async |iam| {
        for name in ["late", "friend"] {
            iam.create_user().user_name(name).send().await.unwrap();
            let made = iam.create_access_key().user_name(name).send().await.unwrap();
            keys.extend(made.access_key);
        }
        let of_himself = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}]}"#;
        let allow = iam.put_user_policy().user_name("late").policy_name("self");
        allow.policy_document(of_himself).send().await.unwrap();
    });
    in_real_time(async {
        let config = somebody_with(keys[0].access_key_id(), &hosted.cloud, Clock::system());
        let iam = aws_sdk_iam::Client::new(&config);
        while iam.get_user().user_name("late").send().await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    let says = |who: usize, words: &[&str]| {
        let mut command = hosted.here(words);
        command
            .env("AWS_ACCESS_KEY_ID", keys[who].access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", keys[who].secret_access_key())
            .env_remove("AWS_SESSION_TOKEN");
        ran(&mut command)
    };
    let waive = ["waive", case, "role-sessions/auditor", "--until", "7d", "--reason", "x"];
    let refused = says(0, &waive).ended_with(5);
    assert!(refused.err.contains("user late was made at"), "{}", refused.err);
    assert!(state().waived.is_empty());
    let heard = says(1, &waive).ended_with(0);
    assert!(
        heard.out.contains("Not known is since when there is whoever says it"),
        "{}",
        heard.out
    );
    assert_eq!(state().waived.len(), 1);
    let resumed = ran(&mut hosted.here(&["resume", case])).said();
    assert!(resumed.contains("said counts no more: user friend was made at"), "{resumed}");
    assert!(state().waived.is_empty());

    // Nor is anybody of an account that the case knows nothing of, nor what stands for a reason.
    let of_another = [&waive[..], &["--from-account", "999988887777"]].concat();
    let refused = ran(&mut hosted.here(&of_another)).ended_with(5);
    assert!(
        refused.err.contains("999988887777 has nothing to do with this case"),
        "{}",
        refused.err
    );
    let copied = ["waive", case, "role-sessions/auditor", "--until", "7d", "--reason", "TEXT"];
    let refused = ran(&mut hosted.here(&copied)).ended_with(2);
    assert!(refused.err.contains("TEXT stands where your reason is to be"), "{}", refused.err);
}

/// A run looks up everybody who has spoken: roles by when they were made, and by whom they have come to admit.
#[test]
fn a_role_that_has_come_or_come_to_admit_others_speaks_for_nobody() {
    play(async {
        let stage = Stage::set(&with_somebody_else(WORLD), PLAYBOOK).await;
        stage.resume_to_the_end(1).await;
        stage.clock.sleep(Duration::from_secs(5)).await;
        let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let anyone = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"666666666666"},"Action":"sts:AssumeRole"}]}"#;
        let late = iam.create_role().role_name("late").assume_role_policy_document(anyone);
        late.send().await.unwrap();
        let admits = iam.update_assume_role_policy().role_name("auditor");
        admits.policy_document(anyone).send().await.unwrap();
        stage.let_it_settle().await;
        let rows = Ledger::of(&stage.plan(), &stage.state()).rows;
        let credential = &rows[0].credential;
        for who in ["late/a", "auditor/b", "incident-responder/anna"] {
            let by = format!("arn:aws:sts::111122223333:assumed-role/{who}");
            let said = journal::Said { by: Arn::parse(&by).unwrap(), ..stage.said_by("x") };
            stage.say([Entry::Cleared { credential: credential.clone(), said }]).await;
        }
        stage.verify(&Log::None).await;
        let state = stage.state();
        let heard: Vec<&str> = state.speakers().map(Arn::resource).collect();
        assert_eq!(heard, ["assumed-role/incident-responder/anna"], "{state:#?}");
    });
}

/// Another password by that name is nobody's whom anybody has spoken of.
#[test]
fn a_look_takes_back_what_was_said_of_a_password_that_was_set_up_anew() {
    let text = PLAYBOOK;
    play(async {
        let world = with_somebody_else(WORLD);
        let stage = Stage::set(&world, text).await;
        stage.resume_to_the_end(1).await;
        let user = portcullis::ids::UserName::parse("backup").unwrap();
        let credential = Credential::Password { user };
        let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        stage
            .say([Entry::Cleared { credential: credential.clone(), said: stage.said_by("anna") }])
            .await;
        stage.clock.sleep(Duration::from_secs(2)).await;
        let anew = iam.create_login_profile().user_name("backup");
        anew.password("Correct-Horse-7").send().await.unwrap();
        stage.let_it_settle().await;
        stage.verify(&Log::None).await;
        let state = stage.state();
        assert!(
            state.cleared.is_empty() && state.withdrawn.contains_key(&credential),
            "{state:#?}"
        );
    });
}

/// Whom one case cuts is whom every other is about that lies beside it: what the one has left open the other answers for.
#[test]
fn whom_a_case_beside_it_cuts_says_nothing_in_a_case() {
    let hosted = Hosted::new(&quick_world());
    let session = |key: &str| {
        in_real_time(async {
            let his = somebody_with(key, &hosted.cloud, Clock::system());
            let minted = aws_sdk_sts::Client::new(&his).get_session_token().send().await.unwrap();
            minted.credentials.unwrap()
        })
    };
    let (backup, leaked) = (session("AKIAEXAMPLEBACKUP003"), session("AKIAEXAMPLELEAKED001"));
    let cases = || {
        let all = std::fs::read_dir(hosted.dir().join("cases")).unwrap();
        all.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let cut = |what: &[&str]| {
        let said = ran(&mut hosted.here(&[&["cut", "--yes", "--margin", "1"], what].concat()));
        assert!(matches!(said.code, Some(0 | 11 | 13)), "{}", said.said());
    };
    cut(&["--user", "backup"]);
    let first = cases().remove(0);
    cut(&["--access-key", "AKIAEXAMPLELEAKED001"]);
    let second = cases().into_iter().find(|case| *case != first).unwrap();
    for (case, about, with) in
        [(&second, "user/ci-deploy", &backup), (&first, "user/backup", &leaked)]
    {
        let words = ["clear", case.to_str().unwrap(), about, "--reason", "x"];
        let mut command = hosted.here(&words);
        command
            .env("AWS_ACCESS_KEY_ID", with.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", with.secret_access_key())
            .env("AWS_SESSION_TOKEN", with.session_token());
        let refused = ran(&mut command).ended_with(5);
        assert!(refused.err.contains("whom this case cuts off"), "{}", refused.err);
        ran(&mut hosted.here(&words)).ended_with(0);
    }
}

/// By which key a session was asked for nobody can tell: where one of them is new, it may be that of whoever hung it on.
#[test]
fn a_session_of_whom_a_key_was_hung_on_since_says_nothing_and_no_run_takes_his_word() {
    // Without a device's code a session may ask IAM nothing.
    let (keys, device) =
        ("keys: [{ id: AKIAEXAMPLEADMIN0009 }]\n", "arn:aws:iam::111122223333:mfa/admin");
    let world = with_somebody_else(&quick_world());
    let hosted =
        Hosted::new(&world.replacen(keys, &format!("{keys}        mfa: [\"{device}\"]\n"), 1));
    let cut = ["cut", "--access-key", "AKIAEXAMPLELEAKED001", "--yes", "--margin", "1"];
    let cut = ran(&mut hosted.here(&cut));
    assert!(matches!(cut.code, Some(11 | 13)), "{}", cut.said());
    let case = hosted.case();
    let case = case.to_str().unwrap();
    let waive = ["waive", case, "role-sessions/auditor", "--until", "7d", "--reason", "x"];
    let session = || {
        in_real_time(async {
            let his = somebody_with("AKIAEXAMPLEADMIN0009", &hosted.cloud, Clock::system());
            let minted = aws_sdk_sts::Client::new(&his).get_session_token().serial_number(device);
            let minted = minted.token_code(hosted.cloud.mfa_code(device)).send().await;
            minted.unwrap().credentials.unwrap()
        })
    };
    let says = |with: &aws_sdk_sts::types::Credentials| {
        let mut command = hosted.here(&waive);
        command
            .env("AWS_ACCESS_KEY_ID", with.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", with.secret_access_key())
            .env("AWS_SESSION_TOKEN", with.session_token());
        ran(&mut command)
    };
    says(&session()).ended_with(0);
    hosted.meanwhile(async |iam| {
        iam.create_access_key().user_name("admin").send().await.unwrap();
    });
    let refused = says(&session()).ended_with(5);
    assert!(refused.err.contains("by which of his it is said is not known"), "{}", refused.err);
    let resumed = ran(&mut hosted.here(&["resume", case])).said();
    assert!(resumed.contains("said counts no more: by which of his"), "{resumed}");
}

/// Nor does anybody beside a case that nobody can read; and where an older one silences him, it is named.
#[test]
fn whom_a_case_beside_it_silences_is_told_which_and_what_ends_that() {
    let hosted = Hosted::new(&with_somebody_else(&quick_world()));
    let cases = || {
        let all = std::fs::read_dir(hosted.dir().join("cases")).unwrap();
        all.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let cut = |what: &[&str]| {
        let said = ran(&mut hosted.here(&[&["cut", "--yes", "--margin", "1"], what].concat()));
        assert!(matches!(said.code, Some(0 | 11 | 13)), "{}", said.said());
    };
    cut(&["--user", "backup"]);
    let first = cases().remove(0);
    let mut hired = None;
    hosted.meanwhile(async |iam| {
        iam.create_user().user_name("hired").send().await.unwrap();
        let made = iam.create_access_key().user_name("hired").send().await.unwrap();
        hired = made.access_key;
        let all = "arn:aws:iam::aws:policy/AdministratorAccess";
        iam.attach_user_policy().user_name("hired").policy_arn(all).send().await.unwrap();
        let made = Clock::system().now().as_second();
        while Clock::system().now().as_second() == made {
            tokio::task::yield_now().await;
        }
    });
    let hired = hired.unwrap();
    cut(&["--access-key", "AKIAEXAMPLELEAKED001"]);
    let second = cases().into_iter().find(|case| *case != first).unwrap();
    let clear = ["clear", second.to_str().unwrap(), "user/ci-deploy", "--reason", "x"];
    let says = || {
        let mut command = hosted.here(&clear);
        command
            .env("AWS_ACCESS_KEY_ID", hired.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", hired.secret_access_key())
            .env_remove("AWS_SESSION_TOKEN");
        ran(&mut command)
    };
    let name = first.file_name().unwrap().to_str().unwrap();
    let refused = says().ended_with(5);
    let close = refused.err.split("portcullis close ").nth(1).unwrap_or_default();
    assert!(close.contains(name), "{}", refused.err);
    let journal = first.join("journal.jsonl");
    let whole = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, whole.replacen("\"opened\"", "\"0pened\"", 1)).unwrap();
    let refused = ran(&mut hosted.here(&clear)).ended_with(5);
    assert!(
        refused.err.contains(name) && refused.err.contains("cannot be read"),
        "{}",
        refused.err
    );
    std::fs::write(&journal, whole).unwrap();
    ran(&mut hosted.here(&["close", first.to_str().unwrap(), "--reason", "over"])).ended_with(0);
    says().ended_with(0);
}
