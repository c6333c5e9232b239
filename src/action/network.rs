//! Denying a user whatever he asks from elsewhere than certain networks: the document, and how to see that it stands.
//!
//! Shared by putting the restriction on and taking it off. It is the pattern that AWS documents for data perimeters:
//! one deny whose conditions must all hold. A request from the internet shows its address and no VPC; one through
//! an endpoint of a VPC shows the VPC and no address; so a condition on what a request does not show holds, and
//! the other one decides. What a service asks on somebody's behalf comes from the service's own network, and is let
//! through where AWS says that it is so: whoever made the service ask was judged when he did.

use serde_json::{Value, json};

use super::PlanError;
use crate::ids::{Cidr, PolicyName, VpcId};
use crate::playbook::{FieldType, Such};

/// The inline policy's name. Ours alone, so that taking it off never takes anything else off.
const POLICY: &str = "PortcullisRestrictNetwork";

/// The name of our inline policy.
pub(super) fn policy_name() -> PolicyName {
    PolicyName::parse(POLICY).expect("a policy name")
}

/// The policy that denies everything from elsewhere.
pub(super) fn document(networks: &[Cidr], vpcs: &[VpcId]) -> String {
    let mut conditions = serde_json::Map::new();
    // Absent counts as elsewhere for both, with `IfExists` and without; written out, so that it can be read.
    if !networks.is_empty() {
        conditions.insert("NotIpAddressIfExists".to_owned(), json!({ "aws:SourceIp": networks }));
    }
    if !vpcs.is_empty() {
        conditions.insert("StringNotEqualsIfExists".to_owned(), json!({ "aws:SourceVpc": vpcs }));
    }
    conditions.insert("BoolIfExists".to_owned(), json!({ "aws:ViaAWSService": "false" }));
    let statement = json!({
        "Sid": POLICY,
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": conditions,
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// Whether two documents say the same, to the letter but for white space and the order of keys.
pub(super) fn same(one: &str, other: &str) -> bool {
    let read = |text| serde_json::from_str::<Value>(text).ok();
    matches!((read(one), read(other)), (Some(one), Some(other)) if one == other)
}

/// A network that AWS sees requests come from, and that is not everybody's.
pub(super) const OFFICE: FieldType = FieldType::Such(&Such {
    of: FieldType::Cidr,
    expected: "a network that reaches the internet by these addresses",
    example: "203.0.113.0/24",
    judge: |value| {
        let Some(network) = value.as_str().and_then(|text| Cidr::parse(text).ok()) else {
            return Ok(());
        };
        if network.bits() == 0 {
            let help = "that is the whole internet, and restricts nobody: name the addresses by which the offices \
                        reach it";
            return Err(help.to_owned());
        }
        if is_private(&network) {
            let help = "it is private: AWS never sees it, and everybody would be shut out. Name the address by which \
                        that network reaches the internet, or, where it reaches AWS through an endpoint, the VPC";
            return Err(help.to_owned());
        }
        Ok(())
    },
});

/// What a restriction may name, sorted and each once; refuses what would shut everybody out.
pub(super) fn sensible(
    mut networks: Vec<Cidr>,
    mut vpcs: Vec<VpcId>,
) -> Result<(Vec<Cidr>, Vec<VpcId>), PlanError> {
    if networks.is_empty() && vpcs.is_empty() {
        return Err(PlanError::Impossible {
            message: "no network stays open: that would be a quarantine".to_owned(),
            help: "name networks, by the addresses they reach the internet by, or VPCs; or use `iam.user.quarantine`"
                .to_owned(),
        });
    }
    networks.sort();
    networks.dedup();
    vpcs.sort();
    vpcs.dedup();
    Ok((networks, vpcs))
}

/// Whether no request from the internet can come from there.
fn is_private(network: &Cidr) -> bool {
    match network.first() {
        std::net::IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let of_a_carrier = first == 100 && (64..128).contains(&second);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || of_a_carrier
        }
        std::net::IpAddr::V6(v6) => {
            v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(all: &[&str]) -> Vec<Cidr> {
        all.iter().map(|one| Cidr::parse(*one).unwrap()).collect()
    }

    #[test]
    fn only_the_exact_document_counts() {
        let text = document(&networks(&["203.0.113.0/24"]), &[]);
        assert_eq!(
            text,
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"PortcullisRestrictNetwork","Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddressIfExists":{"aws:SourceIp":["203.0.113.0/24"]},"BoolIfExists":{"aws:ViaAWSService":"false"}}}]}"#
        );
        assert!(same(&text, &text.replace(',', ", ")));
        for (from, to) in [
            ("\"Deny\"", "\"Allow\""),
            ("203.0.113.0/24\"", "203.0.113.0/24\",\"198.51.100.0/24\""),
            ("\"false\"", "\"true\""),
            ("NotIpAddressIfExists", "IpAddress"),
            ("\"Action\":\"*\"", "\"Action\":\"s3:*\""),
        ] {
            assert_ne!(text.replace(from, to), text, "{from}");
            assert!(!same(&text, &text.replace(from, to)), "{to}");
        }
    }

    #[test]
    fn what_would_restrict_nobody_or_everybody_is_refused() {
        for wrong in ["0.0.0.0/0", "::/0", "10.0.0.0/8", "192.168.1.7", "100.64.0.0/10", "fd00::/8"]
        {
            assert!(OFFICE.accept(&json!(wrong)).is_err(), "{wrong}");
        }
        assert!(OFFICE.accept(&json!("203.0.113.0/24")).is_ok());
        assert!(sensible(Vec::new(), Vec::new()).is_err());
        let (sorted, _) =
            sensible(networks(&["203.0.113.7", "198.51.100.0/24", "203.0.113.7"]), Vec::new())
                .unwrap();
        assert_eq!(sorted, networks(&["198.51.100.0/24", "203.0.113.7"]));
    }
}
