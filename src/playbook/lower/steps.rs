//! The steps of a playbook, each as far as it can be read.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::tables::STEP;
use super::{Fields, Lowering};
use crate::diagnostic::{Code, Diagnostic};
use crate::ids::{ActionKind, StepId};
use crate::playbook::field::{FieldType, shorten};
use crate::playbook::node::{Kind, Node};
use crate::playbook::vocabulary::{ActionShape, Phase};
use crate::playbook::{Step, Target};

/// A step as far as it could be read, with what `order` judges by.
pub(super) struct Draft<'a, 'n> {
    pub(super) id: Option<StepId>,
    pub(super) id_range: Range<usize>,
    pub(super) phase: Option<(Phase, &'n Range<usize>)>,
    pub(super) action: Option<(&'a ActionShape, &'n Range<usize>)>,
    pub(super) needs: Vec<(StepId, &'n Range<usize>)>,
    pub(super) step: Option<Step>,
}

impl<'a> Lowering<'a> {
    pub(super) fn steps<'n>(&mut self, fields: &Fields<'n>) -> Vec<Draft<'a, 'n>> {
        let example =
            "`steps: [{ id: keys-off, phase: contain, uses: iam.access-key.deactivate }]`";
        let nodes = self.list(fields, "steps", example);
        if let (Some((_, node)), true) = (fields.get("steps"), nodes.is_empty())
            && matches!(node.kind, Kind::List(_))
        {
            let problem = Diagnostic::error(Code::BadValue, "a playbook has at least one step")
                .at(self.place(&node.range), "none in here")
                .help(format!("write it like {example}"));
            self.push(problem);
        }
        nodes.iter().map(|node| self.step(node)).collect()
    }

    fn step<'n>(&mut self, node: &'n Node) -> Draft<'a, 'n> {
        let id_node = match &node.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(key, _)| key.text == "id").map(|(_, value)| value)
            }
            _ => None,
        };
        let id_text = id_node.and_then(|node| match &node.kind {
            Kind::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let what = match id_text {
            Some(id) => format!("step `{}`", shorten(id)),
            None => "a step".to_owned(),
        };
        let whole = id_node.map_or(&node.range, |id| &id.range).clone();
        let fields = self.fields(node, STEP, &what, &whole);
        let id = self.scalar(&fields, STEP, "id").and_then(|value| {
            let text = value.as_str()?;
            let parsed = StepId::parse(text).ok();
            if parsed.is_none() {
                self.not_kebab("id", text, &whole);
            }
            parsed
        });
        let phase = self.word(&fields, STEP, "phase", Phase::find);
        let title = self.scalar(&fields, STEP, "title");
        let needs = self.needs(&fields);
        let action = self.action(&fields);
        let with = self.with(&fields, action, &what, &whole);
        let step = match (&id, phase, action) {
            (Some(id), Some(phase), Some(action)) => {
                let uses = ActionKind::parse(action.kind)
                    .expect("a vocabulary names its actions as playbooks do: `vocabulary::faults`");
                Some(Step {
                    id: id.clone(),
                    phase,
                    uses,
                    with,
                    needs: needs.iter().map(|(id, _)| id.clone()).collect(),
                    title: title.and_then(|v| v.as_str().map(str::to_owned)),
                    place: self.place(&whole),
                })
            }
            _ => None,
        };
        let range = |name: &str| fields.get(name).map(|(_, node)| &node.range);
        Draft {
            id,
            id_range: whole,
            phase: phase.zip(range("phase")),
            action: action.zip(range("uses")),
            needs,
            step,
        }
    }

    fn needs<'n>(&mut self, fields: &Fields<'n>) -> Vec<(StepId, &'n Range<usize>)> {
        let mut needs = Vec::new();
        for node in self.list(fields, "needs", "`needs: [keys-off]`") {
            let Some(Value::String(text)) = self.literal(node, "needs", &FieldType::Text) else {
                continue;
            };
            match StepId::parse(text.as_str()) {
                Ok(id) => needs.push((id, &node.range)),
                Err(_) => self.not_kebab("needs", &text, &node.range),
            }
        }
        needs
    }

    fn action(&mut self, fields: &Fields<'_>) -> Option<&'a ActionShape> {
        let value = self.scalar(fields, STEP, "uses")?;
        let kind = value.as_str()?;
        let vocabulary = self.vocabulary;
        let action = vocabulary.action(kind);
        if action.is_none() {
            let (_, node) = fields.get("uses")?;
            let kinds = vocabulary.actions().iter().map(|action| action.kind);
            let help = match self.suggest(kind, kinds) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`portcullis actions` lists them".to_owned(),
            };
            let problem = Diagnostic::error(
                Code::UnknownAction,
                format!("there is no action `{}`", shorten(kind)),
            )
            .at(self.place(&node.range), "not known")
            .help(help);
            self.push(problem);
        }
        action
    }

    pub(super) fn unused_targets(&mut self, targets: &[Target], steps: &[Draft<'_, '_>]) {
        // With a step left out because of a problem, its targets only look unused.
        if steps.iter().any(|draft| draft.step.is_none()) || !self.problems.is_empty() {
            return;
        }
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for target in targets {
            used.extend(target.expression.targets().iter().map(String::as_str));
        }
        for step in steps.iter().filter_map(|draft| draft.step.as_ref()) {
            for (_, template) in &step.with {
                for expression in template.expressions() {
                    used.extend(expression.targets().iter().map(String::as_str));
                }
            }
        }
        for target in targets.iter().filter(|target| !used.contains(target.name.as_str())) {
            let problem = Diagnostic::warning(
                Code::UnusedTarget,
                format!("nothing uses target `{}`", target.name),
            )
            .at(target.place.clone(), "declared here")
            .help("take it out, or use it in a step");
            self.push(problem);
        }
    }
}
