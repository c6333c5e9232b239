//! Whatever else a user can sign in with: passwords, MFA devices, service-specific credentials, SSH
//! public keys and signing certificates.

use super::users::Answer;
use super::{parse_status, passwords, status};
use crate::sim::call::{Call, at};
use crate::sim::state::{Password, ServiceCredential, Uploaded};
use crate::sim::wire::{Refusal, Reply, Xml, text, tree};

fn done() -> Reply {
    Reply::Xml(Vec::new())
}

fn profile(name: &str, password: &Password) -> Reply {
    Reply::Xml(vec![tree(
        "LoginProfile",
        vec![
            text("UserName", name),
            at("CreateDate", password.created_at),
            text("PasswordResetRequired", password.reset_required.to_string()),
        ],
    )])
}

pub(super) fn no_profile(name: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", format!("Login Profile for User {name} cannot be found."))
}

pub(in crate::sim) fn get_login_profile(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.shown_user()?;
    let password = user.password.as_ref().ok_or_else(|| no_profile(&name))?;
    Ok(profile(&name, password))
}

fn reset_required(call: &Call<'_>) -> Option<bool> {
    call.params.get("PasswordResetRequired").map(|v| v == "true")
}

pub(in crate::sim) fn create_login_profile(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.newest_user()?;
    if user.password.is_some() {
        return Err(Refusal::exists("Login Profile for user", &name));
    }
    let given = call.params.required("Password")?.to_owned();
    let value = passwords::sealed(call, &given, None)?;
    let reset_required = reset_required(call).unwrap_or(false);
    let password = Password { created_at: call.now, reset_required, value, earlier: Vec::new() };
    let answer = profile(&name, &password);
    call.edit_user(&name).password = Some(password);
    Ok(answer)
}

pub(in crate::sim) fn update_login_profile(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let (name, user) = call.newest_user()?;
    let mut changed = user.password.clone().ok_or_else(|| no_profile(&name))?;
    passwords::check_modifiable(call, &name, &changed)?;
    if let Some(given) = call.params.get("Password").map(str::to_owned) {
        let value = passwords::sealed(call, &given, Some(&changed))?;
        passwords::set(&mut changed, value);
    }
    if let Some(required) = reset_required(call) {
        changed.reset_required = required;
    }
    call.edit_user(&name).password = Some(changed);
    Ok(done())
}

pub(in crate::sim) fn delete_login_profile(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.newest_user()?;
    let password = user.password.as_ref().ok_or_else(|| no_profile(&name))?;
    passwords::check_modifiable(call, &name, password)?;
    call.edit_user(&name).password = None;
    Ok(done())
}

pub(in crate::sim) fn list_mfa(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.shown_user()?;
    let device = |(serial, enabled): (&String, &jiff::Timestamp)| {
        tree(
            "member",
            vec![
                text("UserName", name.as_str()),
                text("SerialNumber", serial.as_str()),
                at("EnableDate", *enabled),
            ],
        )
    };
    let devices = user.mfa.iter().map(device).collect();
    Ok(Reply::Xml(call.page("MFADevices", devices)?))
}

fn describe_service_credential(user: &str, credential: &ServiceCredential) -> Vec<Xml> {
    vec![
        text("UserName", user),
        text("Status", status(credential.active)),
        text("ServiceUserName", credential.service_user.as_str()),
        at("CreateDate", credential.created_at),
        text("ServiceSpecificCredentialId", credential.id.as_str()),
        text("ServiceName", credential.service.as_str()),
    ]
}

pub(in crate::sim) fn list_service(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.shown_user()?;
    let wanted = call.params.get("ServiceName");
    let credentials = user
        .service_credentials
        .iter()
        .filter(|c| wanted.is_none_or(|w| w == c.service))
        .map(|c| tree("member", describe_service_credential(&name, c)))
        .collect();
    Ok(Reply::Xml(call.page("ServiceSpecificCredentials", credentials)?))
}

/// Services that have passwords of their own.
const OFFERED: [&str; 3] =
    ["codecommit.amazonaws.com", "cassandra.amazonaws.com", "bedrock.amazonaws.com"];

