//! The words of the pages of people, departments, grants and emergencies.

/// Words that several of these pages share, in the order of the store's own lists.
#[derive(Debug)]
pub(crate) struct RightsText {
    pub(crate) roles: [&'static str; 7],
    pub(crate) verbs: [&'static str; 3],
    pub(crate) kinds: [&'static str; 4],
    /// A person, a key, a department, a role.
    pub(crate) grantees: [&'static str; 4],
    /// All objects of a kind.
    pub(crate) every: &'static str,
    pub(crate) why: WhyText,
    pub(crate) welcome: WelcomeText,
    pub(crate) people: PeopleText,
    pub(crate) grants: GrantsText,
    pub(crate) glass: GlassText,
}

/// Why somebody may, or may not.
#[derive(Debug)]
pub(crate) struct WhyText {
    pub(crate) yes: &'static str,
    pub(crate) no: &'static str,
    pub(crate) at_the_box: &'static str,
    /// The role.
    pub(crate) by_role: fn(&str) -> String,
    pub(crate) open_alias: fn(&str) -> String,
    /// The department.
    pub(crate) as_manager: fn(&str) -> String,
    /// The number of the grant, to whom, by whom, until when.
    pub(crate) by_grant: fn(i64, &str, &str, &str) -> String,
    /// The number of the grant, since when.
    pub(crate) ran_out: fn(i64, &str) -> String,
    pub(crate) until_ended: &'static str,
    /// The moment.
    pub(crate) until: fn(&str) -> String,
    pub(crate) not_signed_in: &'static str,
    pub(crate) role_lacks: fn(&str) -> String,
    pub(crate) restricted: &'static str,
    pub(crate) not_held: &'static str,
    pub(crate) role_holds_more: fn(&str) -> String,
    pub(crate) other_department: &'static str,
    pub(crate) may_not_give: &'static str,
    pub(crate) holds_shorter: fn(&str) -> String,
    pub(crate) oneself: &'static str,
}

/// The page on which somebody chooses the first password.
#[derive(Debug)]
pub(crate) struct WelcomeText {
    pub(crate) title: &'static str,
    pub(crate) intro: &'static str,
    pub(crate) code: &'static str,
    pub(crate) code_hint: &'static str,
    pub(crate) choose: &'static str,
    pub(crate) refused: &'static str,
    pub(crate) expired: &'static str,
    /// On the page for signing in.
    pub(crate) have_code: &'static str,
}

#[derive(Debug)]
pub(crate) struct PeopleText {
    pub(crate) title: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) name: &'static str,
    pub(crate) role: &'static str,
    pub(crate) departments: &'static str,
    pub(crate) state: &'static str,
    pub(crate) active: &'static str,
    pub(crate) waiting: &'static str,
    pub(crate) add: &'static str,
    pub(crate) name_hint: &'static str,
    pub(crate) department: &'static str,
    pub(crate) no_department: &'static str,
    /// The name and the code.
    pub(crate) code_for: fn(&str) -> String,
    pub(crate) code_hint: &'static str,
    pub(crate) none: &'static str,
    pub(crate) add_department: &'static str,
    pub(crate) department_name: &'static str,
    pub(crate) remove_department: &'static str,
    pub(crate) remove_department_hint: &'static str,
    pub(crate) people_of: &'static str,
    pub(crate) members: &'static str,
    pub(crate) join: &'static str,
    pub(crate) leave: &'static str,
    pub(crate) may_use: &'static str,
    pub(crate) change_role: &'static str,
    pub(crate) new_code: &'static str,
    pub(crate) end_sessions: &'static str,
    pub(crate) end_sessions_hint: &'static str,
    pub(crate) remove: &'static str,
    pub(crate) remove_hint: &'static str,
    pub(crate) name_taken: &'static str,
    pub(crate) department_taken: &'static str,
    pub(crate) bad_name: &'static str,
    pub(crate) last_owner: &'static str,
    pub(crate) nobody_there: &'static str,
    pub(crate) no_such_department: &'static str,
    pub(crate) password_chosen: &'static str,
    pub(crate) store_failed: &'static str,
}

#[derive(Debug)]
pub(crate) struct GrantsText {
    pub(crate) title: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) why_title: &'static str,
    pub(crate) ask_why: &'static str,
    pub(crate) who: &'static str,
    pub(crate) alias: &'static str,
    pub(crate) may: &'static str,
    pub(crate) because: &'static str,
    pub(crate) granted: &'static str,
    pub(crate) none: &'static str,
    pub(crate) to: &'static str,
    pub(crate) what: &'static str,
    pub(crate) given: &'static str,
    pub(crate) until: &'static str,
    pub(crate) over: &'static str,
    pub(crate) broken_glass: &'static str,
    pub(crate) end: &'static str,
    pub(crate) give: &'static str,
    pub(crate) to_kind: &'static str,
    pub(crate) to_name: &'static str,
    pub(crate) to_name_hint: &'static str,
    pub(crate) verb: &'static str,
    pub(crate) object_kind: &'static str,
    pub(crate) object_name: &'static str,
    pub(crate) object_name_hint: &'static str,
    pub(crate) lasts: &'static str,
    /// The lengths that the form offers; the last one has no end.
    pub(crate) lengths: [&'static str; 5],
    pub(crate) no_such_grantee: &'static str,
    pub(crate) no_such_object: &'static str,
    pub(crate) no_such_grant: &'static str,
    pub(crate) over_already: &'static str,
}

#[derive(Debug)]
pub(crate) struct GlassText {
    pub(crate) title: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) yours: &'static str,
    pub(crate) open: &'static str,
    pub(crate) open_until: fn(&str, &str) -> String,
    pub(crate) break_it: &'static str,
    pub(crate) nothing: &'static str,
    pub(crate) what: &'static str,
    pub(crate) orders: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) reason_hint: &'static str,
    pub(crate) bad_reason: &'static str,
    pub(crate) broken_already: &'static str,
    pub(crate) review_title: &'static str,
    pub(crate) review_explanation: &'static str,
    pub(crate) waiting: fn(usize) -> String,
    pub(crate) none_waiting: &'static str,
    pub(crate) when: &'static str,
    pub(crate) until: &'static str,
    pub(crate) finding: &'static str,
    pub(crate) finding_hint: &'static str,
    pub(crate) review: &'static str,
    pub(crate) not_yours: &'static str,
    pub(crate) reviewed: &'static str,
    pub(crate) none_reviewed: &'static str,
    /// By whom, when.
    pub(crate) reviewed_by: fn(&str, &str) -> String,
    pub(crate) not_to_review: &'static str,
}
