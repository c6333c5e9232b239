//! Days on which somebody is to look again, and which are over.
//!
//! Knows no clock: whoever asks says when it is. What hangs on inputs is known when a plan is made, and told there.

use jiff::Timestamp;

use super::Playbook;
use crate::diagnostic::{Code, Diagnostic};

impl Playbook {
    /// A warning for each `review_by` that stands in the playbook and is over.
    pub fn reviews_passed(&self, now: Timestamp) -> Vec<Diagnostic> {
        let passed = self.steps.iter().filter_map(|step| {
            let template = step.review_by.as_ref()?;
            let day: Timestamp = template.literal()?.as_str()?.parse().ok()?;
            let message = format!("the day on which to look at step `{}` again is over", step.id);
            (day < now).then(|| {
                Diagnostic::warning(Code::ReviewPassed, message)
                    .at(template.place().clone(), "before today")
                    .help("write a day to come, or make it an input: `review_by: \"${{ inputs.review_by }}\"`")
            })
        });
        passed.collect()
    }
}
