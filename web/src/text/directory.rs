//! The words about the building's directory and the people for whom it vouches, in both languages side by side.

use store::DirectoryTrouble;

#[derive(Debug)]
pub(crate) struct DirectoryText {
    /// At the door, whatever was wrong, while nobody can be asked.
    pub(crate) out_of_reach: &'static str,
    /// At the door, where the password was right.
    pub(crate) no_access: &'static str,
    pub(crate) password_expired: &'static str,
    /// On every page of a session that was begun on the directory's last word.
    pub(crate) by_cache: &'static str,
    /// On the own account, in place of the form.
    pub(crate) own_password: &'static str,
    /// Where an account comes from.
    pub(crate) source: &'static str,
    pub(crate) of_directory: &'static str,
    pub(crate) of_box: &'static str,
    pub(crate) person_hint: &'static str,
    /// Why no one-time code is made.
    pub(crate) no_code: &'static str,
    pub(crate) status: DirectoryStatusText,
    pub(crate) event_lost: &'static str,
    pub(crate) event_back: &'static str,
    /// Whose.
    pub(crate) event_access_ended: fn(&str) -> String,
    pub(crate) event_verifier_dropped: fn(&str) -> String,
    /// From one name to another.
    pub(crate) event_renamed: fn(&str, &str) -> String,
}

/// On the status page, for those in charge.
#[derive(Debug)]
pub(crate) struct DirectoryStatusText {
    /// When it answered last, and how many people could sign in without it.
    pub(crate) there: fn(&str, u64) -> String,
    /// Why, when it answered last, how many people can sign in without it, and how many sign-ins there were.
    pub(crate) lost: fn(&str, &str, u64, u64) -> String,
    pub(crate) never: &'static str,
    pub(crate) not_asked: &'static str,
    /// What is wrong, and the mend.
    pub(crate) trouble: fn(DirectoryTrouble) -> &'static str,
}

pub(super) const EN: DirectoryText = DirectoryText {
    out_of_reach: "That did not work. The building’s directory cannot be reached now, so only two kinds of people can sign in: those who have signed in here lately, with the password they used then, and accounts of this box itself.",
    no_access: "Your name and password are right, but you are in no group that may use this box. Ask whoever looks after the directory.",
    password_expired: "Your password has run out. Change it in the building’s directory, for example at your workplace, then sign in here.",
    by_cache: "The building’s directory could not be reached when you signed in. You were let in with the password that it accepted last; your role and departments are as they were then.",
    own_password: "Your password is that of the building’s directory. It is changed there, for example at your workplace, and not here.",
    source: "Account",
    of_directory: "from the directory",
    of_box: "of this box",
    person_hint: "The directory vouches for this person. The role, and the departments that its groups lead to, follow the directory: what is changed here lasts until the next sign-in. To keep somebody out, disable them in the directory or take them out of its group; whoever is removed here alone can come back.",
    no_code: "This person’s password is that of the building’s directory, and is changed there.",
    status: DirectoryStatusText {
        there: |when, people| {
            format!(
                "The building’s directory answers; last seen {when}. {} could sign in without it.",
                people_en(people)
            )
        },
        lost: |why, when, people, sign_ins| {
            format!(
                "The building’s directory is out of reach: {why} Last seen: {when}. {} can sign in with the password that it accepted last; sign-ins of this kind since the start: {sign_ins}. Accounts of this box work as always.",
                people_en(people)
            )
        },
        never: "never",
        not_asked: "The building’s directory has not been asked yet.",
        trouble: |trouble| match trouble {
            DirectoryTrouble::NoPassword => {
                "the password of the box’s own account cannot be read. Put it into bind_password_file and restart."
            }
            DirectoryTrouble::NoConnection => {
                "there is no connection. Check the address, the cable and the directory’s server."
            }
            DirectoryTrouble::Silent => {
                "it does not answer in time. Check the network and the directory’s server."
            }
            DirectoryTrouble::Tls => {
                "no trusted encrypted connection. Check ca_file, and the name and the dates of its certificate."
            }
            DirectoryTrouble::OwnAccount => {
                "it does not let the box’s own account in or search. Check bind_name, its password and its rights."
            }
            DirectoryTrouble::NoBase => {
                "there is nothing at the place where people are looked for. Check base."
            }
            DirectoryTrouble::Garbled => {
                "it broke off, or answered what no directory answers. Check the address and the directory’s server."
            }
            DirectoryTrouble::Busy => {
                "it says itself that it cannot answer now. Look at the directory’s server."
            }
        },
    },
    event_lost: "The building’s directory went out of reach.",
    event_back: "The building’s directory is back.",
    event_access_ended: |name| format!("The directory lets {name} in no longer; their sessions have ended."),
    event_verifier_dropped: |name| {
        format!("The directory has another password for {name} now; the old one is forgotten.")
    },
    event_renamed: |was, name| format!("The directory has renamed {was} to {name}."),
};

