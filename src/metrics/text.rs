//! Prometheus's own text format (0.0.4), made from OpenMetrics text, which is all that the library writes.

/// The same numbers in the older format: there a counter is called as its samples are, `_total` included, there are no
/// units and no end. The text must be well-formed.
pub(super) fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(about) = line.strip_prefix("# HELP ") {
            // what it is called depends on the type, which comes next
            help = about;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|about| about.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            let words = help.split_once(' ').map_or("", |(_, words)| words);
            text.push_str(&format!("# HELP {name}{suffix} {words}\n# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_called_as_their_samples() {
        let open = "# HELP a How many.\n# TYPE a counter\n# UNIT a x\na_total{b=\"# c\"} 1\n# HELP d D.\n# TYPE d gauge\n\
                    d 2\n# EOF\n";
        let expected = "# HELP a_total How many.\n# TYPE a_total counter\na_total{b=\"# c\"} 1\n# HELP d D.\n\
                        # TYPE d gauge\nd 2\n";
        assert_eq!(classic(open), expected);
    }
}
