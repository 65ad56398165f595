//! Refresh tokens: rotation, lost answers, concurrent refreshes, theft.

use std::collections::BTreeSet;

use basalt_auth::AuthConfig;

use crate::server::{Ask, PASSWORD, Server, claims, config};

fn token(reply: &crate::server::Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text_at("/refresh_token")
}

#[test]
fn every_refresh_rotates_and_keeps_the_session() {
    let server = Server::start(config());
    let up = server.sign_up("ann@example.com");
    let first = token(&up);
    server.clock.advance_s(60);
    let refreshed = server.refresh(&first);
    let second = token(&refreshed);
    assert_ne!(first, second);
    let (before, after) = (claims(&up.text_at("/access_token")), claims(&refreshed.text_at("/access_token")));
    assert_eq!(before["session_id"], after["session_id"]);
    assert_eq!(before["amr"], after["amr"]);
    assert_eq!(before["iat"].as_i64().map(|iat| iat + 60), after["iat"].as_i64());
    assert_ne!(token(&server.refresh(&second)), second);
}

#[test]
fn the_token_before_the_active_one_is_always_answered_with_the_active_one() {
    let server = Server::start(config());
    let first = token(&server.sign_up("ann@example.com"));
    let second = token(&server.refresh(&first));
    for wait_s in [0, 9, 10, 11, 100_000, 10_000_000] {
        server.clock.advance_s(wait_s);
        assert_eq!(token(&server.refresh(&first)), second, "after {wait_s} s more");
    }
    // The active one still works, and is then the one before.
    let third = token(&server.refresh(&second));
    assert_eq!(token(&server.refresh(&second)), third);
}

#[test]
fn older_ones_are_answered_within_the_interval_and_then_end_the_session() {
    let server = Server::start(config());
    let up = server.sign_up("ann@example.com");
    let elsewhere = server.sign_in("ann@example.com", PASSWORD, "127.0.0.1");
    let first = token(&up);
    let second = token(&server.refresh(&first));
    let third = token(&server.refresh(&second));
    assert_eq!(token(&server.refresh(&first)), third);
    server.clock.advance_s(9);
    assert_eq!(token(&server.refresh(&first)), third, "answers with the active one do not lengthen the interval");
    server.clock.advance_s(1);
    let stolen = server.refresh(&first);
    assert_eq!(stolen.code(), (400, "refresh_token_already_used".into()));
    assert_eq!(stolen.json()["msg"], "Invalid Refresh Token: Already Used");
    for token in [&first, &second, &third] {
        assert_eq!(server.refresh(token).code(), (400, "refresh_token_not_found".into()));
    }
    let access = up.text_at("/access_token");
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&access)).code(), (403, "session_not_found".into()));
    assert_eq!(server.refresh(&token(&elsewhere)).status, 200, "other sessions live on");
}

#[test]
fn without_rotation_a_reused_token_fails_alone() {
    let server = Server::start(AuthConfig { is_refresh_token_rotation_enabled: false, ..config() });
    let first = token(&server.sign_up("ann@example.com"));
    let second = token(&server.refresh(&first));
    let third = token(&server.refresh(&second));
    server.clock.advance_s(60);
    assert_eq!(server.refresh(&first).code(), (400, "refresh_token_already_used".into()));
    assert_eq!(server.refresh(&third).status, 200);
}

#[test]
fn concurrent_refreshes_get_the_same_pair() {
    let server = Server::start(config());
    let first = token(&server.sign_up("ann@example.com"));
    let answers: Vec<_> = server.runtime.block_on(async {
        let body = serde_json::json!({"refresh_token": first});
        let asks: Vec<_> = (0..24)
            .map(|_| server.answer(Ask::new("POST", "/token?grant_type=refresh_token").json(body.clone())))
            .map(Box::pin)
            .collect();
        together(asks).await
    });
    assert!(answers.iter().all(|reply| reply.status == 200));
    let pairs: BTreeSet<(String, String)> =
        answers.iter().map(|reply| (reply.text_at("/refresh_token"), reply.text_at("/access_token"))).collect();
    assert_eq!(pairs.len(), 1);
}

