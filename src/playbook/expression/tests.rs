//! Expressions from text to value: what is known before, and what comes out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::check::{Names, check};
use super::evaluate::{Evaluated, Scope};
use super::meter::Spent;
use super::shape::Shape;
use super::{Expression, Parsed};
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::ids::{AccessKeyId, AccountId, Arn, UserName};
use crate::inventory::{Caller, Fact, Inventory, KeyUse, Want};
use crate::playbook::field::FieldType;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const OTHER: &str = "AKIAI44QH8DHBEXAMPLE";

fn names() -> Names {
    let list = Shape::List(Box::new(Shape::Of(FieldType::UserName)));
    let maybe = Shape::Nullable(Box::new(Shape::Of(FieldType::SecretId)));
    Names {
        inputs: [
            ("key", Shape::Of(FieldType::AccessKeyId)),
            ("other", Shape::Of(FieldType::AccessKeyId)),
            ("user", Shape::Of(FieldType::UserName)),
            ("users", list),
            ("maybe", maybe),
            ("n", Shape::Integer),
            ("yes", Shape::Boolean),
        ]
        .map(|(name, shape)| (name.to_owned(), shape))
        .into(),
        targets: BTreeMap::from([("owner".to_owned(), Shape::Of(FieldType::UserName))]),
        ..Names::default()
    }
}

