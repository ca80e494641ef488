//! What a PostgreSQL client sends, message by message: just enough to know which statement runs.

use std::collections::HashMap;
use std::mem;

const TLS_HANDSHAKE: u8 = 0x16;
const VERSION_3: u32 = 3;
/// No start-up message is longer, by the server's own limit.
const LONGEST_START: usize = 10_000;

/// One message, or, where the bytes cannot be read, whatever came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub bytes: Vec<u8>,
    pub is_startup: bool,
    /// The statement that the message has the server run.
    pub runs: Option<String>,
    /// Whether the server answers now, and not before.
    pub ends_request: bool,
}

/// Splits one connection's bytes into messages.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    buffer: Vec<u8>,
    phase: Phase,
    /// Statement by its name.
    statements: HashMap<Vec<u8>, String>,
    /// Name of the statement by the name of the portal it is bound to.
    portals: HashMap<Vec<u8>, Vec<u8>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Starting,
    Started,
    /// TLS, or no PostgreSQL at all.
    Opaque,
}

impl Splitter {
    /// The messages that are whole with these bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        self.buffer.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(message) = self.next() {
            messages.push(message);
        }
        messages
    }

    fn next(&mut self) -> Option<Message> {
        match self.phase {
            Phase::Opaque => (!self.buffer.is_empty()).then(|| plain(mem::take(&mut self.buffer))),
            Phase::Starting => {
                let first = *self.buffer.first()?;
                let length = self.length_at(0);
                if first == TLS_HANDSHAKE
                    || length.is_some_and(|length| !(8..=LONGEST_START).contains(&length))
                {
                    self.phase = Phase::Opaque;
                    return self.next();
                }
                let mut message = plain(self.take(length?)?);
                if number(&message.bytes[4..]) >> 16 == VERSION_3 {
                    message.is_startup = true;
                    self.phase = Phase::Started;
                }
                Some(message)
            }
            Phase::Started => {
                let length = self.length_at(1)?;
                let bytes = self.take(length + 1)?;
                Some(self.read(bytes))
            }
        }
    }

    fn read(&mut self, bytes: Vec<u8>) -> Message {
        let mut texts = bytes[5..].split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default().to_vec();
        let lossy = |text: Vec<u8>| String::from_utf8_lossy(&text).into_owned();
        let mut runs = None;
        match bytes[0] {
            b'Q' => runs = Some(lossy(text())),
            b'P' => {
                let name = text();
                self.statements.insert(name, lossy(text()));
            }
            b'B' => {
                let portal = text();
                self.portals.insert(portal, text());
            }
            b'E' => {
                runs =
                    self.portals.get(&text()).and_then(|name| self.statements.get(name)).cloned();
            }
            _ => {}
        }
        let ends_request = matches!(bytes[0], b'Q' | b'S');
        Message { bytes, is_startup: false, runs, ends_request }
    }

    fn length_at(&self, at: usize) -> Option<usize> {
        let bytes = self.buffer.get(at..at + 4)?;
        usize::try_from(number(bytes)).ok()
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        if self.buffer.len() < length {
            return None;
        }
        let rest = self.buffer.split_off(length);
        Some(mem::replace(&mut self.buffer, rest))
    }
}

fn plain(bytes: Vec<u8>) -> Message {
    Message { bytes, is_startup: false, runs: None, ends_request: false }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// A start-up message that also asks for `name` to be `value` in the session.
pub(crate) fn with_setting(startup: &[u8], name: &str, value: &str) -> Vec<u8> {
    let mut bytes = startup[..startup.len() - 1].to_vec();
    for text in [name, value] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes.push(0);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Whether the server's bytes end with its word that it waits for the next request.
pub(crate) fn end_ready(answer: &[u8]) -> bool {
    answer.len() >= 6 && answer[answer.len() - 6..].starts_with(b"Z\0\0\0\x05")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup() -> Vec<u8> {
        let body = b"\0\x03\0\0user\0a\0\0";
        [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], body].concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    #[test]
    fn a_prepared_statement_is_known_when_it_runs_and_not_when_it_is_parsed() {
        let sent = [
            startup(),
            message(b'P', b"s1\0UPDATE a\0\0\0"),
            message(b'S', b""),
            message(b'B', b"\0s1\0\0\0\0\0\0\0"),
            message(b'E', b"\0\0\0\0\0"),
            message(b'S', b""),
            message(b'Q', b"COMMIT\0"),
        ]
        .concat();
        // However the bytes are cut, the messages are the same.
        for size in [1, 3, 7, sent.len()] {
            let mut splitter = Splitter::default();
            let messages: Vec<_> =
                sent.chunks(size).flat_map(|chunk| splitter.feed(chunk)).collect();
            let runs: Vec<_> = messages.iter().map(|message| message.runs.as_deref()).collect();
            assert_eq!(
                runs,
                [None, None, None, None, Some("UPDATE a"), None, Some("COMMIT")],
                "{size}"
            );
            assert!(messages[0].is_startup);
            let ends: Vec<_> = messages.iter().map(|message| message.ends_request).collect();
            assert_eq!(ends, [false, false, true, false, false, true, true]);
            assert_eq!(messages.into_iter().flat_map(|m| m.bytes).collect::<Vec<_>>(), sent);
        }
    }

    #[test]
    fn what_cannot_be_read_passes_as_it_is() {
        let tls_request = [0, 0, 0, 8, 4, 210, 22, 47];
        let mut splitter = Splitter::default();
        assert_eq!(splitter.feed(&tls_request)[0].bytes, tls_request);
        assert_eq!(splitter.feed(&[TLS_HANDSHAKE, 3, 1])[0].bytes, [TLS_HANDSHAKE, 3, 1]);
        let mut splitter = Splitter::default();
        assert_eq!(splitter.feed(b"GET / HTTP/1.1")[0].bytes, b"GET / HTTP/1.1");
    }

    #[test]
    fn a_setting_is_added_to_the_startup_message() {
        let longer = with_setting(&startup(), "b", "on");
        assert_eq!(longer[8..], *b"user\0a\0b\0on\0\0");
        assert_eq!(number(&longer), u32::try_from(longer.len()).unwrap());
    }
}
