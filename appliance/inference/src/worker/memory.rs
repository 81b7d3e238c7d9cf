//! The memory of this machine that a new process may count on.

use std::fs;

/// What the kernel calls available, or what is left of a container's share where that is less.
pub(super) fn available_bytes() -> Option<u64> {
    let of_machine = of_machine(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let share = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let number = |name: &str| share(name)?.trim().parse::<u64>().ok();
    // The page cache counts as used, and gives way.
    let cached = share("memory.stat").as_deref().and_then(file_bytes).unwrap_or(0);
    let left = number("memory.max").zip(number("memory.current"));
    let left = left.map_or(u64::MAX, |(most, used)| most.saturating_sub(used.saturating_sub(cached)));
    Some(of_machine.min(left))
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
        assert!(available_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
