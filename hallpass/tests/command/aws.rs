//! An AWS for one test, in front of a dev stack: it answers `DescribeStacks` itself, and hands everything else to the
//! engine and the secrets of the stack.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::dev::Dev;

/// A running one. Dropping it stops it.
pub(crate) struct Aws {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// What it is to answer.
struct Answers {
    stack: String,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
    engine: String,
    secrets: String,
    /// In place of the `Date` of every answer.
    date: Option<String>,
}

impl Aws {
    /// A stack of this name. `without` is an output that it does not have.
    pub(crate) async fn start(dev: &Dev, stack: &str, without: &str, date: Option<&str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let lookup = |name: &str| dev.stack().lookup()(name).unwrap();
        let outputs = [
            ("Url", "https://api.example.com/v1".to_owned()),
            ("UsersTable", lookup("HALLPASS_USERS_TABLE")),
            ("TokensTable", lookup("HALLPASS_TOKENS_TABLE")),
            ("AttemptsTable", lookup("HALLPASS_ATTEMPTS_TABLE")),
            ("KeyRingSecret", lookup("HALLPASS_KEYS_SECRET")),
        ];
        let map = |all: Vec<(&str, String)>| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let bare = |url: String| url.trim_start_matches("http://").to_owned();
        let answers = Arc::new(Answers {
            stack: stack.to_owned(),
            outputs: map(outputs.into_iter().filter(|(name, _)| *name != without).collect()),
            parameters: map(vec![
                ("Realm", "deployed".to_owned()),
                ("Prefix", "acme_".to_owned()),
                ("DynamodbEndpoint", String::new()),
                ("SecretsEndpoint", "http://127.0.0.1:9".to_owned()),
            ]),
            engine: bare(lookup("HALLPASS_DYNAMODB_ENDPOINT")),
            secrets: bare(lookup("HALLPASS_SECRETS_ENDPOINT")),
            date: date.map(str::to_owned),
        });
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move { answers.answer(stream).await });
            }
        });
        Self { address, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Answers {
    /// Answers one request, and closes: whoever asks opens another connection for the next one.
    async fn answer(&self, mut stream: TcpStream) {
        let (head, body) = request(&mut stream).await;
        let lower = head.to_lowercase();
        let answer = if lower.contains("x-amz-target: dynamodb") {
            forward(&self.engine, &head, &body).await
        } else if lower.contains("x-amz-target: secretsmanager") {
            forward(&self.secrets, &head, &body).await
        } else {
            self.describe_stacks(&String::from_utf8(body).unwrap())
        };
        let answer = match &self.date {
            Some(date) => with_date(&answer, date),
            None => answer,
        };
        // A client that has gone away wants no answer.
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
    }

    fn describe_stacks(&self, body: &str) -> Vec<u8> {
        let asked = body.split('&').find_map(|pair| pair.strip_prefix("StackName=")).unwrap_or_default();
        if asked != self.stack {
            let xml = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id {asked} \
                 does not exist</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            );
            return answer("400 Bad Request", &xml);
        }
        let members = |map: &BTreeMap<String, String>, what: &str| -> String {
            let one = |(key, value): (&String, &String)| {
                format!("<member><{what}Key>{key}</{what}Key><{what}Value>{value}</{what}Value></member>")
            };
            map.iter().map(one).collect()
        };
        let xml = format!(
            "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>{}</StackName>\
             <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>\
             <Outputs>{}</Outputs><Parameters>{}</Parameters></member></Stacks></DescribeStacksResult>\
             </DescribeStacksResponse>",
            self.stack,
            members(&self.outputs, "Output"),
            members(&self.parameters, "Parameter"),
        );
        answer("200 OK", &xml)
    }
}

fn answer(status: &str, xml: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n", xml.len());
    format!("{head}date: Thu, 01 Jan 1970 00:00:00 GMT\r\nconnection: close\r\n\r\n{xml}").into_bytes()
}

/// The head of a request, and its body.
async fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let whole = bytes.windows(4).position(|four| four == b"\r\n\r\n").and_then(|end| {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let lower = head.to_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let body = bytes.get(end + 4..end + 4 + length.unwrap_or(0))?.to_vec();
            Some((head, body))
        });
        if let Some(whole) = whole {
            return whole;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return (String::new(), Vec::new());
        }
    }
}

async fn forward(to: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

fn with_date(answer: &[u8], date: &str) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let kept: Vec<&str> = head.split("\r\n").filter(|line| !line.to_lowercase().starts_with("date:")).collect();
    [format!("{}\r\ndate: {date}", kept.join("\r\n")).as_bytes(), &answer[end..]].concat()
}
