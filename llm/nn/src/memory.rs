//! What memory there is, and how much of it in words: for whoever plans before loading.

/// Bytes the system could still give, where it says so.
pub fn free() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Bytes for people: `4.71 GB`; small models in `MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_000_000 => format!("{:.2} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_what_it_has() {
        assert!(free().unwrap() > 1 << 20);
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!(size(4_710_000_000), "4.71 GB");
        assert_eq!(size(1_500_000), "1.50 MB");
    }
}
