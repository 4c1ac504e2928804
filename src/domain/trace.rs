//! W3C Trace Context: the trace that a message came in is the one in which its event is delivered.
//!
//! Only `traceparent` is carried on, and kept with the event, as an event is delivered after a restart
//! as well; 55 bytes each are cheap. `tracestate` is dropped, which the recommendation allows.

use std::fmt;

use super::ids::EventId;

/// A position in a trace, as the W3C header `traceparent` spells it (Trace Context, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    parent: u64,
    sampled: bool,
}

impl TraceParent {
    /// Reads the header (Trace Context, section 3.2); nothing where it is malformed, as if none had come.
    /// What a version later than 00 adds is passed over.
    pub fn read(header: &str) -> Option<Self> {
        let parts: Vec<_> = header.splitn(5, '-').collect();
        let [version, trace, parent, flags, rest @ ..] = parts.as_slice() else { return None };
        let (version, flags) = (hex(version, 2)?, hex(flags, 2)?);
        let (trace, parent) = (hex(trace, 32)?, hex(parent, 16)?);
        let known = version != 0xff && (version != 0 || rest.is_empty());
        let parent = u64::try_from(parent).ok()?;
        (known && trace != 0 && parent != 0).then_some(Self { trace, parent, sampled: flags & 1 == 1 })
    }

    /// The trace of an event that came in none: it is named by the event's id, so that all attempts
    /// are in one, and whoever has the id finds it.
    pub fn of_event(id: EventId) -> Self {
        Self { trace: id.as_u128(), parent: id.sequence().max(1), sampled: true }
    }

    /// The same trace, with this span as the parent of what follows.
    pub fn child(self, span: u64) -> Self {
        Self { parent: span.max(1), ..self }
    }

    /// The trace's id as it stands in the header.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }
}

/// As the header is written.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.parent, u8::from(self.sampled))
    }
}

/// So many hexadecimal digits, which are lower-case.
fn hex(digits: &str, count: usize) -> Option<u128> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let right = digits.len() == count && digits.bytes().all(lower);
    right.then(|| u128::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_trace_is_continued() {
        for flags in ["00", "01"] {
            let header = format!("00-{TRACE}-{SPAN}-{flags}");
            let parent = TraceParent::read(&header).unwrap();
            assert_eq!(parent.to_string(), header);
            assert_eq!(parent.child(0x2a).to_string(), format!("00-{TRACE}-000000000000002a-{flags}"));
            assert_eq!(parent.trace_id(), TRACE);
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for later in [format!("cc-{TRACE}-{SPAN}-01"), format!("01-{TRACE}-{SPAN}-ff-what-comes-later")] {
            assert_eq!(TraceParent::read(&later).unwrap().to_string(), format!("00-{TRACE}-{SPAN}-01"), "{later}");
        }
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!("00-{TRACE}é-{SPAN}-01"),
            format!("01-{TRACE}-{SPAN}-01.more"),
        ] {
            assert_eq!(TraceParent::read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn an_event_that_came_in_no_trace_names_its_own() {
        let id = EventId::compose(1_775_745_001_123, 0x2ab_cdef, 77);
        let trace = TraceParent::of_event(id);
        assert_eq!(trace.trace_id(), id.to_string().replace('-', ""));
        assert_eq!(TraceParent::read(&trace.to_string()), Some(trace));
    }
}
