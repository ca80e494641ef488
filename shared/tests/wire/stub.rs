//! A stand-in for AWS on loopback that speaks HTTP/1.1 just well enough, and can hang up.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What the stub does with a call.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Answers.
    Answer {
        /// HTTP status.
        status: u16,
        /// The name of the exception.
        error: Option<&'static str>,
        /// JSON.
        body: String,
    },
    /// Ends the connection without a word.
    HangUp,
    /// Says nothing and keeps the connection.
    Silence,
}

/// The models that were asked, in order; nothing for what is no model's call.
pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

/// Starts it. `replies` chooses by the model and the number of the call (from 0).
pub(crate) async fn start(
    replies: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, replies) = (Asked::default(), Arc::new(replies));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (seen, replies) = (Arc::clone(&seen), Arc::clone(&replies));
            tokio::spawn(async move { serve(connection, &seen, &*replies).await });
        }
    });
    (address, asked)
}

async fn serve(connection: TcpStream, asked: &Asked, replies: &impl Fn(&str, usize) -> Reply) {
    let mut connection = BufReader::new(connection);
    while let Some(model) = request(&mut connection).await {
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push(model.clone());
            asked.len() - 1
        };
        let (status, error, body) = match replies(&model, number) {
            Reply::Answer { status, error, body } => (status, error, body),
            Reply::HangUp => return,
            Reply::Silence => std::future::pending().await,
        };
        let error = error.map(|name| format!("x-amzn-errortype: {name}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status} Some\r\ncontent-type: application/json\r\n\
             x-amzn-requestid: 0a1b2c\r\n{error}content-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    }
}

/// Reads one request; the model that it asks. `None`: the client has hung up.
async fn request(connection: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut model, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_lowercase();
        if let Some(path) = line.strip_prefix("post /model/") {
            model = path.split('/').next()?.to_owned();
        } else if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        } else if line.is_empty() {
            let mut body = vec![0; length];
            connection.read_exact(&mut body).await.ok()?;
            return Some(model);
        }
    }
}
