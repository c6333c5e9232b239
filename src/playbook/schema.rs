//! The JSON Schema of playbooks, for editors: from the same field tables that the decoder reads.
//!
//! It is a help while typing, not the judge: it knows nothing of the gate, of references or of what an
//! expression gives, and whatever it cannot say it lets pass. What the decoder accepts, it accepts.
//! Draft 7, because that is what editors' YAML servers know best. Pure; cannot fail.

use serde_json::{Map, Value, json};

use super::field::{Beside, Field, FieldType};
use super::lower::{APPROVALS, GATE, INPUT, KEY_OR_KEYS, LIMITS, PLAYBOOK, STEP};
use super::vocabulary::{ActionShape, Vocabulary};

/// Lower-case words joined by hyphens, as `ids` has them.
const KEBAB: &str = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$";
/// A name that may stand in an expression.
const WORD: &str = "^[a-z][a-z0-9_]*$";
/// Somewhere in it there is an expression.
const HAS_EXPRESSION: &str = r"\$\{\{";
/// One expression and nothing around it.
const ONE_EXPRESSION: &str = r"^\$\{\{[\s\S]*\}\}\s*$";

/// The schema of playbooks that use the actions of `vocabulary`.
pub fn schema(vocabulary: &dyn Vocabulary) -> Value {
    let mut playbook = table(PLAYBOOK);
    let properties = &mut playbook["properties"];
    properties["portcullis"]["const"] = json!(1);
    narrow(&mut properties["name"], kebab());
    narrow(&mut properties["counters"]["items"], pattern(r"^T[0-9]{4}(\.[0-9]{3})?$"));
    properties["inputs"]["propertyNames"] = names();
    let roles = [literal(&FieldType::List(&FieldType::Arn)), pattern(ONE_EXPRESSION)];
    narrow(&mut properties["accounts"], json!({ "anyOf": roles }));
    properties["targets"]["propertyNames"] = names();
    properties["targets"]["additionalProperties"] = pattern(ONE_EXPRESSION);
    properties["steps"]["items"] = json!({ "$ref": "#/definitions/step" });
    for (name, table) in [("gate", GATE), ("limits", LIMITS), ("approvals", APPROVALS)] {
        let help = properties[name]["description"].take();
        properties[name] = self::table(table);
        properties[name]["description"] = help;
    }
    for (name, table) in [("limits", LIMITS), ("approvals", APPROVALS)] {
        for field in table {
            properties[name]["properties"][field.name]["minimum"] = json!(1);
        }
    }
    properties["limits"]["properties"]["percent"]["maximum"] = json!(100);
    let key = &mut properties["trusted"]["items"]["properties"]["access_key"];
    narrow(key, json!({ "anyOf": written(&KEY_OR_KEYS) }));
    properties["inputs"]["additionalProperties"] = json!({ "$ref": "#/definitions/input" });

    // Of its own, or of what it includes.
    playbook["anyOf"] =
        json!([{ "required": ["include"] }, { "properties": { "steps": { "minItems": 1 } } }]);
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    schema.insert("title".to_owned(), json!("Portcullis playbook"));
    let Value::Object(playbook) = playbook else { unreachable!("a table is an object") };
    schema.extend(playbook);
    schema.insert(
        "definitions".to_owned(),
        json!({ "input": input(), "step": step(vocabulary.actions()) }),
    );
    Value::Object(schema)
}

/// A mapping with the fields of a table and no others.
fn table(fields: &[Field]) -> Value {
    object(fields, |field| described(literal(&field.ty), field))
}

