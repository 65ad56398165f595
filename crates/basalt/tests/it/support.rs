//! Running the program, and requests to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use basalt_testkit::http::{Request, Response};
use basalt_testkit::process::{ServerOptions, StartError, TestServer};
use basalt_testkit::{Project, process};
use basalt_token::keys::sign_hs256;
use basalt_types::Secret;
use serde_json::{Value, json};

/// The signing secret of servers started by [`serve`].
pub const JWT_SECRET: &str = "this signing secret stands in a test and nowhere else";

/// Their opaque keys.
pub const PUBLISHABLE_KEY: &str = "sb_publishable_of_the_program_tests_0001";
pub const SECRET_KEY: &str = "sb_secret_of_the_program_tests_00000000001";

/// Ada of the blog's seed.
pub const ADA: &str = "00000000-0000-4000-8000-00000000000a";

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Ends the test unless the command ended with this code.
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
        self
    }
}

/// Runs a command in a folder.
pub fn basalt(folder: &Path, arguments: &[&str]) -> Ended {
    basalt_with(folder, arguments, &[])
}

/// As [`basalt`], with environment variables.
pub fn basalt_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(process::program().expect("the program is built"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    let ours = ["BASALT_", "GOTRUE_", "PGRST_", "SUPABASE_", "JWT_", "ANON_", "SERVICE_", "SITE_"];
    for (name, _) in std::env::vars_os() {
        if ours.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command.envs(environment.iter().copied());
    let output = command.output().expect("the program runs");
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The blog of the client suites.
pub fn blog() -> Project {
    Project::copy_of(&repository().join("tests/projects/blog"))
}

/// Options with known keys.
pub fn known_keys() -> ServerOptions {
    let environment =
        [("JWT_SECRET", JWT_SECRET), ("SUPABASE_PUBLISHABLE_KEY", PUBLISHABLE_KEY), ("SUPABASE_SECRET_KEY", SECRET_KEY)];
    ServerOptions {
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..ServerOptions::default()
    }
}

/// Serves a project with known keys.
#[track_caller]
pub fn serve(project: &Project) -> TestServer {
    TestServer::start_with(project.path(), &known_keys()).unwrap_or_else(|e| panic!("{e}"))
}

/// The log of a server that does not start.
#[track_caller]
pub fn refuses_to_serve(project: &Project, options: &ServerOptions) -> String {
    match TestServer::start_with(project.path(), options) {
        Err(StartError::Ended { status, logs }) => {
            assert_eq!(status.code(), Some(1), "{logs}");
            logs
        }
        Err(other) => panic!("{other}"),
        Ok(server) => panic!("it serves:\n{}", server.logs()),
    }
}

/// A token with these claims, signed.
pub fn sign(claims: &Value) -> String {
    sign_hs256(claims, &Secret::new(JWT_SECRET.to_owned()))
}

/// A user's token that is valid for long.
pub fn user_token(sub: &str) -> String {
    sign(&json!({"sub": sub, "role": "authenticated", "aud": "authenticated", "exp": 4_000_000_000_i64}))
}

/// A request with the publishable key.
pub fn anonymous(method: &str, target: &str) -> Request {
    Request::new(method, target).header("apikey", PUBLISHABLE_KEY)
}

/// A request with the secret key.
pub fn service(method: &str, target: &str) -> Request {
    Request::new(method, target).header("apikey", SECRET_KEY)
}

/// Sends a request that must be answered.
#[track_caller]
pub fn send(server: &TestServer, request: &Request) -> Response {
    server.send(request).unwrap_or_else(|e| panic!("{} {}: {e}\n{}", request.method, request.target, server.logs()))
}

/// As [`send`]; the status must be this one.
#[track_caller]
pub fn expect(server: &TestServer, request: &Request, status: u16) -> Response {
    let answer = send(server, request);
    assert_eq!(answer.status, status, "{} {}: {}\n{}", request.method, request.target, answer.text(), server.logs());
    answer
}

/// A number that looks random and follows from its seed.
pub fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from the environment.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
