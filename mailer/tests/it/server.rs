//! An SMTP server that notes what it accepts, and answers as a test wants.

use mail_parser::MessageParser;
use mailin::{Action, Handler, Response, SessionBuilder, response};
use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Instant,
};

/// What the server says to a mail.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// 250
    Accept,
    /// 451
    Temporary,
    /// 530
    SessionRefused,
    /// 550, which quotes the address as servers do
    Permanent,
}

/// A mail that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub at: Instant,
    pub message_id: String,
    pub to: String,
    pub subject: String,
    pub has_text_and_html: bool,
}

#[derive(Default)]
struct State {
    attempts: HashMap<String, u32>,
    accepted: Vec<Accepted>,
}

type Policy = Arc<dyn Fn(&str, u32) -> Answer + Send + Sync>;

#[derive(Clone)]
struct Receiver {
    policy: Policy,
    state: Arc<Mutex<State>>,
    data: Vec<u8>,
}

impl Handler for Receiver {
    fn data(&mut self, buffer: &[u8]) -> io::Result<()> {
        self.data.extend_from_slice(buffer);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let data = std::mem::take(&mut self.data);
        let mail = MessageParser::default().parse(&data).unwrap();
        let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap().to_owned();
        let mut state = self.state.lock().unwrap();
        let attempt = state.attempts.entry(to.clone()).or_default();
        *attempt += 1;
        match (self.policy)(&to, *attempt) {
            Answer::Accept => {
                state.accepted.push(Accepted {
                    at: Instant::now(),
                    message_id: mail.message_id().unwrap().to_owned(),
                    to: to.clone(),
                    subject: mail.subject().unwrap().to_owned(),
                    has_text_and_html: mail.text_body_count() == 1 && mail.html_body_count() == 1,
                });
                response::OK
            }
            Answer::Temporary => Response::custom(451, "try again later".into()),
            Answer::SessionRefused => Response::custom(530, "authentication required".into()),
            Answer::Permanent => Response::custom(550, format!("<{to}>: no such user")),
        }
    }
}

/// A running server.
pub struct Smtp {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Smtp {
    /// What it has accepted, in order.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.state.lock().unwrap().accepted.clone()
    }
}

/// Starts a server whose `policy` gets recipient and number of the attempt; it ends with the test process.
pub fn start(policy: impl Fn(&str, u32) -> Answer + Send + Sync + 'static) -> Smtp {
    let state = Arc::new(Mutex::new(State::default()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let receiver = Receiver { policy: Arc::new(policy), state: state.clone(), data: Vec::new() };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, receiver) = (stream.unwrap(), receiver.clone());
            // A client that goes away in the middle of a session is its own affair.
            std::thread::spawn(move || converse(&stream, receiver).ok());
        }
    });
    Smtp { url, state }
}

fn converse(mut stream: &TcpStream, receiver: Receiver) -> io::Result<()> {
    let mut session = SessionBuilder::new("test").build(stream.peer_addr()?.ip(), receiver);
    let mut lines = BufReader::new(stream);
    stream.write_all(&session.greeting().buffer()?)?;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let answer = session.process(&line);
        line.clear();
        if answer.action != Action::NoReply {
            stream.write_all(&answer.buffer()?)?;
        }
        // After a refused mail the session would go on reading mail text.
        if answer.is_error || answer.action == Action::Close {
            break;
        }
    }
    Ok(())
}
