//! What an entry says of its person: the name, what names it for good, whether it is disabled or locked, and what its
//! groups give.

use store::{DirectoryEntry, Role};

use super::message::RawEntry;
use super::place::Place;

/// What is asked of an entry.
pub(super) const ATTRIBUTES: [&str; 9] = [
    "objectGUID",
    "entryUUID",
    "nsUniqueId",
    "sAMAccountName",
    "uid",
    MEMBER_OF,
    "userAccountControl",
    "pwdAccountLockedTime",
    "nsAccountLock",
];

pub(super) const MEMBER_OF: &str = "memberOf";

/// The bit of `userAccountControl` that an administrator of Active Directory sets.
const ACCOUNT_DISABLED: u32 = 0x2;
/// What an administrator of OpenLDAP sets as the time of the lock: it ends by hand alone.
const LOCKED_FOR_GOOD: &str = "000001010000Z";

/// What groups give, as the configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) roles: Vec<(Place, Role)>,
    pub(crate) departments: Vec<(Place, String)>,
    /// For those whom no group gives a role.
    pub(crate) default_role: Option<Role>,
}

impl Groups {
    /// Of several roles the first in the table of roles; each department once.
    pub(super) fn of(&self, member_of: &[Place]) -> (Option<Role>, Vec<String>) {
        let given =
            |role: &Role| self.roles.iter().any(|(group, gives)| gives == role && member_of.contains(group));
        let role = Role::OF_PEOPLE.into_iter().find(given).or(self.default_role);
        let mut departments: Vec<String> = Vec::new();
        for (group, department) in &self.departments {
            if member_of.contains(group) && !departments.contains(department) {
                departments.push(department.clone());
            }
        }
        (role, departments)
    }
}

/// None of an entry that is nobody's: it has no name.
pub(super) fn read(raw: &RawEntry, groups: &Groups, member_of: &[Place]) -> Option<DirectoryEntry> {
    // One of several, and always the same one.
    let name = |attribute: &str| raw.texts(attribute).min().map(str::to_owned);
    let name = name("sAMAccountName").or_else(|| name("uid"))?;
    // Active Directory calls machines so, which are a kind of person there.
    if name.ends_with('$') {
        return None;
    }
    let (role, departments) = groups.of(member_of);
    let locked = raw.texts("pwdAccountLockedTime").next();
    let control: Option<u32> = raw.texts("userAccountControl").next().and_then(|text| text.parse().ok());
    let is_disabled = control.is_some_and(|bits| bits & ACCOUNT_DISABLED != 0)
        || locked == Some(LOCKED_FOR_GOOD)
        || raw.texts("nsAccountLock").any(|text| text.eq_ignore_ascii_case("true"));
    Some(DirectoryEntry {
        id: id(raw)?,
        place: raw.place.clone(),
        name,
        role,
        departments,
        is_disabled,
        is_locked: locked.is_some(),
    })
}

/// What the directory itself calls the entry for good; where it has no such thing, the place.
fn id(raw: &RawEntry) -> Option<String> {
    let guid = raw.values("objectGUID").next().map(crate::sealing::hex);
    let named = ["entryUUID", "nsUniqueId"].into_iter().find_map(|name| raw.texts(name).next());
    guid.or_else(|| named.map(str::to_lowercase)).or_else(|| Some(format!("{:?}", Place::parse(&raw.place)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(attributes: &[(&str, &str)]) -> RawEntry {
        let attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), vec![value.as_bytes().to_vec()]));
        RawEntry { place: "CN=Kim,OU=Staff,DC=house".to_owned(), attributes: attributes.collect() }
    }

    fn place(text: &str) -> Place {
        Place::parse(text).unwrap()
    }

    #[test]
    fn an_entry_is_known_by_what_the_directory_calls_it_for_good() {
        let read = |attributes: &[(&str, &str)]| read(&raw(attributes), &Groups::default(), &[]);
        let of_ad = read(&[("objectGUID", "\u{1}a"), ("samaccountname", "kim")]).unwrap();
        assert_eq!((of_ad.id.as_str(), of_ad.name.as_str()), ("0161", "kim"));
        assert_eq!(read(&[("entryUUID", "0A-1"), ("uid", "kim")]).unwrap().id, "0a-1");
        assert_eq!(read(&[("uid", "kim")]).unwrap().id, "cn=kim,ou=staff,dc=house");
        assert_eq!(read(&[("entryUUID", "0a-1")]), None, "nobody");
        assert_eq!(read(&[("objectGUID", "a"), ("sAMAccountName", "PC-7$")]), None, "a machine");
    }

    #[test]
    fn who_is_disabled_is_told_from_who_is_locked_for_a_while() {
        let table = [
            (("userAccountControl", "512"), (false, false)),
            (("userAccountControl", "514"), (true, false)),
            (("pwdAccountLockedTime", "000001010000Z"), (true, true)),
            (("pwdAccountLockedTime", "20261127000000Z"), (false, true)),
            (("nsAccountLock", "TRUE"), (true, false)),
            (("nsAccountLock", "false"), (false, false)),
        ];
        for (attribute, wanted) in table {
            let entry = read(&raw(&[("uid", "kim"), attribute]), &Groups::default(), &[]).unwrap();
            assert_eq!((entry.is_disabled, entry.is_locked), wanted, "{attribute:?}");
        }
    }

    #[test]
    fn of_several_groups_the_first_role_of_the_table_counts_and_each_department_once() {
        let groups = Groups {
            roles: vec![(place("cn=all"), Role::Staff), (place("cn=ops"), Role::Operator)],
            departments: vec![
                (place("cn=a"), "Ward 3".to_owned()),
                (place("cn=b"), "Ward 3".to_owned()),
                (place("cn=c"), "Ward 4".to_owned()),
            ],
            default_role: None,
        };
        assert_eq!(groups.of(&[]), (None, Vec::new()));
        let of = groups.of(&[place("CN=All"), place("cn=ops"), place("cn=a"), place("cn=b"), place("cn=x")]);
        assert_eq!(of, (Some(Role::Operator), vec!["Ward 3".to_owned()]));
        let everybody = Groups { default_role: Some(Role::Staff), ..groups };
        assert_eq!(everybody.of(&[]).0, Some(Role::Staff));
    }
}
