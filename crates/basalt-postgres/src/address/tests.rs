use super::*;
use tokio_postgres::config::SslMode;

fn read(text: &str) -> String {
    match parse(text) {
        Ok(address) => {
            let mode = address.tls.in_force(address.is_local);
            let driver = address.tls.driver_mode(address.is_local);
            let driver = match driver {
                SslMode::Disable => "plain",
                SslMode::Prefer => "either",
                _ => "tls",
            };
            format!("{mode:?} {driver} {}", address.config.get_dbname().unwrap_or("-"))
        }
        Err(error) => error.message,
    }
}

#[test]
fn tls_is_decided_by_host_and_mode() {
    for (text, expected) in [
        // Without a word: nothing on this machine, everything elsewhere.
        ("postgres://u:p@localhost/db", "Disable plain db"),
        ("postgres://u:p@127.0.0.1:5433/db", "Disable plain db"),
        ("postgres://u:p@[::1]/db", "Disable plain db"),
        ("host=/run/postgresql user=u dbname=db", "Disable plain db"),
        ("postgres://u:p@db.example.com/db", "VerifyFull tls db"),
        ("postgres://u:p@10.1.2.3/db", "VerifyFull tls db"),
        ("postgres://u:p@localhost,db.example.com/db", "VerifyFull tls db"),
        ("host=localhost hostaddr=10.0.0.1 dbname=db", "VerifyFull tls db"),
        ("host=db.example.com hostaddr=127.0.0.1 dbname=db", "VerifyFull tls db"),
        ("postgres://localhost/db?sslrootcert=/etc/ca.pem", "VerifyFull tls db"),
        // Said expressly.
        ("postgres://u:p@db.example.com/db?sslmode=disable", "Disable plain db"),
        ("postgres://u:p@db.example.com/db?sslmode=require", "Require tls db"),
        ("postgres://u:p@db.example.com/db?sslmode=require&sslrootcert=/etc/ca.pem", "VerifyCa tls db"),
        ("postgres://u:p@db.example.com/db?sslmode=verify-ca&application_name=x", "VerifyCa tls db"),
        ("postgres://u:p@db.example.com/db?application_name=x&sslmode=verify-full", "VerifyFull tls db"),
        ("host=db.example.com dbname='d b' sslmode = 'verify-ca'", "VerifyCa tls d b"),
        // Never plain text to another machine unless it was asked for.
        ("postgres://db.example.com/db?sslmode=prefer", "Require tls db"),
        ("postgres://db.example.com/db?sslmode=allow", "Require tls db"),
        ("postgres://localhost/db?sslmode=prefer", "Prefer either db"),
        ("postgres://localhost/db?sslmode=allow", "Prefer either db"),
        // What is not TLS's goes to the driver as it was, and only what it knows.
        ("postgres://u:p%3Fx@localhost/db?sslmode=disable&connect_timeout=5", "Disable plain db"),
        ("postgres://u:a?sslmode=b@localhost/db", "Disable plain db"),
        ("host=localhost password='it''s' dbname=db", "the database's address is not a PostgreSQL URL"),
        (r"host=localhost password='it\'s' dbname=db", "Disable plain db"),
        ("postgres://localhost/db?pgbouncer=true", "the database's address has the setting \"pgbouncer\", which is unknown"),
        (
            "postgres://localhost/db?sslmode=maybe",
            "sslmode=maybe is none of disable, allow, prefer, require, verify-ca, verify-full",
        ),
        ("dbname=db", "the database's address names no host"),
        ("nonsense", "the database's address is not a PostgreSQL URL"),
        ("host=localhost dbname='db", "the database's address is not a PostgreSQL URL"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn passwords_are_kept_and_never_told() {
    let address = parse(r"host=localhost user=u password='a\'b\\c' dbname=db").expect("reads");
    assert_eq!(address.config.get_password(), Some(&br"a'b\c"[..]));
    let address = parse("postgres://u:s%26cret%3F@localhost/db?sslmode=disable").expect("reads");
    assert_eq!(address.config.get_password(), Some(&b"s&cret?"[..]));
    let failed = parse("postgres://u:hidden@localhost:none/db").expect_err("no port");
    assert!(!format!("{failed:?}").contains("hidden"));
}
