//! The two text formats of Prometheus: OpenMetrics for whoever asks for it, as Prometheus does, and
//! the older one for everybody else.

use std::collections::HashSet;

/// How figures are written for whoever scrapes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus's own, 0.0.4.
    Plain,
}

impl Format {
    /// The format that an `Accept` header asks for: OpenMetrics where it is named, whatever its weight.
    pub fn of(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Plain }
    }

    /// The Content-Type that Prometheus tells the format by.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// A page of OpenMetrics in this format. They differ in that the older one calls a counter by
    /// the name of its samples, and that only the newer one is told to end.
    pub(super) fn write(self, page: String) -> String {
        if self == Self::OpenMetrics {
            return page;
        }
        let counters: HashSet<&str> =
            page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
        let mut plain = String::with_capacity(page.len() + page.len() / 16);
        for line in page.lines().filter(|line| *line != "# EOF") {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(name) => {
                    plain.extend(["# ", kind, " ", name, "_total ", rest, "\n"]);
                }
                _ => plain.extend([line, "\n"]),
            }
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn the_older_format_names_counters_by_their_samples() {
        let page = "# HELP a Count.\n# TYPE a counter\na_total{b=\"# TYPE c counter\"} 1\n\
                    # HELP d Now.\n# TYPE d gauge\nd 2\n# EOF\n";
        let plain = "# HELP a_total Count.\n# TYPE a_total counter\na_total{b=\"# TYPE c counter\"} 1\n\
                     # HELP d Now.\n# TYPE d gauge\nd 2\n";
        assert_eq!(Format::of("*/*").write(page.into()), plain);
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::of(prometheus).write(page.into()), page);
    }
}
