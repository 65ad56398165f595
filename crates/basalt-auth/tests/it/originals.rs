//! Sessions that Supabase's own auth service began: its refresh tokens are rows, and who holds one stays signed in.

use crate::server::{Reply, Server, claims, config};

/// A session of the original's with three tokens, each the parent of the next; the first two are used up. Tokens end with the session's digit.
fn session(server: &Server, user: &str, digit: u8, is_over: bool) {
    let id = format!("00000000-0000-4000-8000-00000000000{digit}");
    let row = |n: u8, parent: &str, revoked: bool| {
        format!("('origin000{n}{digit}x', '{user}', {revoked}, '2020-01-01Z', '2020-01-01Z', {parent}, '{id}')")
    };
    let rows =
        [row(1, "null", true), row(2, &format!("'origin0001{digit}x'"), true), row(3, &format!("'origin0002{digit}x'"), is_over)];
    let sql = format!(
        "insert into auth.sessions (id, user_id, created_at, updated_at, aal) values ('{id}', '{user}', '2020-01-01Z', '2020-01-01Z', 'aal1');
         insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
             values ('{id}', '{id}', '2020-01-01Z', '2020-01-01Z', 'password');
         insert into auth.refresh_tokens (token, user_id, revoked, created_at, updated_at, parent, session_id) values {};",
        rows.join(", ")
    );
    server.migrations.run_seed(&sql).unwrap_or_else(|e| panic!("{e}"));
}

fn original(n: u8, digit: u8) -> String {
    format!("origin000{n}{digit}x")
}

fn token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text_at("/refresh_token")
}

fn not_found(reply: &Reply) {
    assert_eq!(reply.code(), (400, "refresh_token_not_found".to_owned()));
}

fn on_both(test: impl Fn(&Server, &str)) {
    for server in [Server::start(config()), Server::start_on_postgres(config())] {
        let user = server.sign_up("ann@example.com").text_at("/user/id");
        test(&server, &user);
    }
}

#[test]
fn who_is_signed_in_stays_signed_in() {
    on_both(|server, user| {
        session(server, user, 1, false);
        let refreshed = server.refresh(&original(3, 1));
        let first = token(&refreshed);
        assert_eq!(refreshed.text_at("/user/id"), user);
        let access = claims(&refreshed.text_at("/access_token"));
        assert_eq!(access["session_id"], "00000000-0000-4000-8000-000000000001");
        assert_eq!(access["amr"][0]["method"], "password");
        // The rules are those of every session from here on: the one before the active one is answered with the active one.
        assert_eq!(token(&server.refresh(&original(3, 1))), first);
        let second = token(&server.refresh(&first));
        assert_eq!(token(&server.refresh(&original(3, 1))), second, "concurrent refreshes");
        server.clock.advance_s(10);
        assert_eq!(server.refresh(&original(3, 1)).code(), (400, "refresh_token_already_used".to_owned()));
        not_found(&server.refresh(&second));
        not_found(&server.refresh(&original(3, 1)));
    });
}

#[test]
fn a_lost_answer_of_the_originals_is_made_good() {
    on_both(|server, user| {
        session(server, user, 1, false);
        // The original's answer with the third was lost: the client still has the second.
        let active = token(&server.refresh(&original(2, 1)));
        assert_eq!(token(&server.refresh(&original(3, 1))), active, "whoever got it all the same");
        assert_ne!(token(&server.refresh(&active)), active);
    });
}

#[test]
fn used_up_ended_and_unknown_ones_are_refused() {
    on_both(|server, user| {
        session(server, user, 1, false);
        session(server, user, 2, true);
        assert_eq!(server.refresh(&original(1, 1)).code(), (400, "refresh_token_already_used".to_owned()));
        not_found(&server.refresh(&original(3, 1)));
        for n in 1..=3 {
            assert_eq!(server.refresh(&original(n, 2)).code(), (400, "refresh_token_already_used".to_owned()), "{n}");
        }
        not_found(&server.refresh("origin00099x"));
        // Ends like any other with its session.
        session(server, user, 3, false);
        let reply = server.refresh(&original(3, 3));
        token(&reply);
        let out = crate::server::Ask::new("POST", "/logout?scope=global").bearer(&reply.text_at("/access_token"));
        assert_eq!(server.ask(out).status, 204);
        not_found(&server.refresh(&original(3, 3)));
    });
}
