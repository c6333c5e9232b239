//! What `iam:GetAccountAuthorizationDetails` tells, page by page, turned into one fact.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput;
use aws_sdk_iam::types::{
    AttachedPermissionsBoundary, AttachedPolicy, GroupDetail as SdkGroup, PolicyDetail,
    RoleDetail as SdkRole, Tag, UserDetail as SdkUser,
};

use super::ask::{decoded, every, sorted, timestamp};
use crate::cloud::{CallError, ReadIam};
use crate::ids::{Arn, GroupName, PolicyName, RoleName, UserName};
use crate::inventory::{Authorization, GroupDetail, OwnPolicies, RoleDetail, UserDetail};

const OPERATION: &str = "iam:GetAccountAuthorizationDetails";

/// Reads all of it.
pub(super) async fn read(iam: &ReadIam) -> Result<Authorization, CallError> {
    let mut whole = Ok(Authorization::default());
    iam.authorization(|page| {
        if let Ok(so_far) = &mut whole
            && let Err(error) = add(so_far, &page)
        {
            whole = Err(error);
        }
        ControlFlow::Continue(())
    })
    .await?;
    whole.map(Authorization::tidied)
}

/// Those on one page.
pub(super) fn on(page: &GetAccountAuthorizationDetailsOutput) -> Result<Authorization, CallError> {
    let mut found = Authorization::default();
    add(&mut found, page)?;
    Ok(found.tidied())
}

fn add(
    whole: &mut Authorization,
    page: &GetAccountAuthorizationDetailsOutput,
) -> Result<(), CallError> {
    whole.users.extend(every(OPERATION, page.user_detail_list().iter(), user)?);
    whole.groups.extend(every(OPERATION, page.group_detail_list().iter(), group)?);
    whole.roles.extend(every(OPERATION, page.role_detail_list().iter(), role)?);
    whole.managed.extend(every(OPERATION, page.policies().iter(), |policy| {
        let in_force = policy.policy_version_list().iter().find(|v| v.is_default_version)?;
        Some((Arn::parse(policy.arn()?).ok()?, decoded(in_force.document()?)))
    })?);
    Ok(())
}

fn user(found: &SdkUser) -> Option<UserDetail> {
    let groups = found.group_list().iter().map(|name| GroupName::parse(name.as_str()).ok());
    Some(UserDetail {
        name: UserName::parse(found.user_name()?).ok()?,
        path: found.path()?.to_owned(),
        arn: Arn::parse(found.arn()?).ok()?,
        id: found.user_id()?.to_owned(),
        created_at: timestamp(found.create_date()?)?,
        groups: sorted(groups.collect::<Option<Vec<_>>>()?.into_iter()),
        tags: tags(found.tags()),
        policies: own(
            found.user_policy_list(),
            found.attached_managed_policies(),
            found.permissions_boundary(),
        )?,
    })
}

fn group(found: &SdkGroup) -> Option<GroupDetail> {
    Some(GroupDetail {
        name: GroupName::parse(found.group_name()?).ok()?,
        arn: Arn::parse(found.arn()?).ok()?,
        policies: own(found.group_policy_list(), found.attached_managed_policies(), None)?,
    })
}

fn role(found: &SdkRole) -> Option<RoleDetail> {
    Some(RoleDetail {
        name: RoleName::parse(found.role_name()?).ok()?,
        arn: Arn::parse(found.arn()?).ok()?,
        id: found.role_id()?.to_owned(),
        created_at: timestamp(found.create_date()?)?,
        tags: tags(found.tags()),
        policies: own(
            found.role_policy_list(),
            found.attached_managed_policies(),
            found.permissions_boundary(),
        )?,
    })
}

fn tags(found: &[Tag]) -> BTreeMap<String, String> {
    found.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

fn own(
    inline: &[PolicyDetail],
    attached: &[AttachedPolicy],
    boundary: Option<&AttachedPermissionsBoundary>,
) -> Option<OwnPolicies> {
    let inline = inline.iter().map(|policy| {
        let name = PolicyName::parse(policy.policy_name()?).ok()?;
        Some((name, decoded(policy.policy_document()?)))
    });
    let attached = attached.iter().map(|policy| Arn::parse(policy.policy_arn()?).ok());
    let boundary = boundary.and_then(AttachedPermissionsBoundary::permissions_boundary_arn);
    Some(OwnPolicies {
        inline: inline.collect::<Option<_>>()?,
        attached: sorted(attached.collect::<Option<Vec<_>>>()?.into_iter()),
        boundary: match boundary {
            None => None,
            Some(arn) => Some(Arn::parse(arn).ok()?),
        },
    })
}
