use super::*;
use crate::delivery::Reason;
use crate::domain::{EventType, Outcome};
use crate::journal::{DetailsStats, Observer, Verdict};

fn pulse(org: &OrgId) -> Pulse {
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    Pulse {
        org: org.clone(),
        pending: 3,
        oldest: at(90),
        oldest_start: at(95),
        due: at(98),
        paused: None,
        held_until: None,
        last_message_at: None,
    }
}

#[test]
fn the_families_of_the_contract_are_there() {
    let metrics = Metrics::new();
    let org: OrgId = "acme".parse().unwrap();
    let taken = |outcome, event_type| Taken { org: org.clone(), source: Source::Soap, outcome, event_type };
    metrics.taken(&taken(Outcome::Accepted, EventType::InterviewStarted), 2);
    metrics.taken(&taken(Outcome::Duplicate, EventType::InterviewStarted), 1);
    metrics.refused(&org, Source::Soap);
    metrics.not_taken(Source::Soap, Code::Unauthorized);
    metrics.not_signed_in(&org);
    metrics.not_kept(&org);
    metrics.committed(3, Duration::from_millis(2));
    let attempt = |verdict, reason| Attempted { verdict, reason, latency: Duration::from_millis(20) };
    delivery::Observer::attempted(&metrics, &org, attempt(Verdict::Delivered, None));
    delivery::Observer::attempted(&metrics, &org, attempt(Verdict::Dead, Some(Reason::Refused)));
    metrics.read_back(&org, attempt(Verdict::Paused { probe_after: Duration::ZERO }, None));
    let at = |second| Timestamp::from_second(second).unwrap();
    let details = DetailsStats { waiting: 2, failed: 1, oldest_waiting: Some(at(60)), ..DetailsStats::default() };
    metrics.looked(&[OrganisationStats { details, ..OrganisationStats::unheard(org.clone(), None) }], at(100));
    metrics.listened(&org, true);
    let moment = Moment {
        now: Timestamp::from_second(100).unwrap(),
        ready: true,
        pulses: &[pulse(&org)],
        disk: Some((2_000, 1_000)),
        certificate_expires: Timestamp::from_second(5_000).ok(),
    };
    let page = metrics.scrape(&moment, Format::OpenMetrics);
    for line in [
        "imper_bridge_messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Accepted\"} 2",
        "imper_bridge_messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Duplicate\"} 1",
        "imper_bridge_messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Refused\"} 1",
        "imper_bridge_events_total{orgid=\"acme\",event_type=\"interview_started\"} 2",
        "imper_bridge_faults_total{source=\"soap\",code=\"unauthorized\"} 1",
        "imper_bridge_deliveries_total{orgid=\"acme\",result=\"delivered\"} 1",
        "imper_bridge_deliveries_total{orgid=\"acme\",result=\"retry\"} 0",
        "imper_bridge_delivery_failures_total{orgid=\"acme\",reason=\"refused\"} 1",
        "imper_bridge_attempt_seconds_bucket{le=\"0.025\",orgid=\"acme\"} 2",
        "imper_bridge_failed_sign_ins_total{orgid=\"acme\"} 1",
        "imper_bridge_refused_not_kept_total{orgid=\"acme\"} 1",
        "imper_bridge_pending_events{orgid=\"acme\"} 3",
        "imper_bridge_oldest_pending_seconds{orgid=\"acme\"} 10.0",
        "imper_bridge_oldest_undelivered_start_seconds{orgid=\"acme\"} 5.0",
        "imper_bridge_ready_lag_seconds{orgid=\"acme\"} 2.0",
        "imper_bridge_paused{orgid=\"acme\"} 0",
        "imper_bridge_silent{orgid=\"acme\"} 1",
        "imper_bridge_journal_commit_seconds_bucket{le=\"0.0025\"} 1",
        "imper_bridge_journal_batch_size_sum 3.0",
        "imper_bridge_details_reads_total{orgid=\"acme\",result=\"paused\"} 1",
        "imper_bridge_details_waiting{orgid=\"acme\"} 2",
        "imper_bridge_details_oldest_waiting_seconds{orgid=\"acme\"} 40.0",
        "imper_bridge_details_failed{orgid=\"acme\"} 1",
        "imper_bridge_ready 1",
        "imper_bridge_disk_free_bytes 2000",
        "imper_bridge_disk_wanted_bytes 1000",
        "imper_bridge_certificate_expires_timestamp_seconds 5000",
    ] {
        assert!(page.lines().any(|each| each == line), "{line}\n{page}");
    }
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}\n{page}"));
        assert!(line.trim().parse::<f64>().unwrap() > 0.0, "{name}{line}");
    }
}

#[test]
fn counters_stand_at_nothing_before_the_first_count() {
    let metrics = Metrics::new();
    let org: OrgId = "acme".parse().unwrap();
    metrics.expect([&org]);
    let (now, pulses) = (Timestamp::UNIX_EPOCH, &[]);
    let moment = Moment { now, ready: false, pulses, disk: None, certificate_expires: None };
    let page = metrics.scrape(&moment, Format::Plain);
    assert!(page.contains("imper_bridge_deliveries_total{orgid=\"acme\",result=\"dead\"} 0\n"), "{page}");
    assert!(page.contains("imper_bridge_ready 0\n") && !page.contains("disk_free_bytes "), "{page}");
}