fn people_en(people: u64) -> String {
    if people == 1 { "1 person".to_owned() } else { format!("{people} people") }
}

pub(super) const KO: DirectoryText = DirectoryText {
    out_of_reach: "로그인하지 못했습니다. 지금 건물의 디렉터리에 연결할 수 없습니다. 최근 이곳에 로그인한 적이 있는 사람은 그때의 비밀번호로, 이 장비 자체의 계정은 평소처럼 로그인할 수 있습니다.",
    no_access: "이름과 비밀번호는 맞지만, 이 장비를 사용할 수 있는 그룹에 속해 있지 않습니다. 디렉터리 담당자에게 문의하십시오.",
    password_expired: "비밀번호가 만료되었습니다. 건물의 디렉터리에서(예: 업무용 PC에서) 비밀번호를 바꾼 다음 여기에 로그인하십시오.",
    by_cache: "로그인할 때 건물의 디렉터리에 연결할 수 없었습니다. 디렉터리가 마지막으로 확인한 비밀번호로 로그인했으며, 역할과 부서는 그때와 같습니다.",
    own_password: "비밀번호는 건물의 디렉터리에 있습니다. 여기가 아니라 디렉터리에서(예: 업무용 PC에서) 바꿉니다.",
    source: "계정",
    of_directory: "디렉터리",
    of_box: "이 장비",
    person_hint: "디렉터리가 이 사람을 확인합니다. 역할과 그룹에 연결된 부서는 디렉터리를 따릅니다. 여기에서 바꾼 내용은 다음 로그인 때까지만 유지됩니다. 접근을 막으려면 디렉터리에서 사용을 중지하거나 그룹에서 빼십시오. 여기에서만 제거하면 다시 로그인할 수 있습니다.",
    no_code: "이 사람의 비밀번호는 건물의 디렉터리에 있으며 그곳에서 바꿉니다.",
    status: DirectoryStatusText {
        there: |when, people| {
            format!(
                "건물의 디렉터리가 응답합니다. 마지막 확인: {when}. 디렉터리 없이 로그인할 수 있는 사람: {people}명"
            )
        },
        lost: |why, when, people, sign_ins| {
            format!(
                "건물의 디렉터리에 연결할 수 없습니다: {why} 마지막 확인: {when}. 디렉터리가 마지막으로 확인한 비밀번호로 로그인할 수 있는 사람: {people}명. 시작 이후 그렇게 로그인한 횟수: {sign_ins}회. 이 장비 자체의 계정은 평소처럼 작동합니다."
            )
        },
        never: "없음",
        not_asked: "건물의 디렉터리를 아직 확인하지 않았습니다.",
        trouble: |trouble| match trouble {
            DirectoryTrouble::NoPassword => {
                "장비 계정의 비밀번호를 읽을 수 없습니다. bind_password_file에 넣고 다시 시작하십시오."
            }
            DirectoryTrouble::NoConnection => {
                "연결이 되지 않습니다. 주소, 케이블, 디렉터리 서버를 확인하십시오."
            }
            DirectoryTrouble::Silent => "제때 응답하지 않습니다. 네트워크와 디렉터리 서버를 확인하십시오.",
            DirectoryTrouble::Tls => {
                "신뢰할 수 있는 암호화 연결을 맺지 못했습니다. ca_file과 인증서의 이름 및 유효 기간을 확인하십시오."
            }
            DirectoryTrouble::OwnAccount => {
                "장비 계정의 로그인이나 검색이 거부되었습니다. bind_name, 비밀번호, 권한을 확인하십시오."
            }
            DirectoryTrouble::NoBase => "사람을 찾는 위치에 아무것도 없습니다. base를 확인하십시오.",
            DirectoryTrouble::Garbled => {
                "연결이 끊겼거나 디렉터리답지 않은 응답을 보냈습니다. 주소와 디렉터리 서버를 확인하십시오."
            }
            DirectoryTrouble::Busy => "지금은 응답할 수 없다고 합니다. 디렉터리 서버를 확인하십시오.",
        },
    },
    event_lost: "건물의 디렉터리에 연결할 수 없게 되었습니다.",
    event_back: "건물의 디렉터리에 다시 연결되었습니다.",
    event_access_ended: |name| {
        format!("디렉터리가 {name} 님의 접근을 더 이상 허용하지 않아 접속을 모두 끝냈습니다.")
    },
    event_verifier_dropped: |name| {
        format!("디렉터리에서 {name} 님의 비밀번호가 바뀌어 이전 비밀번호를 지웠습니다.")
    },
    event_renamed: |was, name| format!("디렉터리에서 {was} 님의 이름이 {name}(으)로 바뀌었습니다."),
};
