//! The sentences about what persons changed and what the box did of itself, in both languages side by side.

use store::{EventRow, Role};

#[derive(Debug)]
pub(crate) struct EventText {
    /// The event, and who caused it as a sentence begins with them. None for a word that another version of the box has written.
    pub(crate) told: fn(&EventRow, &str) -> Option<String>,
}

pub(super) const EN: EventText = EventText { told: |event, who| told(event, who).map(|[en, _]| en) };
pub(super) const KO: EventText = EventText { told: |event, who| told(event, who).map(|[_, ko]| ko) };

fn told(event: &EventRow, who: &str) -> Option<[String; 2]> {
    of_people(event, who).or_else(|| of_the_box(event, who))
}

fn of_people(event: &EventRow, who: &str) -> Option<[String; 2]> {
    let text = |name: &str| event.detail[name].as_str().unwrap_or_default();
    let name = text("name");
    Some(match event.what.as_str() {
        "person-added" => [
            format!("{who} added {name} as {}.", role(text("role"))[0]),
            format!("{who} {name} 님을 추가했습니다. 역할: {}", role(text("role"))[1]),
        ],
        "first-code-made" => [
            format!("{who} made a new one-time code for {name}."),
            format!("{who} {name} 님의 일회용 코드를 새로 만들었습니다."),
        ],
        "role-changed" => [
            format!("{who} changed the role of {name} to {}.", role(text("role"))[0]),
            format!("{who} {name} 님의 역할을 바꿨습니다. 새 역할: {}", role(text("role"))[1]),
        ],
        "person-removed" => [format!("{who} removed {name}."), format!("{who} {name} 님을 삭제했습니다.")],
        "department-added" => {
            [format!("{who} added the department {name}."), format!("{who} {name} 부서를 추가했습니다.")]
        }
        "department-removed" => {
            [format!("{who} removed the department {name}."), format!("{who} {name} 부서를 삭제했습니다.")]
        }
        "department-joined" => [
            format!("{who} put {} into {}.", member(text("member"))[0], text("department")),
            format!("{who} {}을(를) {} 부서에 추가했습니다.", member(text("member"))[1], text("department")),
        ],
        "department-left" => [
            format!("{who} took {} out of {}.", member(text("member"))[0], text("department")),
            format!(
                "{who} {}을(를) {} 부서에서 제외했습니다.",
                member(text("member"))[1],
                text("department")
            ),
        ],
        "retention-changed" => {
            let department = text("department");
            match event.detail["days"].as_u64() {
                Some(days) => [
                    format!("{who} set {days} days for the conversations of {department}."),
                    format!("{who} {department} 부서의 대화 보관 기간을 {days}일로 정했습니다."),
                ],
                None => [
                    format!("{who} took back the time for the conversations of {department}."),
                    format!("{who} {department} 부서의 대화 보관 기간을 해제했습니다."),
                ],
            }
        }
        "grant-given" => [
            format!("{who} granted something to {}.", member(text("to"))[0]),
            format!("{who} {}에 권한을 부여했습니다.", member(text("to"))[1]),
        ],
        "grant-ended" => [
            format!("{who} ended a grant to {}.", member(text("to"))[0]),
            format!("{who} {}의 권한을 종료했습니다.", member(text("to"))[1]),
        ],
        "glass-broken" => [
            format!("{who} broke the glass: “{}”.", text("reason")),
            format!("{who} 비상 권한을 사용했습니다. 사유: {}", text("reason")),
        ],
        "glass-reviewed" => {
            [format!("{who} reviewed an emergency."), format!("{who} 비상 권한 사용을 검토했습니다.")]
        }
        "change-refused" => [
            format!("The change that {who} had asked for was not made after all."),
            format!("{who} 요청한 변경은 결국 이루어지지 않았습니다."),
        ],
        "password-change-refused" => [
            format!("{who} tried to change their password and was refused."),
            format!("{who} 비밀번호를 바꾸려다 거부되었습니다."),
        ],
        "first-password-chosen" => {
            [format!("{who} chose the first password."), format!("{who} 첫 비밀번호를 정했습니다.")]
        }
        "first-password-refused" => [
            "A one-time code for a first password was refused.".to_owned(),
            "첫 비밀번호를 정하는 일회용 코드가 거부되었습니다.".to_owned(),
        ],
        "alias-refused" => [
            format!("{who} may not use the assistant {} and was refused.", text("alias")),
            format!("{who} 사용할 수 없는 {} 도우미를 요청하여 거부되었습니다.", text("alias")),
        ],
        "caller-limited" => {
            let most = event.detail["most"].as_u64().unwrap_or_default();
            match text("limit") {
                "per-minute" => [
                    format!(
                        "{who} asked more than {most} times within a minute; further requests were refused."
                    ),
                    format!("{who} 1분 동안 허용된 {most}건보다 많이 요청하여 그 이상은 거부되었습니다."),
                ],
                _ => [
                    format!("{who} had {most} requests under way at once; further ones were refused."),
                    format!("{who} 동시에 허용된 {most}건을 모두 사용하여 그 이상의 요청은 거부되었습니다."),
                ],
            }
        }
        _ => return None,
    })
}

