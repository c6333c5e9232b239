//! Credentials that were given to be tried: read from a file descriptor, kept in memory, never on a command line,
//! never stored.
//!
//! Each is a JSON document as AWS's tools print it: `aws sts get-session-token`, `aws iam create-access-key`, or
//! what a `credential_process` says; several may follow each other. What is wrong is said by its place alone, since
//! a message that showed it would show a secret.

use std::io::Read;

use serde::Deserialize;

use super::exit::{Exit, Failure};
use crate::cloud::Suspect;
use crate::ids::AccessKeyId;
use crate::secret::Secret;

/// More than any sensible number of credentials takes.
const LONGEST: u64 = 256 * 1024;

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Sts {
        #[serde(rename = "Credentials")]
        credentials: Fields,
    },
    Iam {
        #[serde(rename = "AccessKey")]
        access_key: Fields,
    },
    Process(Fields),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fields {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// Reads what stands at `descriptor`, to its end.
pub(super) fn given(descriptor: Option<u32>) -> Result<Vec<Suspect>, Failure> {
    let Some(descriptor) = descriptor else { return Ok(Vec::new()) };
    let refused = |what: String| {
        Failure::new(
            Exit::Usage,
            what,
            "give the credential as JSON on that descriptor, like: --credential-fd 3 3< <(aws configure \
             export-credentials --profile leaked)",
        )
    };
    let mut text = String::new();
    std::fs::File::open(format!("/dev/fd/{descriptor}"))
        .and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
        .map_err(|error| {
            refused(format!("file descriptor {descriptor} cannot be read")).because(&error)
        })?;
    let text = Secret::new(text);
    if text.expose().len() as u64 > LONGEST {
        return Err(refused(format!("file descriptor {descriptor} has no end")));
    }
    read(text.expose()).map_err(|n| {
        refused(format!("document {n} on file descriptor {descriptor} is not a credential of AWS"))
    })
}

/// The credentials in a text; fails with the number of the document that is none.
fn read(text: &str) -> Result<Vec<Suspect>, usize> {
    let documents = serde_json::Deserializer::from_str(text).into_iter::<Document>();
    let all: Vec<Suspect> = documents
        .enumerate()
        .map(|(n, document)| {
            let fields = match document.map_err(|_| n + 1)? {
                Document::Sts { credentials: fields }
                | Document::Iam { access_key: fields }
                | Document::Process(fields) => fields,
            };
            let (secret, token) = (Secret::new(fields.secret_access_key), fields.session_token);
            let token = token.filter(|token| !token.is_empty()).map(Secret::new);
            let id = AccessKeyId::parse(fields.access_key_id).map_err(|_| n + 1)?;
            Ok(Suspect { id, secret, token })
        })
        .collect::<Result<_, usize>>()?;
    if all.is_empty() { Err(1) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_the_tools_of_aws_print_them() {
        let text = r#"
            {"Credentials": {"AccessKeyId": "ASIAEXAMPLESESSION04", "SecretAccessKey": "s", "SessionToken": "t",
                "Expiration": "2026-03-25T14:45:00+00:00"}}
            {"AccessKey": {"UserName": "ci", "AccessKeyId": "AKIAEXAMPLELEAKED001", "Status": "Active",
                "SecretAccessKey": "s", "CreateDate": "2024-01-10T09:05:00+00:00"}}
            {"Version": 1, "AccessKeyId": "AKIAEXAMPLEHUNGON002", "SecretAccessKey": "s"}"#;
        let all = read(text).unwrap();
        let ids: Vec<_> = all.iter().map(|one| (one.id.as_str(), one.token.is_some())).collect();
        let expected = [
            ("ASIAEXAMPLESESSION04", true),
            ("AKIAEXAMPLELEAKED001", false),
            ("AKIAEXAMPLEHUNGON002", false),
        ];
        assert_eq!(ids, expected);
        let second =
            format!("{} x", r#"{"AccessKeyId": "AKIAEXAMPLEHUNGON002", "SecretAccessKey": "s"}"#);
        for (broken, n) in
            [("", 1), ("hunter2", 1), (r#"{"AccessKeyId": "AKIA"}"#, 1), (&second, 2)]
        {
            assert_eq!(read(broken).unwrap_err(), n, "{broken}");
        }
    }
}
