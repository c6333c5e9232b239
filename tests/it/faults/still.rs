//! What must not move: a plan writes nothing, a finished run resumed writes nothing, and the same seed
//! gives the same bytes.

use portcullis::cloud::READS;

use crate::stage::{PLAYBOOK, Stage, WORLD, play};

#[test]
fn a_plan_writes_nothing() {
    play(async {
        let untouched = {
            let world = portcullis::sim::World::parse(WORLD).unwrap();
            let clock = portcullis::clock::Clock::starting_at(world.now());
            portcullis::sim::Cloud::new(&world, clock).snapshot()
        };
        let stage = Stage::set(WORLD, PLAYBOOK).await;
        let audit = stage.cloud.audit();
        assert!(audit.len() > 10, "it has looked");
        for event in audit {
            let operation = format!("{}:{}", event.service, event.operation);
            assert!(!event.writes && READS.contains(&operation.as_str()), "{operation}");
        }
        assert_eq!(stage.cloud.snapshot(), untouched);
    });
}

#[test]
fn resuming_a_finished_run_changes_nothing() {
    play(async {
        let stage = Stage::set(WORLD, PLAYBOOK).await;
        let ending = stage.resume_to_the_end(1).await;
        let (after, before) = (stage.cloud.snapshot(), stage.cloud.audit().len());
        assert_eq!(stage.resume_to_the_end(1).await, ending);
        assert_eq!(stage.cloud.snapshot(), after);
        let again = stage.cloud.audit().split_off(before);
        assert!(!again.is_empty(), "it has looked");
        assert!(again.iter().all(|event| !event.writes), "{again:#?}");
    });
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = || {
        play(async {
            let stage = Stage::set(WORLD, PLAYBOOK).await;
            stage.resume_to_the_end(1).await;
            let tape = stage.tape.lock().unwrap().bytes.clone();
            let seen = stage.witness.0.lock().unwrap().clone();
            (tape, stage.saved.to_text(), stage.cloud.save().to_string(), seen)
        })
    };
    assert!(bytes() == bytes());
}
