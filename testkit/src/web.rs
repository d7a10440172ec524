//! A small HTTP server of one test, whose answers the test decides: statuses, headers, bodies that end early, slow ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, `POST`.
    pub method: String,
    /// Without what stands behind the question mark.
    pub path: String,
    /// What stands behind it, decoded as far as tests need: `%3A`, `%2B`, `%20` and `+`.
    pub params: BTreeMap<String, String>,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// What was sent.
    pub body: String,
}

impl Asked {
    /// A parameter's value; empty when there is none.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// A header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    missing: usize,
    delay: Duration,
}

impl Answer {
    /// 200 with this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    /// A status and a body.
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), missing: 0, delay: Duration::ZERO }
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The connection ends so many bytes before the body does.
    #[must_use]
    pub fn cut_short_by(self, missing: usize) -> Self {
        Self { missing, ..self }
    }

    /// The answer comes so late.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A running server; its threads end with the process.
#[derive(Debug, Clone)]
pub struct TestWeb {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl TestWeb {
    /// Answers every request by `handler`, one connection a request.
    ///
    /// # Panics
    /// There is no port.
    pub fn start(handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, handler): (Arc<Mutex<Vec<Asked>>>, Arc<Handler>) = (Arc::default(), Arc::new(handler));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, handler) = (Arc::clone(&heard), Arc::clone(&handler));
                // Whoever hangs up in the middle of an answer is the test's business.
                std::thread::spawn(move || drop(serve(stream, &heard, &*handler)));
            }
        });
        Self { url, asked }
    }

    /// All requests so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut stream: TcpStream, heard: &Mutex<Vec<Asked>>, handler: &Handler) -> std::io::Result<()> {
    let asked = read(&mut stream)?;
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let answer = handler(&asked);
    std::thread::sleep(answer.delay);
    let mut head = format!("HTTP/1.1 {} Said\r\ncontent-length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
    stream.write_all(&answer.body[..answer.body.len().saturating_sub(answer.missing)])
}

fn read(stream: &mut TcpStream) -> std::io::Result<Asked> {
    let mut reader = BufReader::new(stream);
    let mut asked = Asked::default();
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    asked.method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    asked.path = path.to_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    asked.params = pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        asked.headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Ok(asked)
}

fn decoded(text: &str) -> String {
    text.replace('+', " ").replace("%3A", ":").replace("%2B", "+").replace("%20", " ")
}
