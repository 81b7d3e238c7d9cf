//! What the status page says of the store: what must be mended, and when its files were last checked.

use store::{BackupCondition, Condition, FileCondition, LOW_ROOM_BYTES, Trouble, WAL_ALARM_BYTES};

use crate::moment::Clock;
use crate::text::KeepingText;

const MIB: u64 = 1 << 20;

/// A sentence for each thing that is wrong with a file or its disk.
pub(crate) fn alarms(store: &Condition, text: &KeepingText) -> Vec<String> {
    let of_files = store.files.iter().flat_map(|file| of_file(file, text));
    let room = store.free_bytes.filter(|free| *free < LOW_ROOM_BYTES).map(|free| (text.low_room)(free / MIB));
    let backup = store.backup.iter().flat_map(|backup| of_backup(backup, text));
    let now_ms = Clock::now_ms();
    let anchors = store.anchors.iter();
    let anchors = anchors.filter_map(|anchor| Some((text.anchor)(&anchor.place, anchor.alarm(now_ms)?)));
    of_files.chain(room).chain(backup).chain(anchors).collect()
}

fn of_backup(backup: &BackupCondition, text: &KeepingText) -> Vec<String> {
    if !backup.has_sheet {
        return vec![text.no_sheet.to_owned()];
    }
    let overdue = backup.is_overdue(Clock::now_ms()).then(|| text.backup_overdue.to_owned());
    let unproven = (!backup.sheet_is_proven).then(|| text.sheet_unproven.to_owned());
    overdue.into_iter().chain(unproven).collect()
}

/// The lamp and the words for the backups.
pub(crate) fn backups(store: &Condition, text: &KeepingText, clock: &Clock) -> (&'static str, String) {
    let Some(backup) = &store.backup else { return ("waiting", text.no_backups.to_owned()) };
    let lamp = if backup.is_overdue(Clock::now_ms()) { "bad" } else { "good" };
    let words = backup.verified_ms.map(|at_ms| (text.backup)(&clock.full(at_ms)));
    (lamp, words.unwrap_or_else(|| text.no_backup_yet.to_owned()))
}

fn of_file(file: &FileCondition, text: &KeepingText) -> Vec<String> {
    let name = file.file;
    let damaged = file.damage.is_some() && file.trouble != Some(Trouble::Damaged);
    [
        file.trouble.map(|trouble| (text.trouble)(name, trouble)),
        damaged.then(|| (text.damaged)(name)),
        file.slow_commit_ms.map(|ms| (text.slow)(name, ms)),
        (file.wal_bytes > WAL_ALARM_BYTES).then(|| (text.long_log)(name, file.wal_bytes / MIB)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The lamp and the words for the checks.
pub(crate) fn checks(store: &Condition, text: &KeepingText, clock: &Clock) -> (&'static str, String) {
    let words = match (store.unclean_stop, store.checked_ms) {
        (false, Some(at_ms)) => (text.checked)(&clock.full(at_ms)),
        (false, None) => text.unchecked.to_owned(),
        (true, Some(at_ms)) => (text.unclean_checked)(&clock.full(at_ms)),
        (true, None) => text.unclean.to_owned(),
    };
    let lamp = match (store.is_whole(), store.checked_ms) {
        (false, _) => "bad",
        (true, Some(_)) => "good",
        (true, None) => "waiting",
    };
    (lamp, words)
}
