//! From what the provider says of a person to what the box makes of it.

use serde_json::Value;
use store::{Role, Vouched};

use super::id_token::Claims;
use super::settings::ClaimRules;

/// The person, by the rules. The error is the reason for the log.
pub(super) fn person(claims: &Claims, issuer: &str, rules: &ClaimRules) -> Result<Vouched, &'static str> {
    let groups = groups(claims, &rules.groups_claim)?;
    let is_in = |group: &String| groups.contains(&group.as_str());
    let mapped = |role: &Role| rules.roles.iter().any(|(group, given)| given == role && is_in(group));
    let mut departments: Vec<(String, bool)> = Vec::new();
    for (group, department) in &rules.departments {
        match departments.iter_mut().find(|(known, _)| known == department) {
            Some((_, belongs)) => *belongs |= is_in(group),
            None => departments.push((department.clone(), is_in(group))),
        }
    }
    Ok(Vouched {
        issuer: issuer.to_owned(),
        subject: text(claims, "sub").unwrap_or_default().to_owned(),
        name: name(claims, &rules.name_claim).ok_or("name")?.to_owned(),
        role: Role::OF_PEOPLE.into_iter().find(mapped).or(rules.default_role),
        departments,
    })
}

/// An address of e-mail counts only where the provider has proven that it is the person's.
fn name<'a>(claims: &'a Claims, name_claim: &str) -> Option<&'a str> {
    let is_proven = claims.get("email_verified") == Some(&Value::Bool(true));
    let email = || text(claims, "email").filter(|_| is_proven);
    if name_claim == "email" { email() } else { text(claims, name_claim).or_else(email) }
}

fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// A claim by its name, or by a path with dots: `realm_access.roles`.
fn groups<'a>(claims: &'a Claims, path: &str) -> Result<Vec<&'a str>, &'static str> {
    // A provider that has too many groups for a token says where to ask for them. Half of them would be wrong.
    if claims.get("_claim_names").is_some_and(|names| names.get(path).is_some()) {
        return Err("groups-left-out");
    }
    let found = claims.get(path).or_else(|| {
        let mut parts = path.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    });
    Ok(match found {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> ClaimRules {
        let own = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(group, to)| ((*group).to_owned(), (*to).to_owned())).collect()
        };
        ClaimRules {
            name_claim: "preferred_username".into(),
            groups_claim: "groups".into(),
            roles: [("staff".to_owned(), Role::Staff), ("it".to_owned(), Role::Admin)].into(),
            departments: own(&[("w7", "Ward 7"), ("w7-night", "Ward 7"), ("w8", "Ward 8")]),
            default_role: None,
        }
    }

    fn read(claims: Value, rules: &ClaimRules) -> Result<Vouched, &'static str> {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        person(&claims, "https://id.example", rules)
    }

    #[test]
    fn groups_give_the_strongest_role_and_every_mapped_department() {
        let claims = json!({"sub": "1", "preferred_username": "lee", "groups": ["staff", "it", "w7", "x"]});
        let lee = read(claims, &rules()).unwrap();
        assert_eq!((lee.name.as_str(), lee.role), ("lee", Some(Role::Admin)));
        assert_eq!(lee.departments, [("Ward 7".to_owned(), true), ("Ward 8".to_owned(), false)]);
        let nobody = json!({"sub": "1", "preferred_username": "lee", "groups": "x"});
        assert_eq!(read(nobody.clone(), &rules()).unwrap().role, None);
        let open = ClaimRules { default_role: Some(Role::Staff), ..rules() };
        assert_eq!(read(nobody, &open).unwrap().role, Some(Role::Staff));
    }

    #[test]
    fn groups_may_lie_deeper_and_are_never_half_known() {
        let deep = ClaimRules { groups_claim: "realm_access.roles".into(), ..rules() };
        let claims = json!({"sub": "1", "preferred_username": "lee", "realm_access": {"roles": ["it"]}});
        assert_eq!(read(claims, &deep).unwrap().role, Some(Role::Admin));
        let left_out = json!({"sub": "1", "preferred_username": "lee", "_claim_names": {"groups": "src1"}});
        assert_eq!(read(left_out, &rules()), Err("groups-left-out"));
    }

    #[test]
    fn a_name_is_the_claim_or_an_address_that_was_proven() {
        let named = |claims: Value, claim: &str| {
            read(claims, &ClaimRules { name_claim: claim.into(), ..rules() }).map(|person| person.name)
        };
        let email = json!({"sub": "1", "email": "lee@h.example", "email_verified": true});
        assert_eq!(named(email.clone(), "preferred_username").as_deref(), Ok("lee@h.example"));
        assert_eq!(named(email, "email").as_deref(), Ok("lee@h.example"));
        for unproven in [
            json!({"sub": "1", "email": "kim@h.example"}),
            json!({"sub": "1", "email": "kim@h.example", "email_verified": false}),
            json!({"sub": "1", "email": "kim@h.example", "email_verified": "true"}),
            json!({"sub": "1", "preferred_username": " "}),
        ] {
            assert_eq!(named(unproven.clone(), "email"), Err("name"), "{unproven}");
            assert_eq!(named(unproven.clone(), "preferred_username"), Err("name"), "{unproven}");
        }
    }
}