pub(in crate::sim) fn create_service(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let service = call.params.required("ServiceName")?.to_owned();
    if !OFFERED.contains(&service.as_str()) {
        let message = format!("No such service {service} is supported");
        return Err(Refusal::new(404, "NotSupportedService", message));
    }
    let (name, user) = call.newest_user()?;
    if user.service_credentials.iter().filter(|c| c.service == service).count() >= 2 {
        return Err(Refusal::limit("Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2"));
    }
    let password = format!("{}{}", call.engine.new_uuid(), call.engine.new_suffix());
    call.engine.seal("service password", &password);
    let credential = ServiceCredential {
        id: call.engine.new_id("ACCA"),
        service,
        service_user: format!("{name}-at-{}", call.account_id()),
        created_at: call.now,
        active: true,
    };
    let mut answer = describe_service_credential(&name, &credential);
    answer.push(text("ServicePassword", password));
    call.edit_user(&name).service_credentials.push(credential);
    Ok(Reply::Xml(vec![tree("ServiceSpecificCredential", answer)]))
}

pub(in crate::sim) fn update_service(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("ServiceSpecificCredentialId")?.to_owned();
    let active = parse_status(call.params.required("Status")?)?;
    let (name, user) = call.newest_user()?;
    let n = user
        .service_credentials
        .iter()
        .position(|c| c.id == id)
        .ok_or_else(|| Refusal::no_such("Service Specific Credential", &id))?;
    if user.service_credentials[n].active != active {
        call.edit_user(&name).service_credentials[n].active = active;
    }
    Ok(done())
}

pub(in crate::sim) fn list_ssh(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.shown_user()?;
    let key = |key: &Uploaded| {
        tree(
            "member",
            vec![
                text("UserName", name.as_str()),
                text("SSHPublicKeyId", key.id.as_str()),
                text("Status", status(key.active)),
                at("UploadDate", key.created_at),
            ],
        )
    };
    let keys = user.ssh_keys.iter().map(key).collect();
    Ok(Reply::Xml(call.page("SSHPublicKeys", keys)?))
}

pub(in crate::sim) fn upload_ssh(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let body = call.params.required("SSHPublicKeyBody")?.to_owned();
    if !body.starts_with("ssh-rsa ") && !body.starts_with("-----BEGIN PUBLIC KEY-----") {
        return Err(Refusal::new(
            400,
            "UnrecognizedPublicKeyEncoding",
            "The public key encoding is not recognized.",
        ));
    }
    let (name, user) = call.newest_user()?;
    if user.ssh_keys.len() >= 5 {
        return Err(Refusal::limit("Cannot exceed quota for SSHPublicKeysPerUser: 5"));
    }
    if user.ssh_keys.iter().any(|k| k.body == body) {
        return Err(Refusal::new(
            400,
            "DuplicateSSHPublicKey",
            "The SSH public key is already associated with the specified IAM user.",
        ));
    }
    let fingerprint: Vec<String> = call
        .engine
        .vault()
        .fingerprint(&body)
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair).into_owned())
        .collect();
    let id = call.engine.new_id("APKA");
    let key = Uploaded { id: id.clone(), body: body.clone(), created_at: call.now, active: true };
    call.edit_user(&name).ssh_keys.push(key);
    Ok(Reply::Xml(vec![tree(
        "SSHPublicKey",
        vec![
            text("UserName", name),
            text("SSHPublicKeyId", id),
            text("Fingerprint", fingerprint.join(":")),
            text("SSHPublicKeyBody", body),
            text("Status", "Active"),
            at("UploadDate", call.now),
        ],
    )]))
}

pub(in crate::sim) fn update_ssh(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let id = call.params.required("SSHPublicKeyId")?.to_owned();
    let active = parse_status(call.params.required("Status")?)?;
    let (name, user) = call.newest_user()?;
    let n = user
        .ssh_keys
        .iter()
        .position(|k| k.id == id)
        .ok_or_else(|| Refusal::no_such("Public Key", &id))?;
    if user.ssh_keys[n].active != active {
        call.edit_user(&name).ssh_keys[n].active = active;
    }
    Ok(done())
}

pub(in crate::sim) fn list_certificates(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.shown_user()?;
    let certificate = |certificate: &Uploaded| {
        tree(
            "member",
            vec![
                text("UserName", name.as_str()),
                text("CertificateId", certificate.id.as_str()),
                text("CertificateBody", certificate.body.as_str()),
                text("Status", status(certificate.active)),
                at("UploadDate", certificate.created_at),
            ],
        )
    };
    let certificates = user.certificates.iter().map(certificate).collect();
    Ok(Reply::Xml(call.page("Certificates", certificates)?))
}

pub(in crate::sim) fn update_certificate(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("CertificateId")?.to_owned();
    let active = parse_status(call.params.required("Status")?)?;
    let (name, user) = call.newest_user()?;
    let n = user
        .certificates
        .iter()
        .position(|c| c.id == id)
        .ok_or_else(|| Refusal::no_such("certificate", &id))?;
    if user.certificates[n].active != active {
        call.edit_user(&name).certificates[n].active = active;
    }
    Ok(done())
}