fn object(fields: &[Field], value: impl Fn(&Field) -> Value) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), value(field))).collect();
    let (always, chosen): (Vec<&Field>, Vec<&Field>) =
        fields.iter().filter(|field| field.required).partition(|field| field.when.is_none());
    let required: Vec<&str> = always.into_iter().map(|field| field.name).collect();
    let chosen: Vec<Value> = chosen
        .into_iter()
        .filter_map(|field| {
            let choice = field.when?;
            Some(when(choice.field, choice.word, &json!({ "required": [field.name] })))
        })
        .collect();
    let beside = fields.iter().flat_map(|field| {
        field.beside.iter().map(|beside| match beside {
            Beside::Or(other) => {
                json!({ "anyOf": [{ "required": [field.name] }, { "required": [other] }] })
            }
            Beside::With(other) => json!({ "dependencies": { field.name: [other] } }),
            Beside::Not(other) => json!({ "not": { "required": [field.name, other] } }),
        })
    });
    let chosen: Vec<Value> = chosen.into_iter().chain(beside).collect();
    let mut object = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    if !chosen.is_empty() {
        object["allOf"] = json!(chosen);
    }
    object
}

fn described(mut schema: Value, field: &Field) -> Value {
    schema["description"] = json!(field.help);
    schema
}

/// An input: its default is of its type.
fn input() -> Value {
    let mut input = table(INPUT);
    let names: Vec<&str> = FieldType::names().collect();
    let lists: Vec<String> = names.iter().map(|name| format!("list of {name}")).collect();
    input["properties"]["type"] = json!({
        "description": input["properties"]["type"]["description"],
        "anyOf": [
            { "enum": names },
            { "enum": lists },
            {
                "type": "object",
                "additionalProperties": false,
                "properties": { "one-of": {
                    "description": "the words to choose from",
                    "type": "array",
                    "minItems": 1,
                    "items": literal(&FieldType::Text),
                } },
                "required": ["one-of"],
            },
        ],
    });
    let defaults: Vec<Value> = names
        .iter()
        .map(|name| (*name).to_owned())
        .chain(lists.iter().cloned())
        .filter_map(|name| {
            let ty = FieldType::find(&name)?;
            Some(when("type", &name, &json!({ "properties": { "default": literal(&ty) } })))
        })
        .collect();
    input["allOf"] = json!(defaults);
    // A default that is never used is a mistake.
    input["not"] = json!({
        "properties": { "required": { "const": true } },
        "required": ["required", "default"],
    });
    input
}

/// A step: what stands under `with`, and in which phase it may run, depends on the action.
fn step(actions: &[ActionShape]) -> Value {
    let mut step = table(STEP);
    let properties = &mut step["properties"];
    narrow(&mut properties["id"], kebab());
    narrow(&mut properties["needs"]["items"], kebab());
    let plain = json!({ "type": "array", "items": { "type": ["string", "integer", "boolean"] } });
    narrow(&mut properties["for_each"], json!({ "anyOf": [pattern(ONE_EXPRESSION), plain] }));
    for (name, ty) in [("reason", FieldType::Text), ("review_by", FieldType::Timestamp)] {
        let choices = [literal(&ty), pattern(HAS_EXPRESSION)];
        narrow(&mut properties[name], json!({ "anyOf": choices }));
    }
    let batches = &mut properties["batches"]["properties"];
    for name in ["size", "stop_at"] {
        batches[name]["minimum"] = json!(1);
    }
    batches["stop_at"]["maximum"] = json!(100);
    // Without items there is nothing to divide.
    step["dependencies"] = json!({ "batches": ["for_each"] });
    let properties = &mut step["properties"];
    let kinds: Vec<&str> = actions.iter().map(|action| action.kind).collect();
    let titles: Vec<&str> = actions.iter().map(|action| action.title).collect();
    properties["uses"]["enum"] = json!(kinds);
    properties["uses"]["enumDescriptions"] = json!(titles);
    let choices: Vec<Value> = actions.iter().map(of_action).collect();
    step["allOf"] = json!(choices);
    step
}

fn of_action(action: &ActionShape) -> Value {
    let phases: Vec<&str> = action.phases.iter().map(|phase| phase.as_str()).collect();
    let with = object(action.fields, |field| {
        let mut choices = written(&field.ty);
        if !field.required {
            choices.push(json!({ "type": "null" }));
        }
        described(json!({ "anyOf": choices }), field)
    });
    let mut then = json!({ "properties": { "phase": { "enum": phases }, "with": with } });
    if action.fields.iter().any(|field| field.required) {
        then["required"] = json!(["with"]);
    }
    when("uses", action.kind, &then)
}

