//! What the system knows of this process, under the names that Prometheus's own clients use. Read from `/proc`; where
//! there is none, nothing is shown.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

/// In `/proc`, a second has a hundred ticks on every Linux, whatever the kernel's own are (`USER_HZ`).
const TICKS: f64 = 100.0;

/// This process.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            let help = "Time that processors have spent on this process.";
            let mut metric = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, _, f64>(&seconds, None)?;
        }
        let gauges = [
            ("process_resident_memory_bytes", "Memory of this process in RAM.", status_bytes("VmRSS:")),
            ("process_virtual_memory_bytes", "Address space of this process.", status_bytes("VmSize:")),
            ("process_open_fds", "Open files and connections.", open_fds()),
            ("process_max_fds", "The most files and connections that may be open.", max_fds()),
            ("process_start_time_seconds", "When this process began, as Unix time.", start_time()),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// A field of `/proc/self/stat`, counted as in proc(5): from 3, behind the name, which may hold anything.
fn stat(field: usize) -> Option<f64> {
    read("/proc/self/stat")?.rsplit_once(") ")?.1.split(' ').nth(field - 3)?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS)
}

fn start_time() -> Option<f64> {
    let boot: f64 = read("/proc/stat")?.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + stat(22)? / TICKS)
}

fn status_bytes(name: &str) -> Option<f64> {
    let status = read("/proc/self/status")?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix(" kB")?;
    Some(kilobytes.trim().parse::<f64>().ok()? * 1024.0)
}

fn open_fds() -> Option<f64> {
    // reading the directory opens one
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn max_fds() -> Option<f64> {
    let limits = read("/proc/self/limits")?;
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_of_this_process() {
        assert!(status_bytes("VmRSS:").unwrap() > 1e6);
        assert!(status_bytes("VmSize:").unwrap() >= status_bytes("VmRSS:").unwrap());
        assert!(open_fds().unwrap() >= 3.0 && max_fds().unwrap() >= open_fds().unwrap());
        // after 2020
        assert!(start_time().unwrap() > 1.577e9 && cpu_seconds().unwrap() >= 0.0);
    }
}
