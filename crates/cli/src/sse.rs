//! Reading server-sent events. Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::io::BufRead;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// What kind of event it is.
    pub(crate) event: String,
    /// What to name when coming back.
    pub(crate) id: String,
    /// Its content.
    pub(crate) data: String,
}

/// The events of a stream, until it ends or breaks off. One that is cut off is left out.
pub(crate) fn messages(stream: impl BufRead) -> impl Iterator<Item = Message> {
    let mut lines = stream.lines();
    std::iter::from_fn(move || {
        let mut message = Message::default();
        loop {
            let line = lines.next()?.ok()?;
            if line.is_empty() {
                if !message.data.is_empty() {
                    return Some(message);
                }
                message = Message::default();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut message.event),
                "id" => value.clone_into(&mut message.id),
                "data" if message.data.is_empty() => value.clone_into(&mut message.data),
                "data" => message.data = format!("{}\n{value}", message.data),
                // A comment, or something newer than this program.
                _ => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    /// Yields a byte at a time, as a slow connection does.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.0.len().min(1).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    #[test]
    fn events_are_read_however_they_arrive() {
        let stream = ": hello\n\nevent: segment\nid: 2-1\ndata: {\"a\":1}\n\n: keep-alive\n\ndata: x\ndata: y\r\n\r\nevent: cut";
        let found: Vec<_> = messages(BufReader::new(Slow(stream.as_bytes()))).collect();
        let message = |event: &str, id: &str, data: &str| Message {
            event: event.into(),
            id: id.into(),
            data: data.into(),
        };
        assert_eq!(
            found,
            [
                message("segment", "2-1", "{\"a\":1}"),
                message("", "", "x\ny")
            ]
        );
    }
}
