//! Pages of OpenMetrics in the older text format of Prometheus.

/// Converts a page of OpenMetrics to the text format 0.0.4: names of counters have their suffix in comments, too, and an
/// `info` is a gauge.
pub(crate) fn to_text_format(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut help = None;
    for line in page.lines() {
        match line.strip_prefix("# ").map(|comment| comment.splitn(3, ' ').collect::<Vec<_>>()).as_deref() {
            Some(["HELP", name, rest]) => help = Some((name.to_string(), rest.to_string())),
            Some(["TYPE", name, kind]) => {
                let (suffix, kind) = match *kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    kind @ ("gauge" | "histogram" | "summary") => ("", kind),
                    _ => ("", "untyped"),
                };
                if let Some((_, help)) = help.take().filter(|(of, _)| of == name) {
                    text.extend(["# HELP ", name, suffix, " ", &help, "\n"]);
                }
                text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
            }
            // Units, and the mark of the end.
            Some(_) => {}
            None => text.extend([line, "\n"]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_have_the_names_and_types_of_the_older_format() {
        let page = "# HELP a Version.\n# TYPE a info\na_info{v=\"# 1\"} 1\n# HELP b Bytes read.\n# TYPE b_bytes counter\n\
                    # UNIT b_bytes bytes\nb_bytes_total 2\n# HELP c Time.\n# TYPE c histogram\nc_sum 1\n\
                    # TYPE d unknown\n# EOF\n";
        let expected = "# HELP a_info Version.\n# TYPE a_info gauge\na_info{v=\"# 1\"} 1\n# TYPE b_bytes_total counter\n\
                        b_bytes_total 2\n# HELP c Time.\n# TYPE c histogram\nc_sum 1\n# TYPE d untyped\n";
        assert_eq!(to_text_format(page), expected);
    }
}
