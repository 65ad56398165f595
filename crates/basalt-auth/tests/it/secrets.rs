//! Nothing that works is stored in the clear.

use crate::server::{Ask, JWT_SECRET, PASSWORD, REFRESH_KEY, Server, config};

#[test]
fn the_file_holds_no_password_token_or_key() {
    let server = Server::start(config());
    let up = server.sign_up("ann@example.com");
    let again = server.sign_in("ann@example.com", PASSWORD, "127.0.0.1");
    let refreshed = server.refresh(&again.text_at("/refresh_token"));
    let changed = server.ask(
        Ask::new("PUT", "/user")
            .bearer(&refreshed.text_at("/access_token"))
            .json(serde_json::json!({"password": "another horse"})),
    );
    assert_eq!(changed.status, 200, "{}", changed.text);
    let mut secrets = vec![PASSWORD.to_owned(), "another horse".to_owned(), JWT_SECRET.to_owned(), REFRESH_KEY.to_owned()];
    for reply in [&up, &again, &refreshed] {
        secrets.push(reply.text_at("/access_token"));
        // The signature alone would do for somebody who can guess the rest.
        secrets.extend(reply.text_at("/access_token").rsplit('.').next().map(str::to_owned));
        secrets.push(reply.text_at("/refresh_token"));
    }
    let mut bytes = 0;
    let mut has_address = false;
    for entry in std::fs::read_dir(server.file().parent().expect("a folder")).expect("the folder") {
        let content = std::fs::read(entry.expect("an entry").path()).expect("a file");
        bytes += content.len();
        let has = |secret: &str| content.windows(secret.len()).any(|window| window == secret.as_bytes());
        has_address |= has("ann@example.com");
        for secret in &secrets {
            assert!(!has(secret), "{secret} is in the file");
        }
    }
    assert!(bytes > 0 && has_address, "the right files were read");
}

#[test]
fn secrets_are_not_printed() {
    let server = Server::start(config());
    let text = format!("{:?}", server.auth);
    assert!(!text.contains(JWT_SECRET) && !text.contains(REFRESH_KEY), "{text}");
}
