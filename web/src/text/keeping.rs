//! The words about the store, its disk and its checks, in both languages side by side.

use store::{AnchorTrouble, Trouble};

#[derive(Debug)]
pub(crate) struct KeepingText {
    /// The file that cannot be written, and why.
    pub(crate) trouble: fn(&str, Trouble) -> String,
    pub(crate) damaged: fn(&str) -> String,
    /// The file, and the longest commit in milliseconds.
    pub(crate) slow: fn(&str, u64) -> String,
    /// The file, and the size of its log in MiB.
    pub(crate) long_log: fn(&str, u64) -> String,
    /// Room that is left, in MiB.
    pub(crate) low_room: fn(u64) -> String,
    /// When all files were last checked in full.
    pub(crate) checked: fn(&str) -> String,
    pub(crate) unchecked: &'static str,
    /// The last stop was no stop in order.
    pub(crate) unclean: &'static str,
    pub(crate) unclean_checked: fn(&str) -> String,
    pub(crate) no_backups: &'static str,
    /// When the last backup was made that was read back.
    pub(crate) backup: fn(&str) -> String,
    pub(crate) no_backup_yet: &'static str,
    pub(crate) backup_overdue: &'static str,
    pub(crate) no_sheet: &'static str,
    pub(crate) sheet_unproven: &'static str,
    /// Where checkpoints are written down, and what is wrong there.
    pub(crate) anchor: fn(&str, AnchorTrouble) -> String,
}

pub(super) const EN: KeepingText = KeepingText {
    trouble: |file, trouble| {
        let why = match trouble {
            Trouble::DiskFull => "the disk is full. Make room on it",
            Trouble::ReadOnly => {
                "the disk or the file is read-only. Look at the kernel's log, and mount it writable"
            }
            Trouble::Failing => "the disk gives errors. Look at the kernel's log, and replace it",
            Trouble::Hanging => "the disk does not answer. Look at the kernel's log, and replace it",
            Trouble::Busy => "another program holds the file. End it",
            Trouble::Damaged => "the file is damaged. Restore it from a backup",
        };
        format!("{file} cannot be written: {why}. What cannot be recorded is refused until then.")
    },
    damaged: |file| {
        format!(
            "{file} is damaged, as a full check has found. Stop the box and restore its data from a backup."
        )
    },
    slow: |file, ms| {
        format!(
            "The disk is slow: writing to {file} took {:.1} s of late. Look for other load on it, or for its end.",
            ms as f64 / 1000.0
        )
    },
    long_log: |file, mib| {
        format!(
            "The write-ahead log of {file} has grown to {mib} MiB and is not folded back. Restart genset; if it grows again, look for a program that keeps the file open."
        )
    },
    low_room: |mib| {
        format!("The disk of the data folder is almost full: {mib} MiB are left. Make room on it.")
    },
    checked: |when| format!("All files of the store were last checked in full, and found whole, at {when}."),
    unchecked: "The files of the store passed the quick check at the start; the full check is running or due.",
    unclean: "The box was not stopped in order the last time. Its files passed the quick check; the full check is running.",
    unclean_checked: |when| {
        format!(
            "The box was not stopped in order the last time. All files of the store were checked in full, and found whole, at {when}."
        )
    },
    no_backups: "No backups are configured: write a [backup] folder into the configuration.",
    backup: |when| format!("Last verified backup: {when}."),
    no_backup_yet: "No backup has been made and verified yet.",
    backup_overdue: "No backup has been verified for more than 36 hours. The log says why; mend that, and run “genset backup”.",
    no_sheet: "Backups are configured, but there is no recovery sheet, so none is made. Run “genset recovery-sheet” and print it.",
    sheet_unproven: "Nobody has proven that the recovery sheet was printed. Run “genset recovery-sheet --prove” and type its code in.",
    anchor: |place, trouble| match trouble {
        AnchorTrouble::Away => format!(
            "The medium for the audit log’s checkpoints ({place}) has been away for more than a day. Put it back: what it does not hold is not proven outside the box."
        ),
        AnchorTrouble::Failing => format!(
            "The audit log’s checkpoints cannot be written down in {place}. The box’s log says why; mend that."
        ),
        AnchorTrouble::KnowsMore => format!(
            "{place} holds a checkpoint that the audit log does not: rows were cut off the log, or the box was restored from a backup. Run “genset audit verify --anchor {place}”."
        ),
    },
};