/// A value of a type, written out or as expressions.
fn written(ty: &FieldType) -> Vec<Value> {
    let mut choices = vec![literal(ty), pattern(HAS_EXPRESSION)];
    if let Some(item) = item_of(ty) {
        let item = json!({ "anyOf": [literal(item), pattern(HAS_EXPRESSION)] });
        choices.push(json!({ "type": "array", "items": item }));
    }
    choices
}

/// What the items of a list may be, where a list may stand.
fn item_of(ty: &FieldType) -> Option<&FieldType> {
    match ty {
        FieldType::List(item) => Some(item),
        FieldType::Either(types) => types.iter().find_map(item_of),
        FieldType::Such(such) => item_of(&such.of),
        _ => None,
    }
}

fn when(field: &str, is: &str, then: &Value) -> Value {
    json!({ "if": { "properties": { field: { "const": is } }, "required": [field] }, "then": then })
}

fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn kebab() -> Value {
    json!({ "type": "string", "pattern": KEBAB, "maxLength": 64 })
}

fn names() -> Value {
    json!({ "pattern": WORD, "maxLength": 64 })
}

/// Puts a closer description in place of one, and keeps its help.
fn narrow(schema: &mut Value, closer: Value) {
    let help = schema.get("description").cloned();
    *schema = closer;
    if let Some(help) = help {
        schema["description"] = help;
    }
}

/// A value of a type, written out.
fn literal(ty: &FieldType) -> Value {
    match ty {
        FieldType::UserName | FieldType::RoleName => pattern("^[A-Za-z0-9_+=,.@-]{1,64}$"),
        FieldType::AccessKeyId => pattern("^A[KS]IA[A-Z0-9]{12,124}$"),
        FieldType::SecretId => pattern(
            "^(arn:.*:secretsmanager:.*:secret:.*-[A-Za-z0-9]{6}|[A-Za-z0-9/_+=.@-]{1,512})$",
        ),
        FieldType::AgeRecipient => pattern("^age1[02-9ac-hj-np-z]{58}$"),
        FieldType::AccountId => pattern("^[0-9]{12}$"),
        FieldType::Cidr => pattern("^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"),
        FieldType::VpcId => pattern("^vpc-([0-9a-f]{8}|[0-9a-f]{17})$"),
        FieldType::Arn => pattern("^arn:([^: ]*:){4}[^ ]+$"),
        // The decoder reads every form of RFC 3339 and a few more; an editor must not object to one.
        FieldType::Timestamp => {
            pattern("^[+-]?[0-9]{4,6}-?[0-9]{2}-?[0-9]{2}[Tt ].*([Zz]|[+-][0-9])")
        }
        FieldType::Duration => pattern("^[^-]*[0-9]"),
        FieldType::Text => json!({ "type": "string", "not": { "pattern": HAS_EXPRESSION } }),
        FieldType::Integer => json!({ "type": "integer" }),
        FieldType::Boolean => json!({ "type": "boolean" }),
        FieldType::List(item) => json!({ "type": "array", "items": literal(item) }),
        FieldType::OneOf(words) => json!({ "enum": words }),
        FieldType::Either(types) => {
            json!({ "anyOf": types.iter().map(literal).collect::<Vec<_>>() })
        }
        // What more is asked of it, no editor can judge.
        FieldType::Such(such) => literal(&such.of),
        FieldType::Any => json!({}),
        FieldType::TypeName => json!({ "enum": FieldType::names().collect::<Vec<_>>() }),
        FieldType::Table(fields) => table(fields),
        FieldType::MapOf(fields) => {
            json!({ "type": "object", "additionalProperties": table(fields) })
        }
        FieldType::Expressions => json!({ "type": "object" }),
    }
}
