//! The memory of this machine that a new process may count on.

use std::fs;
use std::path::Path;

/// What the kernel calls available, or what is left of the share of a container or of a service where that is less.
pub(super) fn available_bytes() -> Option<u64> {
    let of_machine = of_machine(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let shares =
        group(&groups).ancestors().map(|group| left_of_share(&Path::new("/sys/fs/cgroup").join(group)));
    Some(shares.flatten().fold(of_machine, u64::min))
}

/// The control group of this process, from the root of what it sees of them.
fn group(groups: &str) -> &Path {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    Path::new(path.trim().trim_start_matches('/'))
}

/// `None` where there is no limit.
fn left_of_share(folder: &Path) -> Option<u64> {
    let share = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| share(name)?.trim().parse::<u64>().ok();
    let (most, used) = number("memory.max").zip(number("memory.current"))?;
    // The page cache counts as used, and gives way.
    let cached = share("memory.stat").as_deref().and_then(file_bytes).unwrap_or(0);
    Some(most.saturating_sub(used.saturating_sub(cached)))
}

fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn file_bytes(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("file "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_read_in_bytes() {
        assert_eq!(of_machine("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:    7 kB\n"), Some(7168));
        assert_eq!(of_machine("nothing"), None);
        assert_eq!(file_bytes("anon 5\nfile 77\nfile_mapped 3\n"), Some(77));
        let service = group("3:cpu:/else\n0::/system.slice/genset.service\n");
        let groups: Vec<_> = service.ancestors().map(|group| group.display().to_string()).collect();
        assert_eq!(groups, ["system.slice/genset.service", "system.slice", ""]);
        assert_eq!(group("").ancestors().count(), 1, "where there is no group the root is looked at");
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        for (name, text) in
            [("memory.max", "100\n"), ("memory.current", "70\n"), ("memory.stat", "file 20\n")]
        {
            write(name, text);
        }
        assert_eq!(left_of_share(folder.path()), Some(50));
        write("memory.max", "max\n");
        assert_eq!(left_of_share(folder.path()), None);
        assert!(available_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
