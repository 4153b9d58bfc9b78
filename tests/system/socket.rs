//! A graphql-transport-ws client.

use crate::DEADLINE;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// An open socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

/// What a socket has to say.
#[derive(Debug)]
pub enum Heard {
    /// A message of the protocol other than a ping.
    Message(Value),
    /// The socket was closed with this code.
    Closed(u16),
}

impl Socket {
    /// Opens a socket and signs in with `token`.
    pub async fn open(url: &str, token: &str) -> Self {
        let mut request = format!("{}/graphql", url.replace("http://", "ws://")).into_client_request().unwrap();
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (stream, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut socket = Self(stream);
        let payload = json!({ "authorization": format!("Bearer {token}") });
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        let Heard::Message(ack) = socket.hear().await else { panic!("closed at once") };
        assert_eq!(ack["type"], "connection_ack");
        socket
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Starts a subscription.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        self.say(json!({ "id": id, "type": "subscribe", "payload": { "query": query, "variables": variables } })).await;
    }

    /// The next message, or how the socket was closed.
    pub async fn hear(&mut self) -> Heard {
        let hearing = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let message: Value = serde_json::from_str(&text).unwrap();
                        if message["type"] == "ping" {
                            self.say(json!({ "type": "pong" })).await;
                        } else if message["type"] != "pong" {
                            return Heard::Message(message);
                        }
                    }
                    Some(Ok(Message::Close(frame))) => return Heard::Closed(frame.map_or(1005, |f| f.code.into())),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Heard::Closed(1006),
                }
            }
        };
        tokio::time::timeout(DEADLINE, hearing).await.expect("the socket said nothing")
    }

    /// The data of the next event.
    pub async fn next_data(&mut self) -> Value {
        match self.hear().await {
            Heard::Message(mut message) if message["type"] == "next" => {
                assert!(message["payload"].get("errors").is_none(), "{message}");
                message["payload"]["data"].take()
            }
            other => panic!("no event but {other:?}"),
        }
    }

    /// Waits until the socket is closed and gives the code.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Heard::Closed(code) = self.hear().await {
                return code;
            }
        }
    }
}
