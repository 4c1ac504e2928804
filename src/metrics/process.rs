//! What the system says of the process, under the names that every Prometheus client uses.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Looks when a scrape comes.
#[derive(Debug)]
struct Process {
    /// Seconds since 1970.
    started: f64,
}

/// Adds the figures; the process counts as started now.
pub(super) fn register(registry: &mut Registry) {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    registry.register_collector(Box::new(Process { started: since_1970.as_secs_f64() }));
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = ConstCounter::new(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
        let name = ("process_cpu_seconds", "CPU time that the process has used.");
        cpu.encode(encoder.encode_descriptor(name.0, name.1, None, MetricType::Counter)?)?;
        let gauges = [
            ("process_start_time_seconds", "When the process started, in seconds since 1970.", Some(self.started)),
            ("process_resident_memory_bytes", "Memory that the process holds.", resident().map(|bytes| bytes as f64)),
            ("process_open_fds", "Open file descriptors.", open_files().map(|files| files as f64)),
            ("process_max_fds", "How many there may be.", getrlimit(Resource::Nofile).current.map(|most| most as f64)),
        ];
        for (name, help, value) in gauges {
            let Some(value) = value else { continue };
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

/// The second figure of statm, in bytes.
fn resident() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// But for the one by which they are counted.
fn open_files() -> Option<usize> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}
