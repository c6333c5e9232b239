//! Requests and answers as they travel: forms and XML for IAM and STS, JSON for the others.
//!
//! Knows the two protocols and nothing of what is in the world.

use std::collections::BTreeMap;

use aws_smithy_xml::encode::{ScopeWriter, XmlWriter};
use serde_json::{Value, json};

/// A request as it came in.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: String,
    /// With scheme and host, as signatures need it.
    pub(super) uri: String,
    /// Names in lower case, in the order they came.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) source_ip: String,
}

impl Incoming {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// An answer as it goes out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// One of the services that a rehearsal cloud has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Identity and Access Management.
    Iam,
    /// The Security Token Service.
    Sts,
    /// Secrets Manager.
    SecretsManager,
    /// The account's log.
    CloudTrail,
}

impl Service {
    /// As credential scopes and actions name it.
    pub fn name(self) -> &'static str {
        match self {
            Service::Iam => "iam",
            Service::Sts => "sts",
            Service::SecretsManager => "secretsmanager",
            Service::CloudTrail => "cloudtrail",
        }
    }

    /// What stands before the operation in its header, for services that speak JSON.
    fn target(self) -> Option<&'static str> {
        match self {
            Service::Iam | Service::Sts => None,
            Service::SecretsManager => Some("secretsmanager."),
            Service::CloudTrail => Some("CloudTrail_20131101."),
        }
    }

    pub(super) fn of_scope(name: &str) -> Option<Self> {
        let all = [Service::Iam, Service::Sts, Service::SecretsManager, Service::CloudTrail];
        all.into_iter().find(|s| s.name() == name)
    }

    fn namespace(self) -> &'static str {
        match self {
            Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            _ => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }
}

/// An element of an XML answer.
#[derive(Clone, Debug)]
pub(super) enum Xml {
    Text(&'static str, String),
    Tree(&'static str, Vec<Xml>),
}

/// An element with a text.
pub(super) fn text(name: &'static str, value: impl Into<String>) -> Xml {
    Xml::Text(name, value.into())
}

/// An element with elements in it.
pub(super) fn tree(name: &'static str, inner: Vec<Xml>) -> Xml {
    Xml::Tree(name, inner)
}

fn write(scope: &mut ScopeWriter<'_, '_>, element: &Xml) {
    match element {
        Xml::Text(name, value) => scope.start_el(name).finish().data(value),
        Xml::Tree(name, inner) => {
            let mut scope = scope.start_el(name).finish();
            for element in inner {
                write(&mut scope, element);
            }
        }
    }
}

/// What an operation answers.
#[derive(Debug)]
pub(super) enum Reply {
    Xml(Vec<Xml>),
    Json(Value),
}

/// A request that is refused, in the words of AWS.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn no_such(what: &str, name: &str) -> Self {
        let message = format!("The {what} with name {name} cannot be found.");
        Self::new(404, "NoSuchEntity", message)
    }

    pub(super) fn exists(what: &str, name: &str) -> Self {
        Self::new(409, "EntityAlreadyExists", format!("{what} with name {name} already exists."))
    }

    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new(409, "LimitExceeded", message)
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "MalformedPolicyDocument", message)
    }

    /// The code as this service spells it: the two protocols have different words and statuses for
    /// the same refusals.
    fn spelled(&self, service: Service) -> (u16, &'static str) {
        if service.target().is_none() {
            return (self.status, self.code);
        }
        match self.code {
            "InvalidClientTokenId" => (400, "UnrecognizedClientException"),
            "ExpiredToken" => (400, "ExpiredTokenException"),
            "SignatureDoesNotMatch" => (400, "InvalidSignatureException"),
            "IncompleteSignature" => (400, "IncompleteSignatureException"),
            "MissingAuthenticationToken" => (400, "MissingAuthenticationTokenException"),
            "AccessDenied" => (400, "AccessDeniedException"),
            "Throttling" => (400, "ThrottlingException"),
            "InvalidAction" => (400, "UnknownOperationException"),
            "ValidationError" => (400, "ValidationException"),
            other => (self.status, other),
        }
    }
}

