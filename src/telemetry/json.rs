//! Log lines for machines: one JSON object each, flat, so that the request's id and trace stand in every line of it.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// `timestamp`, `level`, `target`, the event's own fields (`message` among them), and those of the spans around it, from
/// the outermost. The library's own format has the latter in objects of their own, twice.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let about = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        // names of modules, which need no escapes
        write!(writer, "\",\"level\":\"{}\",\"target\":\"{}\"", about.level(), about.target())?;
        let mut fields = String::new();
        ctx.field_format().format_fields(Writer::new(&mut fields), event)?;
        members(&mut writer, &fields)?;
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                members(&mut writer, fields)?;
            }
        }
        writer.write_str("}\n")
    }
}

/// The members of a JSON object, after others.
fn members(writer: &mut Writer<'_>, object: &str) -> fmt::Result {
    match object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|members| !members.is_empty()) {
        Some(members) => write!(writer, ",{members}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{Layer, fmt::format::JsonFields, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_what_is_around_it() {
        let lines = Lines::default();
        let written = lines.clone();
        let layer = tracing_subscriber::fmt::layer().event_format(Json).fmt_fields(JsonFields::new());
        let layer = layer.with_writer(move || written.clone()).boxed();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("request", request_id = "r\"1", later = tracing::field::Empty);
            let _entered = span.enter();
            let _inner = tracing::info_span!("inner", n = 2).entered();
            span.record("later", true);
            tracing::info!(status = 200, "answered \"so\"\n");
            tracing::info!("bare");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 2, "{text}");
        let first = &objects[0];
        assert_eq!((first["message"].as_str(), first["status"].as_i64()), (Some("answered \"so\"\n"), Some(200)));
        assert_eq!((first["request_id"].as_str(), first["later"].as_bool()), (Some("r\"1"), Some(true)), "{text}");
        assert_eq!((first["n"].as_i64(), first["level"].as_str()), (Some(2), Some("INFO")));
        assert!(first["timestamp"].as_str().unwrap().ends_with('Z') && first["target"].is_string());
    }
}
