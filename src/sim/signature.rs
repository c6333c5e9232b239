//! Whether a request is signed by whom it says, by signing it again.
//!
//! Only the headers that the client lists as signed count, so any client's choice of them works.
//! Knows no accounts: the secret to sign with is handed in.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::wire::{Incoming, Refusal};

/// What the `Authorization` header says.
#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) access_key_id: String,
    pub(super) region: String,
    pub(super) service: String,
    date: String,
    signed_headers: Vec<String>,
    signature: String,
}

/// How far a request's date may be from AWS's time.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(15);

impl Authorization {
    /// Takes the header apart.
    pub(super) fn of(request: &Incoming) -> Result<Self, Refusal> {
        let header = request.header("authorization").ok_or_else(|| {
            Refusal::new(
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            )
        })?;
        let incomplete = || {
            Refusal::new(
                403,
                "IncompleteSignature",
                "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.",
            )
        };
        let fields = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(incomplete)?;
        let field = |name: &str| {
            fields.split(',').find_map(|f| f.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let scope: Vec<&str> = field("Credential").ok_or_else(incomplete)?.split('/').collect();
        let [id, date, region, service, "aws4_request"] = scope[..] else {
            return Err(incomplete());
        };
        Ok(Self {
            access_key_id: id.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            date: date.to_owned(),
            signed_headers: field("SignedHeaders")
                .ok_or_else(incomplete)?
                .split(';')
                .map(str::to_owned)
                .collect(),
            signature: field("Signature").ok_or_else(incomplete)?.to_owned(),
        })
    }

    /// Checks date, body and signature against the secret and, for a session, its token.
    pub(super) fn verify(
        &self,
        request: &Incoming,
        secret: &str,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mismatch = |message: String| Refusal::new(403, "SignatureDoesNotMatch", message);
        let dated = request
            .header("x-amz-date")
            .and_then(parse_date)
            .ok_or_else(|| mismatch("The request has no valid X-Amz-Date.".to_owned()))?;
        let compact = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let apart = dated.duration_since(now);
        if apart.abs() > TOLERANCE {
            let (early, late) = if apart.is_negative() {
                ("Signature expired", now - TOLERANCE)
            } else {
                ("Signature not yet current", now + TOLERANCE)
            };
            let relation = if apart.is_negative() { "earlier" } else { "later" };
            return Err(mismatch(format!(
                "{early}: {} is now {relation} than {} ({} {} 15 min.)",
                compact(dated),
                compact(late),
                compact(now),
                if apart.is_negative() { '-' } else { '+' },
            )));
        }
        if !compact(dated).starts_with(&self.date) {
            return Err(mismatch(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.".to_owned(),
            ));
        }
        let wrong = || {
            mismatch("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.".to_owned())
        };
        for required in ["host", "x-amz-date"] {
            if !self.signed_headers.iter().any(|h| h == required) {
                return Err(mismatch(format!("'{required}' must be a signed header.")));
            }
        }
        if let Some(stated) = request.header("x-amz-content-sha256")
            && stated != hex::encode(Sha256::digest(&request.body))
        {
            return Err(mismatch("The body does not have the stated hash.".to_owned()));
        }
        let expected = self.sign_again(request, secret, token, dated).ok_or_else(wrong)?;
        // Nobody measures time in a rehearsal: a plain comparison will do.
        if expected == self.signature { Ok(()) } else { Err(wrong()) }
    }

    fn sign_again(
        &self,
        request: &Incoming,
        secret: &str,
        token: Option<&str>,
        dated: Timestamp,
    ) -> Option<String> {
        let token =
            token.filter(|_| self.signed_headers.iter().any(|h| h == "x-amz-security-token"));
        let identity =
            Credentials::new(&self.access_key_id, secret, token.map(str::to_owned), None, "world")
                .into();
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        let seconds = u64::try_from(dated.as_second()).ok()?;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .settings(settings)
            .build()
            .ok()?
            .into();
        // The signer adds date and token itself.
        let headers = request.headers.iter().filter_map(|(name, value)| {
            let counts = self.signed_headers.contains(name)
                && name != "x-amz-date"
                && name != "x-amz-security-token";
            counts.then_some((name.as_str(), value.as_str()))
        });
        let signable = SignableRequest::new(
            &request.method,
            request.uri.as_str(),
            headers,
            SignableBody::Bytes(&request.body),
        )
        .ok()?;
        Some(sign(signable, &params).ok()?.signature().to_owned())
    }
}

fn parse_date(compact: &str) -> Option<Timestamp> {
    let digits = compact.as_bytes();
    if digits.len() != 16 || !compact.is_ascii() {
        return None;
    }
    format!(
        "{}-{}-{}T{}:{}:{}Z",
        &compact[0..4],
        &compact[4..6],
        &compact[6..8],
        &compact[9..11],
        &compact[11..13],
        &compact[13..15]
    )
    .parse()
    .ok()
}
