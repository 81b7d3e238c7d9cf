//! The words about an audit log that cannot be written, in both languages side by side.

#[derive(Debug)]
pub(crate) struct RecordingText {
    /// Rows that wait, and how full their room is in percent.
    pub(crate) unwritable: fn(usize, usize) -> String,
}

pub(super) const EN: RecordingText = RecordingText {
    unwritable: |rows, percent| {
        format!(
            "The audit log cannot be written. The clinical lane goes on: {rows} records wait for the log, and their room is {percent} % full. Everything else is refused, and nothing can be changed on these pages."
        )
    },
};

pub(super) const KO: RecordingText = RecordingText {
    unwritable: |rows, percent| {
        format!(
            "감사 기록을 쓸 수 없습니다. 임상 요청은 계속 처리됩니다. 기록 {rows}건이 대기 중이며 대기 공간의 {percent}%가 찼습니다. 그 밖의 요청은 거부되고, 이 페이지에서는 아무것도 변경할 수 없습니다."
        )
    },
};
