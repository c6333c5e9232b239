//! How a change is made without this program: for the night when neither it nor the laptop is at hand.
//!
//! Commands are lists of words, so that whoever prints them quotes them; nothing here is a line of shell.

/// How somebody makes one change by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHand {
    /// Commands of the AWS command line, without the leading `aws`. The first that succeeds is enough; none, where a
    /// person does it elsewhere.
    pub commands: Vec<Vec<Word>>,
    /// The way to it in the console, or what the person does.
    pub console: String,
}

/// One word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// As it is.
    Text(String),
    /// Around the time at which the command is run, by RFC 3339 in UTC.
    Timed {
        /// What stands before it.
        before: String,
        /// What stands behind it.
        after: String,
    },
}

/// `--name=value` for each, behind the words of the operation: so a value that begins with a hyphen is still a
/// value.
pub(super) fn command(operation: &[&str], options: &[(&str, &str)]) -> Vec<Word> {
    let words = operation.iter().map(|word| Word::Text((*word).to_owned()));
    let options = options.iter().map(|(name, value)| Word::Text(format!("--{name}={value}")));
    words.chain(options).collect()
}
