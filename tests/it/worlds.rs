//! What the page on worlds says is so: every world on it is read, and it has every key of the format.

use std::collections::BTreeSet;

use portcullis::sim::World;
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/worlds.md");

/// The YAML blocks of the page.
fn blocks() -> Vec<&'static str> {
    let blocks = PAGE.split("```yaml\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The first block is a whole world; what others have takes the place of what it has.
fn worlds() -> Vec<Value> {
    let read = |text: &&str| -> Value { serde_yaml::from_str(text).unwrap() };
    let blocks = blocks();
    let whole = read(&blocks[0]);
    let filled = |part: Value| {
        let mut world = whole.clone();
        world.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        world
    };
    blocks.iter().map(read).map(filled).collect()
}

#[test]
fn every_world_on_the_page_is_read() {
    let worlds = worlds();
    assert!(worlds.len() > 6);
    for world in worlds {
        World::parse(&world.to_string()).unwrap_or_else(|error| panic!("{error}: {world:#}"));
    }
}

/// The keys that may stand at a place, by the words of the refusal of one that may not.
fn keys_at(world: &Value, place: &str) -> Option<BTreeSet<String>> {
    let mut world = world.clone();
    world.pointer_mut(place)?.as_object_mut()?.insert("zzz".into(), Value::Null);
    let error = World::parse(&world.to_string()).unwrap_err().to_string();
    assert!(error.contains("unknown field `zzz`"), "{place}: {error}");
    let known = error.split("expected ").nth(1).unwrap();
    Some(known.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

#[test]
fn the_page_has_every_key_of_the_format() {
    let account = "/accounts/111122223333";
    let places = [
        "",
        "/responder",
        "/rehearsal",
        account,
        &format!("{account}/users/ci-deploy"),
        &format!("{account}/users/ci-deploy/keys/0"),
        &format!("{account}/users/ada/password"),
        &format!("{account}/users/ada/service_credentials/0"),
        &format!("{account}/users/ada/ssh_keys/0"),
        &format!("{account}/groups/deployers"),
        &format!("{account}/roles/incident-responder"),
        &format!("{account}/secrets/deploy~1aws-key"),
        "/sessions/0",
        "/sessions/0/of",
        "/consumers/0",
        "/consumers/0/needs/0",
        "/intruder",
        "/intruder/reacts/0",
        "/intruder/reacts/1/when",
        "/intruder/reacts/0/deeds/0",
    ];
    let words: BTreeSet<&str> = PAGE.split('`').skip(1).step_by(2).collect();
    let yaml = blocks().concat();
    for place in places {
        let keys = worlds().iter().find_map(|world| keys_at(world, place));
        let keys = keys.unwrap_or_else(|| panic!("no world on the page has {place}"));
        for key in keys {
            let told =
                words.iter().any(|word| *word == key || word.starts_with(&format!("{key}:")));
            assert!(told || yaml.contains(&format!("{key}:")), "{place}: {key} is not on the page");
        }
    }
}
