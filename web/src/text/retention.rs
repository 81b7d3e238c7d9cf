//! The words about how long conversations are kept, in both languages side by side.

use store::Kept;

#[derive(Debug)]
pub(crate) struct RetentionText {
    pub(crate) title: &'static str,
    /// Of one person, and whose number it is.
    pub(crate) kept: fn(&Kept) -> String,
    /// The department's own number of days.
    pub(crate) of_department: fn(u32) -> String,
    /// The site's number, where the department has none.
    pub(crate) of_site: fn(Option<u32>) -> String,
    pub(crate) rule: &'static str,
    pub(crate) days: &'static str,
    pub(crate) days_hint: &'static str,
    pub(crate) set: &'static str,
    pub(crate) bad_days: &'static str,
}

pub(super) const EN: RetentionText = RetentionText {
    title: "How long conversations are kept",
    kept: |kept| match (kept.days, &kept.department) {
        (None, _) => "Conversations are kept as long as the account is there.".to_owned(),
        (Some(days), None) => {
            format!("A conversation is deleted {} after its last message, as this site says.", en_days(days))
        }
        (Some(days), Some(department)) => format!(
            "A conversation is deleted {} after its last message, as the department {department} says.",
            en_days(days)
        ),
    },
    of_department: |days| {
        format!("A conversation of its people is deleted {} after its last message.", en_days(days))
    },
    of_site: |days| {
        match days {
        None => "This department sets no limit, and neither does the site: conversations are kept as long as the account is there.".to_owned(),
        Some(days) => format!(
            "This department sets no limit of its own. The site’s holds: a conversation is deleted {} after its last message.",
            en_days(days)
        ),
    }
    },
    rule: "Where somebody belongs to several departments, the shortest time wins. Conversations are deleted whole, for good, during the night; backups hold them until the backups are removed themselves.",
    days: "Days after the last message",
    days_hint: "1 to 3650; nothing for the site’s own limit. What is over by then is deleted the next night and cannot be brought back.",
    set: "Set the time",
    bad_days: "Give a whole number of days from 1 to 3650, or nothing.",
};

fn en_days(days: u32) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

pub(super) const KO: RetentionText = RetentionText {
    title: "대화 보관 기간",
    kept: |kept| match (kept.days, &kept.department) {
        (None, _) => "대화는 계정이 있는 동안 보관됩니다.".to_owned(),
        (Some(days), None) => {
            format!("사이트 설정에 따라 대화는 마지막 메시지로부터 {days}일 뒤에 삭제됩니다.")
        }
        (Some(days), Some(department)) => {
            format!("{department} 부서의 설정에 따라 대화는 마지막 메시지로부터 {days}일 뒤에 삭제됩니다.")
        }
    },
    of_department: |days| format!("부서원의 대화는 마지막 메시지로부터 {days}일 뒤에 삭제됩니다."),
    of_site: |days| match days {
        None => {
            "부서와 사이트 모두 보관 기간을 정하지 않았습니다. 대화는 계정이 있는 동안 보관됩니다.".to_owned()
        }
        Some(days) => format!(
            "부서에서 정한 기간이 없어 사이트 설정을 따릅니다. 대화는 마지막 메시지로부터 {days}일 뒤에 삭제됩니다."
        ),
    },
    rule: "여러 부서에 속한 사람에게는 가장 짧은 기간이 적용됩니다. 대화는 밤사이 통째로 완전히 삭제되며, 백업에는 그 백업이 삭제될 때까지 남습니다.",
    days: "마지막 메시지 이후 일수",
    days_hint: "1에서 3650까지. 비워 두면 사이트 설정을 따릅니다. 기간이 지난 대화는 다음 날 밤에 삭제되며 되돌릴 수 없습니다.",
    set: "기간 정하기",
    bad_days: "1에서 3650까지의 일수를 적거나 비워 두십시오.",
};
