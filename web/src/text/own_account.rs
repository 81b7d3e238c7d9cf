//! The texts of a person's own account, in both languages side by side.

/// The page of one's own account.
#[derive(Debug)]
pub(crate) struct OwnAccountText {
    pub(crate) title: &'static str,
    /// Name, role.
    pub(crate) who: fn(&str, &str) -> String,
    /// The role by its word in the store.
    pub(crate) role: fn(&str) -> &'static str,
    pub(crate) sessions: &'static str,
    /// Idle minutes, hours in all.
    pub(crate) limits: fn(u64, u64) -> String,
    pub(crate) device: &'static str,
    pub(crate) unknown_device: &'static str,
    pub(crate) address: &'static str,
    pub(crate) since: &'static str,
    pub(crate) last_seen: &'static str,
    pub(crate) this_session: &'static str,
    pub(crate) end: &'static str,
    /// The device and the time since when, for those who hear the button without its row.
    pub(crate) end_label: fn(&str, &str) -> String,
    pub(crate) end_others: &'static str,
    pub(crate) end_hint: &'static str,
    pub(crate) ended: &'static str,
    pub(crate) change_password: &'static str,
    pub(crate) old_password: &'static str,
    pub(crate) new_password: &'static str,
    pub(crate) new_password_again: &'static str,
    pub(crate) ends_others: &'static str,
    pub(crate) password_changed: &'static str,
    pub(crate) wrong_old_password: &'static str,
}

pub(super) const EN: OwnAccountText = OwnAccountText {
    title: "Your account",
    who: |name, role| format!("You are signed in as {name}; your role is {role}."),
    role: |word| match word {
        "owner" => "owner",
        "admin" => "administrator",
        "operator" => "operator",
        "auditor" => "auditor",
        "department-manager" => "department manager",
        _ => "staff",
    },
    sessions: "Where you are signed in",
    limits: |minutes, hours| {
        format!(
            "A session ends after {minutes} minutes in which you do nothing, and {hours} hours after its sign-in. \
             End one that you do not know, then change your password."
        )
    },
    device: "Device",
    unknown_device: "Unknown device",
    address: "Signed in from",
    since: "Since",
    last_seen: "Last used",
    this_session: "This session",
    end: "End",
    end_label: |device, since| format!("End the session on {device} since {since}"),
    end_others: "End all other sessions",
    end_hint: "Ending a session asks for it, so that nobody at a desk that you left can sign you out elsewhere.",
    ended: "Ended. Whoever used it has to sign in again.",
    change_password: "Change the password",
    old_password: "Password as it is now",
    new_password: "New password",
    new_password_again: "New password, once more",
    ends_others: "All your other sessions end with it.",
    password_changed: "Your password is changed, and your other sessions have ended.",
    wrong_old_password: "The password as it is now is not right. Nothing was changed.",
};

pub(super) const KO: OwnAccountText = OwnAccountText {
    title: "내 계정",
    who: |name, role| format!("{name} 계정으로 로그인했습니다. 역할: {role}"),
    role: |word| match word {
        "owner" => "소유자",
        "admin" => "관리자",
        "operator" => "운영자",
        "auditor" => "감사자",
        "department-manager" => "부서 관리자",
        _ => "직원",
    },
    sessions: "로그인한 곳",
    limits: |minutes, hours| {
        format!(
            "{minutes}분 동안 사용하지 않거나 로그인한 지 {hours}시간이 지나면 접속이 끝납니다. 모르는 접속이 있으면 \
             끝내고 비밀번호를 바꾸십시오."
        )
    },
    device: "기기",
    unknown_device: "알 수 없는 기기",
    address: "로그인한 주소",
    since: "시작",
    last_seen: "마지막 사용",
    this_session: "현재 접속",
    end: "끝내기",
    end_label: |device, since| format!("{since}에 시작한 {device} 접속 끝내기"),
    end_others: "다른 접속 모두 끝내기",
    end_hint: "자리를 비운 사이 다른 사람이 접속을 끝내지 못하도록, 접속을 끝낼 때 비밀번호를 확인합니다.",
    ended: "접속을 끝냈습니다. 그 기기에서는 다시 로그인해야 합니다.",
    change_password: "비밀번호 바꾸기",
    old_password: "현재 비밀번호",
    new_password: "새 비밀번호",
    new_password_again: "새 비밀번호 확인",
    ends_others: "다른 접속은 모두 함께 끝납니다.",
    password_changed: "비밀번호를 바꾸고 다른 접속을 끝냈습니다.",
    wrong_old_password: "현재 비밀번호가 올바르지 않습니다. 아무것도 바뀌지 않았습니다.",
};
