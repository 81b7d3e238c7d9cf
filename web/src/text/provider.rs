//! The texts of signing in at an identity provider outside, in both languages side by side. Each may name it.

#[derive(Debug)]
pub(crate) struct ProviderText {
    pub(crate) button: fn(Option<&str>) -> String,
    pub(crate) or: &'static str,
    pub(crate) away: fn(Option<&str>) -> String,
    pub(crate) declined: fn(Option<&str>) -> String,
    pub(crate) stale: &'static str,
    /// What is wrong with the answer, in the log's word.
    pub(crate) untrusted: fn(Option<&str>, &str) -> String,
    pub(crate) no_group: &'static str,
    /// The name.
    pub(crate) name_taken: fn(&str) -> String,
    pub(crate) bad_name: fn(Option<&str>) -> String,
    /// On one's own account.
    pub(crate) no_password: &'static str,
    pub(crate) vouched: &'static str,
    /// To whoever would give another person a code for one.
    pub(crate) has_no_password: &'static str,
    /// On another person's page; the issuer.
    pub(crate) vouched_by: fn(&str) -> String,
    /// The list of events: the reason in words.
    pub(crate) event_refused: fn(&str) -> String,
    pub(crate) reason: fn(&str) -> &'static str,
}

pub(super) const EN: ProviderText = ProviderText {
    button: |label| format!("Sign in with {}", label.unwrap_or("your organisation's account")),
    or: "or with an account of this box",
    away: |label| {
        format!(
            "{} does not answer at the moment. An account of this box, with its own password, works without it.",
            capital(label.unwrap_or("the sign-in of your organisation"))
        )
    },
    declined: |label| {
        format!(
            "The sign-in was cancelled or refused by {}. Nobody is signed in here.",
            label.unwrap_or("your organisation")
        )
    },
    stale: "That sign-in was not begun in this browser, or took longer than five minutes. Begin once more.",
    untrusted: |label, word| {
        format!(
            "The box cannot believe what {} answered, so nobody is signed in. Tell whoever runs the box: “{word}”.",
            label.unwrap_or("the sign-in of your organisation")
        )
    },
    no_group: "You are known, but none of your groups may use this box. Whoever runs it decides which ones may.",
    name_taken: |name| {
        format!(
            "This box has an account of its own called “{name}”, which is not taken over. Sign in to it with its \
             password, or ask whoever runs the box."
        )
    },
    bad_name: |label| {
        format!(
            "{} gives no name that an account can have here. Tell whoever runs the box.",
            capital(label.unwrap_or("the sign-in of your organisation"))
        )
    },
    no_password: "You sign in at your organisation, and this box keeps no password of yours. Change it there.",
    vouched: "Your organisation decides how you prove who you are. You can set up a second factor of this box besides.",
    has_no_password: "This person signs in at your organisation and has no password here.",
    vouched_by: |issuer| {
        format!("Signs in at {issuer}. Role and mapped departments follow it at each sign-in.")
    },
    event_refused: |reason| format!("A sign-in at the identity provider was refused: {reason}."),
    reason: |word| match word {
        "provider-away" => "it did not answer",
        "declined" => "it was cancelled or refused there",
        "state" => "it was not begun in that browser, or too long ago",
        "no-group" => "none of the person's groups may enter",
        "name-taken" => "an account of the box has that name",
        "name" => "it gives no usable name",
        _ => "its answer was not to be believed",
    },
};

pub(super) const KO: ProviderText = ProviderText {
    button: |label| format!("{} 계정으로 로그인", label.unwrap_or("기관")),
    or: "또는 이 장비의 계정으로 로그인",
    away: |label| {
        format!(
            "지금은 {} 로그인 서버가 응답하지 않습니다. 이 장비의 계정과 비밀번호로는 로그인할 수 있습니다.",
            label.unwrap_or("기관")
        )
    },
    declined: |label| {
        format!(
            "{} 로그인 서버에서 로그인이 취소되었거나 거부되었습니다. 로그인되지 않았습니다.",
            label.unwrap_or("기관")
        )
    },
    stale: "이 브라우저에서 시작한 로그인이 아니거나 5분이 지났습니다. 다시 시작해 주십시오.",
    untrusted: |label, word| {
        format!(
            "{} 로그인 서버의 응답을 신뢰할 수 없어 로그인하지 않았습니다. 장비 관리자에게 “{word}”를 알려 주십시오.",
            label.unwrap_or("기관")
        )
    },
    no_group: "신원은 확인되었지만 이 장비를 사용할 수 있는 그룹에 속해 있지 않습니다. 사용할 수 있는 그룹은 장비 관리자가 정합니다.",
    name_taken: |name| {
        format!(
            "이 장비에 이미 “{name}” 계정이 있으며, 다른 로그인이 이를 넘겨받을 수 없습니다. 그 계정의 비밀번호로 \
             로그인하거나 장비 관리자에게 문의해 주십시오."
        )
    },
    bad_name: |label| {
        format!(
            "{} 로그인 서버가 이 장비에서 쓸 수 있는 이름을 알려 주지 않았습니다. 장비 관리자에게 알려 주십시오.",
            label.unwrap_or("기관")
        )
    },
    no_password: "기관의 로그인 서버로 로그인하므로 이 장비에는 비밀번호가 없습니다. 비밀번호는 기관에서 바꾸십시오.",
    vouched: "본인 확인 방법은 기관에서 정합니다. 그에 더해 이 장비의 2단계 인증을 설정할 수 있습니다.",
    has_no_password: "이 사람은 기관의 로그인 서버로 로그인하므로 이 장비에는 비밀번호가 없습니다.",
    vouched_by: |issuer| {
        format!("{issuer}에서 로그인합니다. 역할과 연결된 부서는 로그인할 때마다 그곳을 따릅니다.")
    },
    event_refused: |reason| format!("외부 로그인 서버를 통한 로그인이 거부되었습니다. 이유: {reason}"),
    reason: |word| match word {
        "provider-away" => "서버가 응답하지 않음",
        "declined" => "서버에서 취소 또는 거부됨",
        "state" => "해당 브라우저에서 시작하지 않았거나 시간이 지남",
        "no-group" => "허용된 그룹에 속하지 않음",
        "name-taken" => "같은 이름의 장비 계정이 있음",
        "name" => "쓸 수 있는 이름이 없음",
        _ => "응답을 신뢰할 수 없음",
    },
};

/// At the beginning of a sentence.
fn capital(text: &str) -> String {
    let mut symbols = text.chars();
    symbols.next().map(|first| first.to_uppercase().chain(symbols).collect()).unwrap_or_default()
}
