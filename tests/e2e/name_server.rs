//! A name server whose answers are scripted, for tests of DNS rebinding.

use std::collections::HashMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

const TYPE_A: [u8; 2] = [0, 1];
/// Length of the header of a message.
const HEADER_BYTES: usize = 12;

/// The answers to the queries for a name, in turn. The last one is repeated.
pub(crate) type Answers = Vec<Vec<Ipv4Addr>>;

/// A running server, until the end of the test process.
pub(crate) struct NameServer {
    /// How often the IPv4 addresses of each name were asked for.
    queries: Arc<Mutex<HashMap<String, usize>>>,
}

impl NameServer {
    /// Answers at port 53 of `address`, without a time to live. Names that are not listed have no address.
    pub(crate) fn start(address: Ipv4Addr, names: HashMap<String, Answers>) -> Self {
        let socket = UdpSocket::bind((address, 53)).unwrap();
        let queries = Arc::new(Mutex::new(HashMap::new()));
        let counted = Arc::clone(&queries);
        thread::spawn(move || {
            let mut message = [0; 512];
            loop {
                let (length, client) = socket.recv_from(&mut message).unwrap();
                if let Some(answer) = answer(&message[..length], &names, &counted) {
                    socket.send_to(&answer, client).ok();
                }
            }
        });
        Self { queries }
    }

    pub(crate) fn queries(&self, name: &str) -> usize {
        let queries = self.queries.lock().unwrap();
        queries.get(name).copied().unwrap_or(0)
    }
}

/// The answer to a query of one question (RFC 1035, section 4).
fn answer(
    query: &[u8],
    names: &HashMap<String, Answers>,
    queries: &Mutex<HashMap<String, usize>>,
) -> Option<Vec<u8>> {
    let (name, name_bytes) = read_name(query.get(HEADER_BYTES..)?)?;
    let question = query.get(HEADER_BYTES..HEADER_BYTES + name_bytes + 4)?;
    let is_for_ipv4 = question[name_bytes..name_bytes + 2] == TYPE_A;

    let mut found = Vec::new();
    if let Some(answers) = names.get(&name).filter(|_| is_for_ipv4) {
        let mut queries = queries.lock().unwrap();
        let count = queries.entry(name).or_insert(0);
        found.clone_from(&answers[(*count).min(answers.len() - 1)]);
        *count += 1;
    }

    // The id of the query, a response without an error, one question.
    let mut message = [&query[..2], &[0x81, 0x80, 0, 1, 0, found.len() as u8]].concat();
    message.extend([0; 4]);
    message.extend(question);
    for ip in found {
        // The name of the question, IPv4, internet, no time to live, four bytes.
        message.extend([0xc0, HEADER_BYTES as u8, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        message.extend(ip.octets());
    }
    Some(message)
}

/// A name in lower case, and how many bytes it takes.
fn read_name(bytes: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = bytes.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
}
