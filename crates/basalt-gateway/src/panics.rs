//! A panic ends its own request only: an engine that panics on purpose behind the real server.

use std::io;
use std::sync::Arc;

use basalt_auth::{Auth, AuthConfig, AuthSecrets};
use basalt_catalog::Catalog;
use basalt_engine::{Answer, Batch, BatchError, BoxFuture, Boxed, Claim, Claimed, Engine, EngineFigures, Run, RunError, Work};
use basalt_rest::{Rest, RestConfig};
use basalt_token::{Keys, Verifier};
use basalt_types::{Clock as _, Secret, SqlError, SystemClock, SystemRng};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Gateway, GatewayConfig, Server, Surfaces};

struct Broken(Arc<Catalog>);

impl Engine for Broken {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0)
    }

    fn run(&self, _: Run) -> BoxFuture<'_, Result<Answer, RunError>> {
        Box::pin(async { panic!("on purpose, with a canary") })
    }

    fn run_batch(&self, _: Batch) -> BoxFuture<'_, Result<Vec<Answer>, BatchError>> {
        Box::pin(async { panic!("on purpose, with a canary") })
    }

    fn run_claimed(&self, _: Batch, _: Claim) -> BoxFuture<'_, Result<Claimed, BatchError>> {
        Box::pin(async { panic!("on purpose, with a canary") })
    }

    fn run_now(&self, _: &Run) -> Option<Result<Answer, RunError>> {
        panic!("on purpose, with a canary")
    }

    fn transaction_boxed(&self, _: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(async { panic!("on purpose, with a canary") })
    }

    fn snapshot_boxed(&self, _: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(async { panic!("on purpose, with a canary") })
    }

    fn is_ready(&self) -> bool {
        panic!("on purpose, with a canary")
    }

    fn figures(&self) -> EngineFigures {
        EngineFigures::default()
    }
}

async fn ask(stream: &mut TcpStream, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut all = Vec::new();
    let head = loop {
        all.push(stream.read_u8().await?);
        if all.ends_with(b"\r\n\r\n") {
            break String::from_utf8_lossy(&all).to_ascii_lowercase();
        }
    };
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(head + &String::from_utf8_lossy(&body))
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_lives_on() {
    let engine: Arc<dyn Engine> = Arc::new(Broken(Arc::new(Catalog::new())));
    let clock = Arc::new(SystemClock);
    let keys = Keys::generate(&SystemRng, SystemClock.now());
    let verifier = Arc::new(Verifier::new(&keys.jwt_secret, None));
    let secrets =
        AuthSecrets { jwt_secret: keys.jwt_secret.clone(), refresh_token_key: Secret::new("a key of this test alone, long") };
    let auth =
        Auth::new(Arc::clone(&engine), AuthConfig::default(), secrets, Arc::clone(&verifier), clock.clone(), Arc::new(SystemRng));
    let surfaces = Surfaces { rest: Rest::new(Arc::clone(&engine), RestConfig::default()), auth, engine };
    let key = keys.secret.reveal().to_owned();
    let gateway = Arc::new(Gateway::new(GatewayConfig::default(), Arc::new(keys), verifier, clock, surfaces));
    let listener = Server::listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(Server::new(listener, Arc::clone(&gateway)).run(async {
        let _ = stopped.await;
    }));

    let mut stream = TcpStream::connect(address).await.expect("connects");
    let head = format!("Host: localhost\r\napikey: {key}\r\n");
    for _ in 0..3 {
        for target in ["/health/ready", "/auth/v1/admin/users"] {
            let answer = ask(&mut stream, &format!("GET {target} HTTP/1.1\r\n{head}\r\n")).await.expect("an answer");
            assert!(answer.starts_with("http/1.1 500 ") && answer.contains("sb-request-id: "), "{target}: {answer}");
            assert!(answer.ends_with(r#"{"code":"XX000","details":null,"hint":null,"message":"Internal error"}"#), "{answer}");
        }
        let fine = ask(&mut stream, &format!("GET /health/live HTTP/1.1\r\n{head}\r\n")).await.expect("an answer");
        assert!(fine.starts_with("http/1.1 200 "), "{fine}");
    }
    let figures = ask(&mut stream, &format!("GET /metrics HTTP/1.1\r\n{head}\r\n")).await.expect("an answer");
    assert!(figures.contains("\nbasalt_http_panics_total 6\n"), "{figures}");
    assert!(figures.contains("\nbasalt_http_requests_in_flight 1\n"), "only the one that asks: {figures}");
    drop(stream);
    let _ = stop.send(());
    server.await.expect("it stops");
}
