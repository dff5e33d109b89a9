//! Wall and CPU time of one piece of work, and the memory at its end.

use std::time::{Duration, Instant};

pub(crate) fn measured<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (wall, cpu) = (Instant::now(), cpu_time());
    let result = run();
    let (wall, cpu) = (wall.elapsed(), cpu_time() - cpu);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!(
        "{what}: wall {wall:.1?}, CPU {cpu:.1?}, {}",
        peak.unwrap_or_default()
    );
    result
}

fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanoseconds.expect("/proc/self/schedstat"))
}