/// The parameters of a request.
#[derive(Debug)]
pub(super) enum Params {
    Form(BTreeMap<String, String>),
    Json(Value),
}

/// The operation's name and its parameters.
pub(super) fn parse(service: Service, request: &Incoming) -> Result<(String, Params), Refusal> {
    if let Some(prefix) = service.target() {
        let target = request.header("x-amz-target").unwrap_or_default();
        // Some clients write the whole name of the service.
        let target = target.strip_prefix("com.amazonaws.cloudtrail.v20131101.").unwrap_or(target);
        let name = target.strip_prefix(prefix).ok_or_else(|| {
            Refusal::new(400, "InvalidAction", "The request names no operation of this service.")
        })?;
        let body: Value = serde_json::from_slice(&request.body).map_err(|_| {
            Refusal::new(400, "SerializationException", "The body is not a JSON document.")
        })?;
        return Ok((name.to_owned(), Params::Json(body)));
    }
    let mut form: BTreeMap<String, String> =
        form_urlencoded::parse(&request.body).into_owned().collect();
    if let Some((_, query)) = request.uri.split_once('?') {
        form.extend(form_urlencoded::parse(query.as_bytes()).into_owned());
    }
    let name = form.remove("Action").ok_or_else(|| {
        Refusal::new(400, "MissingAction", "The request is missing an Action parameter.")
    })?;
    Ok((name, Params::Form(form)))
}

/// An answer to a request that was carried out.
pub(super) fn answer(service: Service, operation: &str, reply: &Reply, id: &str) -> Outgoing {
    match reply {
        Reply::Json(value) => json_answer(200, value, id),
        Reply::Xml(inner) => {
            let (root, result) = (format!("{operation}Response"), format!("{operation}Result"));
            let mut body = String::new();
            {
                let mut doc = XmlWriter::new(&mut body);
                let mut scope = doc.start_el(&root).write_ns(service.namespace(), None).finish();
                {
                    let mut scope = scope.start_el(&result).finish();
                    for element in inner {
                        write(&mut scope, element);
                    }
                }
                write(&mut scope, &tree("ResponseMetadata", vec![text("RequestId", id)]));
            }
            xml_answer(200, body, id)
        }
    }
}

/// An answer to a request that was refused.
pub(super) fn refuse(service: Service, refusal: &Refusal, id: &str) -> Outgoing {
    let (status, code) = refusal.spelled(service);
    if service.target().is_some() {
        let mut out = json_answer(status, &json!({"__type": code, "message": refusal.message}), id);
        out.headers.push(("x-amzn-errortype", code.to_owned()));
        return out;
    }
    let mut body = String::new();
    {
        let mut doc = XmlWriter::new(&mut body);
        let mut scope = doc.start_el("ErrorResponse").write_ns(service.namespace(), None).finish();
        let kind = if status >= 500 { "Receiver" } else { "Sender" };
        let error =
            vec![text("Type", kind), text("Code", code), text("Message", refusal.message.as_str())];
        write(&mut scope, &tree("Error", error));
        write(&mut scope, &text("RequestId", id));
    }
    xml_answer(status, body, id)
}

/// The code of a refusal as the client sees it, for the audit log.
pub(super) fn code_of(service: Service, refusal: &Refusal) -> &'static str {
    refusal.spelled(service).1
}

/// A success that nobody can read.
pub(super) fn garbage(id: &str) -> Outgoing {
    xml_answer(200, "<html><body>502 <b>upstream".to_owned(), id)
}

fn xml_answer(status: u16, body: String, id: &str) -> Outgoing {
    let headers =
        vec![("content-type", "text/xml".to_owned()), ("x-amzn-requestid", id.to_owned())];
    Outgoing { status, headers, body }
}

fn json_answer(status: u16, value: &Value, id: &str) -> Outgoing {
    let headers = vec![
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amzn-requestid", id.to_owned()),
    ];
    Outgoing { status, headers, body: value.to_string() }
}