/// Polls all futures until each is done.
async fn together<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, slot) in futures.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = std::pin::Pin::new(future).poll(cx)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[test]
fn sessions_end_by_their_limits() {
    use std::time::Duration;
    let server = Server::start(AuthConfig {
        session_timebox: Some(Duration::from_secs(3600)),
        session_inactivity: Some(Duration::from_secs(600)),
        ..config()
    });
    let mut active = token(&server.sign_up("ann@example.com"));
    for _ in 0..6 {
        server.clock.advance_s(590);
        active = token(&server.refresh(&active));
    }
    server.clock.advance_s(61);
    let over = server.refresh(&active);
    assert_eq!(
        (over.code().1.as_str(), over.json()["msg"].as_str()),
        ("session_expired", Some("Invalid Refresh Token: Session Expired"))
    );
    let idle = token(&server.sign_in("ann@example.com", PASSWORD, "127.0.0.1"));
    server.clock.advance_s(601);
    assert_eq!(server.refresh(&idle).json()["msg"], "Invalid Refresh Token: Session Expired (Inactivity)");
}

#[test]
fn banned_and_deleted_users_do_not_refresh() {
    let server = Server::start(config());
    let up = server.sign_up("ann@example.com");
    let path = format!("/admin/users/{}", up.text_at("/user/id"));
    let put = |body| server.ask(Ask::new("PUT", &path).admin().json(body)).status;
    assert_eq!(put(serde_json::json!({"ban_duration": "1h"})), 200);
    assert_eq!(server.refresh(&token(&up)).code(), (400, "user_banned".into()));
    server.clock.advance_s(3601);
    assert_eq!(server.refresh(&token(&up)).status, 200);
    assert_eq!(server.ask(Ask::new("DELETE", &path).admin()).status, 200);
    assert_eq!(server.refresh(&token(&up)).code(), (400, "refresh_token_not_found".into()));
}

#[test]
fn a_token_from_the_future_is_refused_without_ending_the_session() {
    let server = Server::start(config());
    let first = token(&server.sign_up("ann@example.com"));
    let second = token(&server.refresh(&first));
    // As after restoring a backup.
    server.sql("UPDATE auth.sessions SET refresh_token_counter = 0", vec![]);
    let future = server.refresh(&second);
    assert_eq!(future.code(), (400, "validation_failed".into()));
    assert_eq!(future.json()["msg"], "Invalid Refresh Token: Not Issued By This Server");
    assert_eq!(server.refresh(&first).status, 200);
}

#[test]
fn an_admin_by_role_needs_a_session_within_its_limits() {
    let server = Server::start(AuthConfig { session_timebox: Some(std::time::Duration::from_secs(60)), ..config() });
    let up = server.sign_up("root@example.com");
    let path = format!("/admin/users/{}", up.text_at("/user/id"));
    let body = serde_json::json!({"role": "service_role"});
    assert_eq!(server.ask(Ask::new("PUT", &path).admin().json(body)).status, 200);
    let admin = server.sign_in("root@example.com", PASSWORD, "127.0.0.1").text_at("/access_token");
    assert_eq!(server.ask(Ask::new("GET", &path).bearer(&admin)).status, 200);
    server.clock.advance_s(61);
    assert_eq!(server.ask(Ask::new("GET", &path).bearer(&admin)).code(), (403, "session_expired".into()));
}

#[test]
fn the_session_row_tells_who_uses_it() {
    let server = Server::start(config());
    let first = token(&server.sign_up("ann@example.com"));
    server.clock.advance_s(5);
    token(&server.refresh(&first));
    let row = server.sql(
        "SELECT s.aal, s.refresh_token_counter, s.refreshed_at, s.user_agent, s.ip, a.authentication_method \
         FROM auth.sessions s JOIN auth.mfa_amr_claims a ON a.session_id = s.id",
        vec![],
    );
    let text = |text: &str| basalt_types::Value::Text(text.to_owned());
    let expected = [
        text("aal1"),
        basalt_types::Value::Int(1),
        text("2026-01-01T00:00:05"),
        text("tests/1.0"),
        text("127.0.0.1"),
        text("password"),
    ];
    assert_eq!(row, [expected]);
}