fn inputs() -> BTreeMap<String, Value> {
    [
        ("key", json!(KEY)),
        ("other", json!(OTHER)),
        ("user", json!("alice")),
        ("users", json!(["alice", "bob", "ci-deploy"])),
        ("maybe", Value::Null),
        ("n", json!(3)),
        ("yes", json!(true)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn asked(id: &str) -> Want {
    Want::AccessKeyLastUsed(AccessKeyId::parse(id).unwrap())
}

fn inventory(users: &[(&str, Option<&str>)]) -> Inventory {
    let caller = Caller {
        account: AccountId::parse("012345678901").unwrap(),
        arn: Arn::parse("arn:aws:iam::012345678901:user/responder").unwrap(),
        id: "AIDA".to_owned(),
        came_from: Vec::new(),
        break_glass: Vec::new(),
        access_key_id: None,
    };
    let mut inventory = Inventory::new(caller, "2026-03-24T07:00:00Z".parse().unwrap());
    for (key, user) in users {
        let used = user.map(|user| KeyUse {
            user: UserName::parse(user).unwrap(),
            last_used_at: None,
            service: None,
            region: None,
        });
        inventory.answers.insert(asked(key), Ok(Fact::AccessKeyLastUsed(used.map(Box::new))));
    }
    inventory
}

fn read(text: &str) -> Result<Expression, Vec<Diagnostic>> {
    let source = Source::new("e", text);
    let place = Place::new(&source, 0..text.len());
    let parsed = Parsed::parse(text, place).map_err(|problem| vec![problem])?;
    check(parsed, &names()).map_err(|refused| refused.problems)
}

fn evaluate(text: &str, inventory: &Inventory) -> Result<Evaluated, Diagnostic> {
    let expression = read(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    let targets = BTreeMap::from([("owner".to_owned(), json!("alice"))]);
    let (inputs, spent) = (inputs(), Spent::default());
    let scope = Scope { inputs: &inputs, targets: &targets, inventory, each: None, spent: &spent };
    expression.evaluate(&scope)
}

fn value(text: &str) -> Value {
    match evaluate(text, &inventory(&[(KEY, Some("alice")), (OTHER, None)])) {
        Ok(Evaluated::Value(value)) => value,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn values_are_what_cel_says() {
    for (text, expected) in [
        ("inputs.user", json!("alice")),
        ("'arn:aws:iam::' + account + ':root'", json!("arn:aws:iam::012345678901:root")),
        ("[inputs.user].filter(account, account == 'alice')", json!(["alice"])),
        ("targets.owner == inputs.user", json!(true)),
        ("'é' + inputs.user + \"!\"", json!("éalice!")),
        ("inputs.n * 2 + 1", json!(7)),
        ("inputs.yes ? inputs.n : -1", json!(3)),
        ("inputs.users.filter(u, u.startsWith('a')).map(u, u + '!')", json!(["alice!"])),
        ("inputs.users.exists(u, u == 'bob') && !inputs.users.all(u, u == 'bob')", json!(true)),
        ("size(inputs.users) + inputs.users[0].size()", json!(8)),
        ("'bob' in inputs.users", json!(true)),
        ("has(inputs.maybe)", json!(false)),
        ("has(inputs.user) && inputs.maybe == null", json!(true)),
        ("inputs.maybe", Value::Null),
        ("inventory.access_key(inputs.key).user", json!("alice")),
        ("has(inventory.access_key(inputs.key).last_used_at)", json!(false)),
        ("string(inputs.n) + 'x'", json!("3x")),
        ("[inputs.user] + inputs.users", json!(["alice", "alice", "bob", "ci-deploy"])),
        (
            "inventory.access_key(inputs.key)",
            json!({"id": KEY, "last_used_at": null, "user": "alice"}),
        ),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

/// Each with what it wants in place of what may be nothing: nothing, where that was asked for.
#[test]
fn what_may_be_nothing_is_there_where_it_was_asked_for() {
    let used = "inventory.access_key(inputs.key).last_used_at";
    for good in [
        "has(inputs.maybe) ? inputs.maybe : inputs.user",
        "inputs.maybe != null ? size(inputs.maybe) : 0",
        "null == inputs.maybe ? 0 : size(inputs.maybe)",
        "!has(inputs.maybe) ? 0 : size(inputs.maybe)",
        "has(inputs.maybe) && size(inputs.maybe) > 0",
        "!has(inputs.maybe) || size(inputs.maybe) > 0",
        "!(inputs.maybe == null || inputs.yes) && inputs.maybe.startsWith('a')",
        "inputs.yes && has(inputs.maybe) && inputs.users.exists(u, u == inputs.maybe + 'x')",
        "(has(inputs.maybe) && inputs.yes || inputs.maybe != null) ? inputs.maybe + 'x' : ''",
        "[inputs.maybe].filter(it, it != null).map(it, it + 'x')",
        "[inventory.access_key(inputs.key)].filter(k, has(k.last_used_at)).all(k, k.last_used_at > inventory.ago('1d'))",
        "inputs.maybe == 'a' || inputs.maybe in ['b'] || inputs.maybe != null",
        &format!("has({used}) && {used} > inventory.ago('1d')"),
        &format!(
            "has({used}) && inventory.access_key( inputs.key ).last_used_at > inventory.ago('1d')"
        ),
    ] {
        if let Err(problems) = read(good) {
            panic!("{good}: {problems:?}");
        }
    }
    for (bad, help) in [
        ("has(inputs.maybe) ? 0 : size(inputs.maybe)", "has(inputs.maybe) ? ... : ..."),
        ("has(inputs.maybe) || inputs.maybe.contains('a')", "has(inputs.maybe) && ..."),
        (
            "inputs.yes && has(inputs.maybe) || size(inputs.maybe) > 0",
            "has(inputs.maybe) ? ... : ...",
        ),
        ("size(inputs.maybe) > 0 && has(inputs.maybe)", "has(inputs.maybe) ? ... : ..."),
        ("inputs.maybe + 'x'", "has(inputs.maybe) ? ... : ..."),
        ("inputs.users.map(u, inputs.maybe + u)", "has(inputs.maybe) ? ... : ..."),
        (&format!("{used} > inventory.ago('1d')"), &format!("has({used}) && ...")),
        (
            &format!(
                "has(inventory.access_key(inputs.other).last_used_at) && {used} > inventory.ago('1d')"
            ),
            &format!("has({used}) && ..."),
        ),
    ] {
        let problems = read(bad).expect_err(bad);
        let [problem] = problems.as_slice() else { panic!("{bad}: {problems:?}") };
        assert!(problem.message.ends_with("this may be nothing"), "{bad}: {}", problem.message);
        let told = problem.help.as_deref().unwrap_or_default();
        assert_eq!(told, format!("ask first whether it is there: {help}"), "{bad}");
    }
}

/// What is written out, also by way of a condition, a loop or a sum, is judged as a value is.
#[test]
fn what_is_written_out_is_judged_where_it_stands() {
    for (bad, at) in [
        ("inventory.has_password('a b')", "'a b'"),
        (
            "inventory.has_password(inputs.yes ? inputs.user : 'a b')",
            "inputs.yes ? inputs.user : 'a b'",
        ),
        ("['a', 'b c'].exists(u, inventory.has_password(u))", "u"),
        (
            "inventory.secrets_readable_by('arn:aws:iam::111122223333:' + 'root')",
            "'arn:aws:iam::111122223333:' + 'root'",
        ),
        ("inventory.ago('90') < inventory.ago('-1d')", "'90'"),
    ] {
        let problems = read(bad).expect_err(bad);
        let label = problems[0].primary.as_ref().unwrap();
        assert_eq!((problems[0].code, label.place.text()), (Code::WrongType, at), "{bad}");
    }
    for good in [
        "['a', 'b c'].filter(u, u != 'b c').exists(u, inventory.has_password(u))",
        "inputs.user.startsWith('/') && size(inventory.users_in_path(inputs.user)) > 0",
        "['/a/', 'b'].exists(p, p.startsWith('/') && size(inventory.users_in_path(p)) > 0)",
    ] {
        assert!(read(good).is_ok(), "{good}: {:?}", read(good));
    }
}

/// One secret has a name and an ARN, and they are never the same text.
#[test]
fn a_name_is_not_looked_for_among_arns() {
    let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/key-a1B2c3";
    for bad in [
        "inventory.secrets().filter(s, s.arn in ['prod/key'])",
        "inventory.secrets().filter(s, s.arn != 'prod/key')",
    ] {
        let problems = read(bad).expect_err(bad);
        assert_eq!(problems[0].code, Code::WrongType, "{bad}");
        let help = problems[0].help.as_deref().unwrap_or_default();
        assert!(help.contains("`.arn`") && help.contains("`.name`"), "{bad}: {help}");
    }
    for good in [
        &format!("inventory.secrets().filter(s, s.arn in ['{arn}'] || s.arn == '{arn}')")[..],
        "inventory.secrets().filter(s, s.name in ['prod/key'] || s.name == inputs.user)",
        // What is given for a secret may be its ARN.
        "inventory.secrets().filter(s, has(inputs.maybe) && (s.arn == inputs.maybe || s.name == inputs.maybe))",
    ] {
        assert!(read(good).is_ok(), "{good}: {:?}", read(good));
    }
}

#[test]
fn what_a_filter_leaves_out_is_known_and_what_it_only_asks_is_not_left_out() {
    let (inputs, targets, spent) = (inputs(), BTreeMap::new(), Spent::default());
    let inventory = inventory(&[]);
    let scope = Scope {
        inputs: &inputs,
        targets: &targets,
        inventory: &inventory,
        each: None,
        spent: &spent,
    };
    for (text, left_out) in [
        ("inputs.users.filter(u, u != 'bob').map(u, u + '!')", json!(["bob"])),
        ("inputs.users.map(u, u + '!').filter(u, u == 'bob!')", json!(["alice!", "ci-deploy!"])),
        (
            "inputs.yes ? ['x'] + inputs.users.filter(u, u == 'bob') : []",
            json!(["alice", "ci-deploy"]),
        ),
        ("inputs.users.map(u, u != 'bob', u)", json!(["bob"])),
        ("inputs.users.exists(u, u == 'bob') ? inputs.users : []", json!([])),
        ("size(inputs.users.filter(u, u == 'bob')) > 0 ? inputs.users : []", json!([])),
        // What has no value leaves out nothing.
        ("inputs.users.filter(u, inventory.has_password(u))", json!([])),
    ] {
        let expression = read(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        assert_eq!(json!(expression.leaves_out(&scope)), left_out, "{text}");
    }
}

#[test]
fn what_expressions_cost_has_an_end() {
    let users: Value = (0..10_000).map(|n| format!("u{n}")).collect();
    let targets = BTreeMap::from([("owner".to_owned(), json!("alice"))]);
    let long = BTreeMap::from([
        ("users".to_owned(), users),
        ("user".to_owned(), json!("x".repeat(4 << 20))),
    ]);
    let inventory = inventory(&[]);
    for text in [
        "inputs.users.filter(u, u in inputs.users)",
        "inputs.users.filter(u, u + 'x' in inputs.users + ['y'])",
        "inputs.users.map(u, inputs.users)",
        "inputs.users.map(u, [inputs.user + inputs.user])",
        "inputs.users.filter(u, inputs.user.contains(inputs.user))",
    ] {
        let expression = read(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        let spent = Spent::default();
        // What others have spent counts too, and saves the test most of the counting.
        assert!(spent.looks(45_000_000));
        let scope = Scope {
            inputs: &long,
            targets: &targets,
            inventory: &inventory,
            each: None,
            spent: &spent,
        };
        let problem = expression.evaluate(&scope).unwrap_err();
        assert_eq!(problem.code, Code::ExpressionCost, "{text}: {problem}");
    }
    // What is doubled from one target to the next is counted together.
    let spent = Spent::default();
    let doubled = read("inputs.user + inputs.user").unwrap();
    let mut inputs = BTreeMap::from([("user".to_owned(), json!("alice"))]);
    let ended = (0..60).find_map(|_| {
        let scope = Scope {
            inputs: &inputs,
            targets: &targets,
            inventory: &inventory,
            each: None,
            spent: &spent,
        };
        match doubled.evaluate(&scope) {
            Ok(Evaluated::Value(value)) => {
                inputs.insert("user".to_owned(), value);
                None
            }
            other => Some(other.unwrap_err().code),
        }
    });
    assert_eq!(ended, Some(Code::ExpressionCost));
}

#[test]
fn objects_come_back_in_the_same_order_every_time() {
    let text = value("inventory.access_key(inputs.key)").to_string();
    for _ in 0..20 {
        assert_eq!(value("inventory.access_key(inputs.key)").to_string(), text);
    }
    assert!(text.starts_with("{\"id\":"), "{text}");
}

#[test]
fn what_has_not_been_read_is_asked_for_and_only_where_it_matters() {
    let empty = inventory(&[]);
    let needs = |text: &str| match evaluate(text, &empty) {
        Ok(Evaluated::Needs(wants)) => wants,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(needs("inventory.access_key(inputs.key).user"), BTreeSet::from([asked(KEY)]));
    // The branch that is not taken asks nothing.
    let branch = "inputs.yes ? 'x' : inventory.access_key(inputs.key).user";
    assert_eq!(evaluate(branch, &empty).unwrap(), Evaluated::Value(json!("x")));
    // A loop asks for all its items at once.
    let both = needs("[inputs.key, inputs.other].exists(k, inventory.access_key(k).user == 'x')");
    assert_eq!(both, BTreeSet::from([asked(KEY), asked(OTHER)]));
    // What is known to be missing waits until everything was asked.
    let half = inventory(&[(KEY, None)]);
    let text = "[inputs.key, inputs.other].exists(k, inventory.access_key(k).user == 'x')";
    assert_eq!(evaluate(text, &half).unwrap(), Evaluated::Needs(BTreeSet::from([asked(OTHER)])));
}

#[test]
fn what_does_not_exist_is_a_problem_at_its_call() {
    let text = "'é' + inventory.access_key(inputs.other).user";
    let problem = evaluate(text, &inventory(&[(OTHER, None)])).unwrap_err();
    let label = problem.primary.unwrap();
    assert_eq!(label.place.text(), "inventory.access_key(inputs.other)");
    assert_eq!(problem.message, format!("no access key {OTHER} is known to this account"));
}

#[test]
fn text_that_is_no_key_id_is_found_when_there_is_a_value() {
    let text = "inventory.access_key('AKI' + inputs.user).user";
    let problem = evaluate(text, &inventory(&[])).unwrap_err();
    assert!(problem.message.contains("this is the text `AKIalice`"), "{}", problem.message);
}

#[test]
fn places_are_those_of_the_parts() {
    for (text, part) in [
        ("'é' + inputs.usr", "inputs.usr"),
        ("size( inputs.n )", "size( inputs.n )"),
        ("inputs.users.map(u, u.name)", "u.name"),
        ("inputs.user + 1 == 'x'", "inputs.user + 1"),
        ("inventory.access_key(inputs.user)", "inputs.user"),
        ("inputs.yes && unknown", "unknown"),
        ("inputs.n < inputs.user", "inputs.n < inputs.user"),
        ("[1, 2.5]", "2.5"),
    ] {
        let problems = read(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].primary.as_ref().unwrap().place.text(), part, "{text}");
    }
}

#[test]
fn every_problem_of_an_expression_is_found() {
    let problems = read("inputs.a + inputs.b == inventory.c(inputs.d) && e").unwrap_err();
    assert_eq!(problems.len(), 5, "{problems:?}");
}

#[test]
fn what_is_accepted_can_be_evaluated_on_a_small_stack() {
    let deepest = |open: &str, middle: &str, close: &str| {
        (1..200)
            .rev()
            .map(|n| format!("{}{middle}{}", open.repeat(n), close.repeat(n)))
            .find_map(|text| {
                let parsed = std::thread::Builder::new().stack_size(64 << 20);
                parsed.spawn(move || read(&text).ok()).unwrap().join().unwrap()
            })
            .unwrap()
    };
    for (open, middle, close) in [
        ("(1 + ", "1", ")"),
        ("1 + ", "1", ""),
        ("true ? 1 : ", "1", ""),
        ("[", "1", "]"),
        ("!(", "true", ")"),
    ] {
        let expression = deepest(open, middle, close);
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let evaluate = move || {
            let none = BTreeMap::new();
            let (inventory, spent) = (inventory(&[]), Spent::default());
            let scope = Scope {
                inputs: &none,
                targets: &none,
                inventory: &inventory,
                each: None,
                spent: &spent,
            };
            let _gone = expression.clone();
            expression.evaluate(&scope).is_ok()
        };
        assert!(small.spawn(evaluate).unwrap().join().unwrap(), "{open}");
    }
}

/// A random expression, most of them right.
fn random(random: &mut fastrand::Rng, depth: usize) -> String {
    const LEAVES: &[&str] = &[
        "inputs.user",
        "inputs.users",
        "inputs.maybe",
        "inputs.n",
        "inputs.yes",
        "targets.owner",
        "'text'",
        "1",
        "0",
        "-7",
        "true",
        "false",
        "null",
        "[]",
        "u",
        "inputs.key",
        "''",
        "inventory.access_key(inputs.key)",
        "inventory.access_key(inputs.key).user",
        "inventory.access_key(inputs.key).last_used_at",
        "9223372036854775807",
        "inputs.none",
    ];
    if depth == 0 || random.u8(..5) == 0 {
        return LEAVES[random.usize(..LEAVES.len())].to_owned();
    }
    let mut part = || self::random(random, depth - 1);
    let (a, b, c) = (part(), part(), part());
    let operators = ["+", "-", "*", "/", "%", "==", "!=", "<", "&&", "||", "in", ">="];
    match random.u8(..12) {
        0..=4 => format!("({a} {} {b})", operators[random.usize(..operators.len())]),
        5 => format!("({a} ? {b} : {c})"),
        6 => format!("{a}[{b}]"),
        7 => format!("[{a}, {b}]"),
        8 => format!("size({a})"),
        9 => format!("{a}.{}(u, {b})", ["map", "filter", "all", "exists"][random.usize(..4)]),
        10 => format!("{a}.startsWith({b})"),
        _ => format!("!({a})"),
    }
}

/// Whether a value is of the shape that was promised for it.
fn keeps(value: &Value, shape: &Shape) -> bool {
    match (shape, value) {
        (Shape::Unknown, _)
        | (Shape::Null | Shape::Nullable(_), Value::Null)
        | (Shape::Boolean, Value::Bool(_))
        | (Shape::Text, Value::String(_))
        | (Shape::Object(_), Value::Object(_)) => true,
        (Shape::Integer, Value::Number(n)) => n.is_i64(),
        (Shape::Of(ty), value) => ty.accept(value).is_ok(),
        (Shape::Written(written), Value::String(text)) => {
            written.gives(text, |shape| keeps(value, shape))
        }
        (Shape::List(item), Value::Array(values)) => values.iter().all(|value| keeps(value, item)),
        (Shape::Nullable(inner), value) => keeps(value, inner),
        _ => false,
    }
}

#[test]
fn what_is_promised_of_a_value_is_kept() {
    let inventory = inventory(&[(KEY, Some("alice")), (OTHER, Some("bob"))]);
    let targets = BTreeMap::from([("owner".to_owned(), json!("alice"))]);
    let inputs = inputs();
    let (mut right, mut valued) = (0, 0);
    for seed in 0..15_000 {
        let mut generator = fastrand::Rng::with_seed(seed);
        let depth = generator.usize(1..4);
        let text = random(&mut generator, depth);
        let Ok(expression) = read(&text) else { continue };
        right += 1;
        let spent = Spent::default();
        let scope = Scope {
            inputs: &inputs,
            targets: &targets,
            inventory: &inventory,
            each: None,
            spent: &spent,
        };
        match expression.evaluate(&scope) {
            Ok(Evaluated::Value(value)) => {
                valued += 1;
                assert!(
                    keeps(&value, expression.shape()),
                    "{text} gives {value}, not {}",
                    expression.shape()
                );
            }
            Ok(Evaluated::Needs(wants)) => panic!("{text} needs {wants:?}"),
            Err(problem) => assert!(problem.primary.is_some(), "{text}"),
        }
    }
    assert!(right > 1_000 && valued > 500, "{right} right, {valued} with a value");
}

#[test]
fn what_other_languages_write_is_told_in_the_words_of_this_one() {
    for (text, at, write) in [
        ("inputs.user = '/ci/'", "=", "`==`"),
        ("inputs.yes and inputs.yes", "and", "`&&`"),
        ("inputs.user == 'a or b' or inputs.yes", "or", "`||`"),
        ("inputs.user == 'x' && not inputs.yes", "not", "`!`"),
        ("inputs.maybe ?? 'x'", "??", "has(x) ? x : y"),
        ("inputs.n <> 3", "<>", "`!=`"),
        ("inputs.yes & inputs.yes", "&", "`&&`"),
    ] {
        let source = Source::new("p", text);
        let place = Place::new(&source, 0..text.len());
        let Err(problem) = Parsed::parse(text, place) else { panic!("{text}") };
        assert_eq!(problem.primary.unwrap().place.text(), at, "{text}");
        assert!(problem.help.unwrap().contains(write), "{text}");
        assert_eq!(problem.message, format!("not an expression: `{at}` means nothing in one"));
    }
    for text in ["inputs.since > 2026-03-24T07:10:00Z", "2026-03-24T07:10:00+01:00 < inputs.since"]
    {
        let source = Source::new("p", text);
        let place = Place::new(&source, 0..text.len());
        let Err(problem) = Parsed::parse(text, place) else { panic!("{text}") };
        let at = problem.primary.unwrap().place.text().to_owned();
        assert!(at.starts_with("2026-03-24T07:10:00") && at.len() > 19, "{at}");
        assert_eq!(problem.help.unwrap(), format!("a moment is a text: '{at}'"));
    }
    // Nor is the parser heard where nothing of the kind stands.
    for text in ["inputs.n #", "inputs.user ?", "'a"] {
        let source = Source::new("p", text);
        let place = Place::new(&source, 0..text.len());
        let Err(problem) = Parsed::parse(text, place) else { panic!("{text}") };
        assert!(!problem.message.contains("token"), "{}", problem.message);
        assert!(!problem.message.contains("Context"), "{}", problem.message);
    }
}
