//! A fake AWS endpoint for one test: it responds to `DescribeStacks` itself and forwards everything
//! else to the DynamoDB and Secrets Manager emulators of a development stack.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::dev::Dev;

/// A running endpoint. Dropping it stops it.
pub(crate) struct Aws {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// The contents of the responses.
struct Responses {
    stack: String,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
    engine: String,
    secrets: String,
    /// Replaces the `Date` of every response.
    date: Option<String>,
}

impl Aws {
    /// Starts the endpoint with a stack of this name. `without` is an output that the stack does
    /// not have.
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
        let map = |all: Vec<(&str, String)>| {
            all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        let bare = |url: String| url.trim_start_matches("http://").to_owned();
        let responses = Arc::new(Responses {
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
                let responses = Arc::clone(&responses);
                tokio::spawn(async move { responses.respond(stream).await });
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

impl Responses {
    /// Responds to one request and closes the connection.
    async fn respond(&self, mut stream: TcpStream) {
        let (head, body) = request(&mut stream).await;
        let lower = head.to_lowercase();
        let response = if lower.contains("x-amz-target: dynamodb") {
            forward(&self.engine, &head, &body).await
        } else if lower.contains("x-amz-target: secretsmanager") {
            forward(&self.secrets, &head, &body).await
        } else {
            self.describe_stacks(&String::from_utf8(body).unwrap())
        };
        let response = match &self.date {
            Some(date) => with_date(&response, date),
            None => response,
        };
        // The client may have closed the connection.
        let _ = stream.write_all(&response).await;
        let _ = stream.shutdown().await;
    }

    fn describe_stacks(&self, body: &str) -> Vec<u8> {
        let name =
            body.split('&').find_map(|pair| pair.strip_prefix("StackName=")).unwrap_or_default();
        if name != self.stack {
            let xml = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id {name} \
                 does not exist</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            );
            return response("400 Bad Request", &xml);
        }
        let members = |map: &BTreeMap<String, String>, what: &str| -> String {
            let one = |(key, value): (&String, &String)| {
                format!(
                    "<member><{what}Key>{key}</{what}Key><{what}Value>{value}</{what}Value></member>"
                )
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
        response("200 OK", &xml)
    }
}

fn response(status: &str, xml: &str) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n", xml.len());
    format!("{head}date: Thu, 01 Jan 1970 00:00:00 GMT\r\nconnection: close\r\n\r\n{xml}")
        .into_bytes()
}

/// Reads a request, and returns its head and its body.
async fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let whole = bytes.windows(4).position(|four| four == b"\r\n\r\n").and_then(|end| {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let lower = head.to_lowercase();
            let length =
                lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
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

fn with_date(response: &[u8], date: &str) -> Vec<u8> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(response[..end].to_vec()).unwrap();
    let kept: Vec<&str> =
        head.split("\r\n").filter(|line| !line.to_lowercase().starts_with("date:")).collect();
    [format!("{}\r\ndate: {date}", kept.join("\r\n")).as_bytes(), &response[end..]].concat()
}