fn of_the_box(event: &EventRow, who: &str) -> Option<[String; 2]> {
    let text = |name: &str| event.detail[name].as_str().unwrap_or_default();
    let number = |name: &str| event.detail[name].as_u64().unwrap_or_default();
    Some(match event.what.as_str() {
        "conversations-ended" => {
            let count = number("conversations");
            let some =
                if count == 1 { "1 conversation".to_owned() } else { format!("{count} conversations") };
            [
                format!("The nightly sweep: {some} had come to the end of the time and were deleted."),
                format!("야간 정리: 보관 기간이 끝난 대화 {count}건을 삭제했습니다."),
            ]
        }
        "unclean-stop" => [
            "The box had not been stopped in order; all files are checked in full.".to_owned(),
            "장비가 정상적으로 종료되지 않아 모든 파일을 전체 검사합니다.".to_owned(),
        ],
        "store-damaged" => [
            "A full check found damage in a file of the store.".to_owned(),
            "전체 검사에서 저장소 파일의 손상이 발견되었습니다.".to_owned(),
        ],
        "audit-key-changed" => [
            "The audit log is signed with another key than before.".to_owned(),
            "감사 기록의 서명 키가 바뀌었습니다.".to_owned(),
        ],
        "audit-spool-chained" => {
            let (rows, lost) = (number("rows"), number("lost"));
            [
                format!(
                    "The audit log can be written again: {rows} records that waited are in it, {lost} are lost."
                ),
                format!(
                    "감사 기록을 다시 쓸 수 있습니다. 대기하던 기록 {rows}건을 넣었고 {lost}건은 잃었습니다."
                ),
            ]
        }
        "worker-replaced" => {
            let model = text("name");
            let (from, to, answers) = (number("from_mb"), number("to_mb"), number("answers"));
            [
                format!(
                    "The process of {model} had grown from {from} to {to} MB and was replaced; {answers} answers went on without a loss."
                ),
                format!(
                    "{model} 모델 프로세스의 메모리가 {from}MB에서 {to}MB로 늘어나 교체했습니다. 진행 중이던 답변 {answers}건은 손실 없이 이어졌습니다."
                ),
            ]
        }
        "backup-verified" => [
            format!("The backup {} was made, read back and checked.", text("file")),
            format!("백업 {}을(를) 만들어 다시 읽고 검증했습니다.", text("file")),
        ],
        "backup-failed" => [
            "A backup failed; the box’s log says why.".to_owned(),
            "백업에 실패했습니다. 원인은 장비 로그에 있습니다.".to_owned(),
        ],
        "recovery-sheet-made" => [
            "A new recovery sheet was made from the command line.".to_owned(),
            "명령줄에서 새 복구 용지를 만들었습니다.".to_owned(),
        ],
        "recovery-sheet-proven" => [
            "Somebody proved that the recovery sheet was printed.".to_owned(),
            "복구 용지를 인쇄했음이 확인되었습니다.".to_owned(),
        ],
        "restored" => [
            format!("The box was restored from the backup {}.", text("file")),
            format!("백업 {}에서 장비를 복원했습니다.", text("file")),
        ],
        "audit-exported" => [
            format!("The audit log was exported: {} rows.", number("rows")),
            format!("감사 기록 {}행을 내보냈습니다.", number("rows")),
        ],
        "cloud-key-sealed" => [
            format!("A file with a key or a password of the configuration was sealed: {}.", text("file")),
            format!("설정에 있는 키 또는 비밀번호 파일을 봉인했습니다: {}", text("file")),
        ],
        "wiped" => [
            format!("{who} began to wipe the box: “{}”.", text("reason")),
            format!("{who} 장비의 데이터를 파기하기 시작했습니다. 사유: {}", text("reason")),
        ],
        _ => return None,
    })
}

/// A role by its word in the log.
fn role(word: &str) -> [&'static str; 2] {
    let place = Role::ALL.into_iter().position(|role| role.as_str() == word);
    place.map_or(["", ""], |place| [super::en::TEXT.rights.roles[place], super::ko::TEXT.rights.roles[place]])
}

/// `person kim`, as the log writes it.
fn member(record: &str) -> [String; 2] {
    let (kind, name) = record.split_once(' ').unwrap_or(("", record));
    match kind {
        "key" => [format!("the key {name}"), format!("{name} 키")],
        "department" => [format!("the department {name}"), format!("{name} 부서")],
        "role" => [format!("the role {}", role(name)[0]), format!("{} 역할", role(name)[1])],
        _ => [name.to_owned(), format!("{name} 님")],
    }
}