pub(super) const KO: KeepingText = KeepingText {
    trouble: |file, trouble| {
        let why = match trouble {
            Trouble::DiskFull => "디스크가 가득 찼습니다. 디스크에 여유 공간을 만드십시오",
            Trouble::ReadOnly => {
                "디스크나 파일이 읽기 전용입니다. 커널 로그를 확인하고 쓰기 가능하게 마운트하십시오"
            }
            Trouble::Failing => "디스크에서 오류가 발생합니다. 커널 로그를 확인하고 디스크를 교체하십시오",
            Trouble::Hanging => "디스크가 응답하지 않습니다. 커널 로그를 확인하고 디스크를 교체하십시오",
            Trouble::Busy => "다른 프로그램이 파일을 잡고 있습니다. 그 프로그램을 종료하십시오",
            Trouble::Damaged => "파일이 손상되었습니다. 백업에서 복원하십시오",
        };
        format!("{file} 파일에 기록할 수 없습니다: {why}. 그때까지 기록할 수 없는 작업은 거부됩니다.")
    },
    damaged: |file| {
        format!(
            "전체 검사에서 {file} 파일의 손상이 발견되었습니다. 장비를 멈추고 백업에서 데이터를 복원하십시오."
        )
    },
    slow: |file, ms| {
        format!(
            "디스크가 느립니다: 최근 {file} 파일에 기록하는 데 {:.1}초가 걸렸습니다. 다른 부하가 있는지, 디스크 수명이 다했는지 확인하십시오.",
            ms as f64 / 1000.0
        )
    },
    long_log: |file, mib| {
        format!(
            "{file} 파일의 선행 기록 로그가 {mib} MiB까지 커졌고 정리되지 않습니다. genset을 다시 시작하십시오. 다시 커지면 파일을 열어 둔 프로그램을 찾으십시오."
        )
    },
    low_room: |mib| {
        format!(
            "데이터 폴더의 디스크가 거의 찼습니다: {mib} MiB 남았습니다. 디스크에 여유 공간을 만드십시오."
        )
    },
    checked: |when| format!("저장소의 모든 파일을 {when}에 전체 검사했으며 이상이 없었습니다."),
    unchecked: "저장소 파일은 시작할 때 빠른 검사를 통과했습니다. 전체 검사는 진행 중이거나 예정되어 있습니다.",
    unclean: "지난번에 장비가 정상적으로 종료되지 않았습니다. 파일은 빠른 검사를 통과했으며 전체 검사가 진행 중입니다.",
    unclean_checked: |when| {
        format!(
            "지난번에 장비가 정상적으로 종료되지 않았습니다. 저장소의 모든 파일을 {when}에 전체 검사했으며 이상이 없었습니다."
        )
    },
    no_backups: "백업이 설정되어 있지 않습니다. 설정 파일에 [backup] folder를 추가하십시오.",
    backup: |when| format!("마지막으로 검증된 백업: {when}"),
    no_backup_yet: "아직 만들어 검증한 백업이 없습니다.",
    backup_overdue: "36시간 넘게 검증된 백업이 없습니다. 원인은 로그에 있습니다. 해결한 다음 ‘genset backup’을 실행하십시오.",
    no_sheet: "백업이 설정되어 있지만 복구 용지가 없어 백업을 만들지 않습니다. ‘genset recovery-sheet’를 실행해 인쇄하십시오.",
    sheet_unproven: "복구 용지를 인쇄했는지 아직 확인되지 않았습니다. ‘genset recovery-sheet --prove’를 실행하고 용지의 코드를 입력하십시오.",
    anchor: |place, trouble| match trouble {
        AnchorTrouble::Away => format!(
            "감사 기록의 체크포인트를 쓰는 매체({place})가 하루 넘게 연결되지 않았습니다. 다시 연결하십시오. 매체에 없는 내용은 장비 밖에서 증명되지 않습니다."
        ),
        AnchorTrouble::Failing => format!(
            "감사 기록의 체크포인트를 {place}에 쓸 수 없습니다. 원인은 장비 로그에 있습니다. 해결하십시오."
        ),
        AnchorTrouble::KnowsMore => format!(
            "{place}에 감사 기록에 없는 체크포인트가 있습니다. 기록이 잘렸거나 백업에서 복원된 것입니다. ‘genset audit verify --anchor {place}’를 실행하십시오."
        ),
    },
};
