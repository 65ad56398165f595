//! TLS to a server that is not on this machine's socket: who is believed, who is refused, and in which words.

use std::sync::Arc;

use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_testkit::postgres::{Database, PrivatePostgres, SUPERUSER, Setup};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::support::{Served, runtime};

const PASSWORD: &str = "0123456789abcdef";

/// Passwords over TCP as hosted servers ask for them; connections without TLS are not let in when there is TLS.
const HBA: &str = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";

/// An authority of the test's own.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

struct Tls {
    server: PrivatePostgres,
    folder: TempDir,
}

/// A server whose certificate says `db.example.test`.
fn server_with_tls() -> Tls {
    let ours = authority("ours");
    let other = authority("somebody else's");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["db.example.test".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &ours).expect("a certificate");
    let setup = Setup {
        settings:
            "ssl = on\nssl_cert_file = '{home}/server.crt'\nssl_key_file = '{home}/server.key'\nhba_file = '{home}/hba.conf'\n\
             password_encryption = 'scram-sha-256'"
                .to_owned(),
        files: vec![("server.crt", certificate.pem()), ("server.key", key.serialize_pem()), ("hba.conf", HBA.to_owned())],
        tcp: true,
        ..Setup::default()
    };
    let server = PrivatePostgres::start_with(&setup).expect("PostgreSQL starts with TLS");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ours.pem"), ours.pem()).expect("writes");
    std::fs::write(folder.path().join("other.pem"), other.pem()).expect("writes");
    std::fs::write(folder.path().join("empty.pem"), "nothing").expect("writes");
    Tls { server, folder }
}

impl Tls {
    fn options(&self, host: &str, rest: &str) -> PostgresOptions {
        options(host, self.server.port(), &rest.replace("{folder}", &self.folder.path().display().to_string()))
    }
}

fn options(host: &str, port: u16, rest: &str) -> PostgresOptions {
    let address =
        |user: &str| format!("host={host} hostaddr=127.0.0.1 port={port} dbname=app user={user} password={PASSWORD} {rest}");
    PostgresOptions::new(address("authenticator"), address(SUPERUSER))
}

fn said(result: Result<Arc<PostgresEngine>, basalt_types::SqlError>) -> String {
    match result {
        Ok(engine) => {
            engine.close();
            "connected".to_owned()
        }
        Err(error) => format!("{} {}", error.state.as_str(), error.message),
    }
}

/// A project's database with passwords.
fn prepare(server: &PrivatePostgres) {
    server.connect("postgres", SUPERUSER).and_then(|mut c| c.batch("create database app")).expect("creates");
    let socket = PostgresOptions::new("", server.connection_string("app", SUPERUSER));
    PostgresEngine::bootstrap(&socket, false).expect("makes it");
    let passwords = format!("alter role authenticator password '{PASSWORD}'; alter role {SUPERUSER} password '{PASSWORD}'");
    server.connect("app", SUPERUSER).and_then(|mut c| c.batch(&passwords)).expect("sets them");
}

#[test]
fn certificates_decide_who_is_believed() {
    let tls = server_with_tls();
    prepare(&tls.server);
    for (host, rest, expected) in [
        ("db.example.test", "sslrootcert={folder}/ours.pem", "connected"),
        ("db.example.test", "sslmode=verify-full sslrootcert={folder}/ours.pem channel_binding=require", "connected"),
        ("db.example.test", "sslrootcert={folder}/other.pem", "08B01 the database's certificate is of an unknown authority"),
        // Nothing was said of TLS: another host's certificate is verified, with the authorities that everybody knows.
        ("db.example.test", "", "08B01 the database's certificate is of an unknown authority"),
        ("other.example.test", "sslrootcert={folder}/ours.pem", "08B01 the database's certificate is for another host"),
        ("127.0.0.1", "sslrootcert={folder}/ours.pem", "08B01 the database's certificate is for another host"),
        ("other.example.test", "sslmode=verify-ca sslrootcert={folder}/ours.pem", "connected"),
        ("other.example.test", "sslmode=require sslrootcert={folder}/ours.pem", "connected"),
        (
            "db.example.test",
            "sslmode=verify-ca sslrootcert={folder}/other.pem",
            "08B01 the database's certificate is of an unknown authority",
        ),
        (
            "db.example.test",
            "sslmode=require sslrootcert={folder}/other.pem",
            "08B01 the database's certificate is of an unknown authority",
        ),
        ("db.example.test", "sslmode=require", "connected"),
        ("db.example.test", "sslmode=prefer", "connected"),
        (
            "db.example.test",
            "sslrootcert={folder}/none.pem",
            "22023 the file of sslrootcert cannot be read, or is not in PEM form",
        ),
        ("db.example.test", "sslrootcert={folder}/empty.pem", "22023 the file of sslrootcert has no certificate"),
        ("db.example.test", "sslrootcert=system", "08B01 the database's certificate is of an unknown authority"),
        (
            "db.example.test",
            "sslmode=require sslrootcert=system",
            "22023 sslrootcert=system needs sslmode=verify-full: anybody has a certificate of some public authority",
        ),
    ] {
        assert_eq!(said(PostgresEngine::open(tls.options(host, rest))), expected, "{host} {rest}");
    }
    // The server's own answer when plain text was said expressly: it lets nobody in that way.
    let refused = said(PostgresEngine::open(tls.options("db.example.test", "sslmode=disable")));
    assert!(refused.starts_with("28000 no pg_hba.conf entry"), "{refused}");
    // Requests travel the same way, and so do cancellations.
    let engine = PostgresEngine::open(tls.options("db.example.test", "sslrootcert={folder}/ours.pem")).expect("opens");
    let encrypted =
        "select count(*)::text from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'supabase_admin' and ssl";
    let rows = tls.server.connect("app", SUPERUSER).and_then(|mut c| c.query_text(encrypted, &[])).expect("reads");
    assert_ne!(rows[0][0].as_deref(), Some("0"));
    let sql = "create function public.is_tls() returns boolean language sql security definer as 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'; \
         create view public.encrypted as select public.is_tls() as ssl; grant select on public.encrypted to anon;";
    tls.server.connect("app", SUPERUSER).and_then(|mut c| c.batch(sql)).expect("applies");
    engine.reload().expect("reads");
    let served = Served { engine, runtime: runtime(), database: Database::fresh() };
    for _ in 0..3 {
        assert_eq!(served.body("anon", "encrypted"), r#"[{"ssl":true}]"#);
    }
}

#[test]
fn a_server_without_tls_is_refused_unless_that_was_said() {
    let server = PrivatePostgres::start_with(&Setup { tcp: true, ..Setup::default() }).expect("PostgreSQL starts");
    prepare(&server);
    for (host, rest, expected) in [
        ("db.example.test", "", "08B01 the database's server does not speak TLS"),
        ("db.example.test", "sslmode=prefer", "08B01 the database's server does not speak TLS"),
        ("db.example.test", "sslmode=require", "08B01 the database's server does not speak TLS"),
        ("db.example.test", "sslmode=disable", "connected"),
        ("localhost", "", "connected"),
        ("localhost", "sslmode=prefer", "connected"),
        ("localhost", "sslmode=verify-full", "08B01 the database's server does not speak TLS"),
    ] {
        assert_eq!(said(PostgresEngine::open(options(host, server.port(), rest))), expected, "{host} {rest}");
    }
}
