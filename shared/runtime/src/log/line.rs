//! Formats an event as one line of JSON, and writes it in one call.
//!
//! On Lambda the same line is a metric. The field `count` names the metric, `amount` is its value
//! (1 if absent), and CloudWatch reads the rest from the member `_aws` ([embedded metric
//! format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)).
//! The reason is a dimension, so rejections are counted both in total and by reason.

use std::{fmt, io::Write as _};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context};

use crate::clock::{self, Instant};

/// A layer that writes each event as one line.
pub(super) struct Lines<W> {
    pub(super) writer: W,
    /// The name of the Lambda function, the dimension of every metric. `None` outside Lambda, where
    /// no metrics are written.
    pub(super) function: Option<String>,
}

/// The initial capacity of a line, in bytes: enough for a line of the authorizer with its metric.
const USUAL_LENGTH: usize = 512;

impl<S: Subscriber, W: for<'w> MakeWriter<'w> + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let now = clock::instant();
        let mut line = Line::begin(now);
        let _ = write!(line.text, r#","level":"{}""#, event.metadata().level());
        event.record(&mut line);
        let _ = write!(line.text, r#","target":"{}""#, event.metadata().target());
        let text = line.end(self.function.as_deref(), now);
        // An error of the log itself cannot be reported.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(&text);
    }
}

/// A line under construction.
struct Line {
    text: Vec<u8>,
    count: Option<String>,
    amount: u64,
    has_reason: bool,
}

impl Line {
    fn begin(now: Instant) -> Self {
        let mut text = Vec::with_capacity(USUAL_LENGTH);
        let _ = write!(text, r#"{{"timestamp":"{now}""#);
        Self { text, count: None, amount: 1, has_reason: false }
    }

    fn end(self, function: Option<&str>, now: Instant) -> Vec<u8> {
        let Self { mut text, count, amount, has_reason } = self;
        if let Some(count) = count {
            let _ = write!(text, r#","{count}":{amount}"#);
            if let Some(function) = function {
                let by_reason = if has_reason { r#",["function","reason"]"# } else { "" };
                let _ = write!(
                    text,
                    concat!(
                        r#","function":"{}","_aws":{{"Timestamp":{},"CloudWatchMetrics":[{{"Namespace":"Hallpass","#,
                        r#""Dimensions":[["function"]{}],"Metrics":[{{"Name":"{}"}}]}}]}}"#
                    ),
                    function,
                    now.unix_milliseconds(),
                    by_reason,
                    count
                );
            }
        }
        text.extend_from_slice(b"}\n");
        text
    }

    fn member(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let _ = write!(self.text, r#","{name}":{value}"#);
    }

    /// Begins a member whose value is a text.
    fn begin_text(&mut self, name: &str) {
        self.has_reason |= name == "reason";
        for part in [r#",""#, name, r#"":"#] {
            self.text.extend_from_slice(part.as_bytes());
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "count" {
            self.count = Some(value.to_owned());
            return;
        }
        self.begin_text(field.name());
        let _ = serde_json::to_writer(&mut self.text, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "amount" => self.amount = value,
            name => self.member(name, format_args!("{value}")),
        }
    }

    /// Also receives messages and values formatted with `Display`.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "count" {
            self.count = Some(format!("{value:?}"));
            return;
        }
        self.begin_text(field.name());
        let _ = serde_json::to_writer(&mut self.text, &format_args!("{value:?}"));
    }
}
