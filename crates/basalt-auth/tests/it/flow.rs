//! What users and admins do, from the first sign-up to deletion.

use serde_json::json;

use crate::server::{Ask, PASSWORD, Server, claims, config};
use basalt_auth::AuthConfig;

#[test]
fn a_user_signs_up_in_and_out() {
    let server = Server::start(config());
    let up = server.sign_up("Ann@Example.com");
    let (token, id) = (up.text_at("/access_token"), up.text_at("/user/id"));
    let now = 1_767_225_600;
    assert_eq!(
        claims(&token),
        json!({
            "iss": "http://127.0.0.1:54321/auth/v1", "sub": id, "aud": "authenticated", "exp": now + 3600, "iat": now,
            "email": "ann@example.com", "phone": "", "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"email": "ann@example.com", "email_verified": true, "phone_verified": false, "sub": id}, "role": "authenticated", "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}], "session_id": claims(&token)["session_id"], "is_anonymous": false,
        })
    );
    assert_eq!(up.json()["expires_at"], now + 3600);
    assert_eq!(up.json()["user"]["user_metadata"], claims(&token)["user_metadata"]);

    let seen = server.ask(Ask::new("GET", "/user").bearer(&token));
    assert_eq!((seen.status, seen.json()), (200, up.json()["user"].clone()));

    let there = server.sign_in("ANN@example.com", PASSWORD, "203.0.113.5");
    assert_eq!(there.status, 200, "{}", there.text);
    let other = there.text_at("/access_token");
    assert_ne!(claims(&token)["session_id"], claims(&other)["session_id"]);

    assert_eq!(server.ask(Ask::new("POST", "/logout?scope=others").bearer(&other)).status, 204);
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&token)).code(), (403, "session_not_found".into()));
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&other)).status, 200);
    assert_eq!(server.refresh(&up.text_at("/refresh_token")).code(), (400, "refresh_token_not_found".into()));
    assert_eq!(server.ask(Ask::new("POST", "/logout?scope=nonsense").bearer(&other)).code(), (400, "validation_failed".into()));
    assert_eq!(server.ask(Ask::new("POST", "/logout").bearer(&other)).status, 204);
    assert_eq!(server.ask(Ask::new("POST", "/logout").bearer(&other)).code(), (403, "session_not_found".into()));
}

#[test]
fn a_session_ends_alone_with_local_scope() {
    let server = Server::start(config());
    let first = server.sign_up("ann@example.com").text_at("/access_token");
    let second = server.sign_in("ann@example.com", PASSWORD, "127.0.0.1").text_at("/access_token");
    assert_eq!(server.ask(Ask::new("POST", "/logout?scope=local").bearer(&first)).status, 204);
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&first)).status, 403);
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&second)).status, 200);
}

#[test]
fn a_user_changes_data_email_and_password() {
    let server = Server::start(config());
    server.sign_up("bob@example.com");
    let up = server.sign_up("ann@example.com");
    let token = up.text_at("/access_token");
    let elsewhere = server.sign_in("ann@example.com", PASSWORD, "127.0.0.1").text_at("/access_token");
    let put = |body| server.ask(Ask::new("PUT", "/user").bearer(&token).json(body));

    // What a sign-up itself puts into the metadata stays.
    let own = |mut more: serde_json::Value| {
        let mut all = up.json()["user"]["user_metadata"].clone();
        all.as_object_mut().expect("an object").append(more.as_object_mut().expect("an object"));
        all
    };
    let data = put(json!({"data": {"name": "Ann", "old": 1}}));
    assert_eq!(data.json()["user_metadata"], own(json!({"name": "Ann", "old": 1})));
    let data = put(json!({"data": {"old": null, "new": [1, {"a": null}]}}));
    assert_eq!(data.json()["user_metadata"], own(json!({"name": "Ann", "new": [1, {"a": null}]})));

    assert_eq!(put(json!({"password": PASSWORD})).code(), (422, "same_password".into()));
    assert_eq!(put(json!({"password": "short"})).code(), (422, "weak_password".into()));
    assert_eq!(put(json!({"password": "another horse"})).status, 200);
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&token)).status, 200);
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&elsewhere)).code(), (403, "session_not_found".into()));
    assert_eq!(server.sign_in("ann@example.com", PASSWORD, "127.0.0.1").code(), (400, "invalid_credentials".into()));
    assert_eq!(server.sign_in("ann@example.com", "another horse", "127.0.0.1").status, 200);

    assert_eq!(put(json!({"email": "Bob@example.com"})).code(), (422, "email_exists".into()));
    let moved = put(json!({"email": "Anna@Example.com"}));
    assert_eq!(moved.text_at("/email"), "anna@example.com");
    assert_eq!(moved.text_at("/identities/0/email"), "anna@example.com");
    assert_eq!(server.sign_in("anna@example.com", "another horse", "127.0.0.1").status, 200);
    assert_eq!(server.sign_in("ann@example.com", "another horse", "127.0.0.1").code(), (400, "invalid_credentials".into()));
}

#[test]
fn password_changes_may_need_the_old_one_or_a_recent_sign_in() {
    let server = Server::start(AuthConfig {
        needs_current_password: true,
        needs_recent_sign_in_for_password: true,
        jwt_expiry_s: 604_800,
        ..config()
    });
    let token = server.sign_up("ann@example.com").text_at("/access_token");
    let put = |body| server.ask(Ask::new("PUT", "/user").bearer(&token).json(body)).code();
    let new = "another horse";
    assert_eq!(put(json!({"password": new})), (400, "current_password_required".into()));
    assert_eq!(put(json!({"password": new, "current_password": "wrong"})), (400, "current_password_mismatch".into()));
    server.clock.advance_s(24 * 3600 + 1);
    assert_eq!(put(json!({"password": new, "current_password": PASSWORD})), (400, "reauthentication_needed".into()));
    assert_eq!(
        put(json!({"password": new, "current_password": PASSWORD, "nonce": "1"})),
        (422, "reauthentication_not_valid".into())
    );
    server.clock.advance_s(-2);
    assert_eq!(put(json!({"password": new, "current_password": PASSWORD})), (200, String::new()));
}

#[test]
fn without_autoconfirm_nobody_is_signed_in_before_confirmation() {
    let server = Server::start(AuthConfig { is_autoconfirm: false, ..config() });
    let up = server.sign_up("ann@example.com");
    assert!(up.json().get("access_token").is_none());
    assert_eq!(up.json()["identities"].as_array().map(Vec::len), Some(1));
    assert_eq!(server.sign_in("ann@example.com", PASSWORD, "127.0.0.1").code(), (400, "email_not_confirmed".into()));
    assert_eq!(server.sign_in("ann@example.com", "wrong", "127.0.0.1").code(), (400, "invalid_credentials".into()));
    let path = format!("/admin/users/{}", up.text_at("/id"));
    assert_eq!(server.ask(Ask::new("PUT", &path).admin().json(json!({"email_confirm": true}))).status, 200);
    let token = server.sign_in("ann@example.com", PASSWORD, "127.0.0.1").text_at("/access_token");
    let moved = server.ask(Ask::new("PUT", "/user").bearer(&token).json(json!({"email": "anna@example.com"})));
    assert_eq!(moved.code(), (500, "unexpected_failure".into()));
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&token)).text_at("/email"), "ann@example.com");
}

#[test]
fn admins_manage_users() {
    let server = Server::start(config());
    let admin = |method, path: &str, body| server.ask(Ask::new(method, path).admin().json(body));
    let made = admin(
        "POST",
        "/admin/users",
        json!({
            "email": "Cy@example.com", "password": PASSWORD, "email_confirm": true, "role": "authenticated",
            "user_metadata": {"full_name": "Cy Young"}, "app_metadata": {"plan": "pro"}, "id": "6b1f7a3e-7c68-4b56-9d2f-0c8a5e4d3b21",
        }),
    );
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(made.json()["app_metadata"], json!({"plan": "pro", "provider": "email", "providers": ["email"]}));
    let path = "/admin/users/6b1f7a3e-7c68-4b56-9d2f-0c8a5e4d3b21";
    assert_eq!(admin("GET", path, json!(null)).json(), made.json());
    assert_eq!(admin("POST", "/admin/users", json!({"email": "cy@example.com"})).code(), (422, "email_exists".into()));
    assert_eq!(admin("POST", "/admin/users", json!({})).code(), (400, "validation_failed".into()));
    let token = server.sign_in("cy@example.com", PASSWORD, "127.0.0.1").text_at("/access_token");

    let banned = admin("PUT", path, json!({"ban_duration": "24h", "app_metadata": {"plan": null}}));
    assert_eq!(banned.text_at("/banned_until"), "2026-01-02T00:00:00Z");
    assert_eq!(banned.json()["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&token)).code(), (403, "user_banned".into()));
    assert_eq!(server.sign_in("cy@example.com", PASSWORD, "127.0.0.1").code(), (400, "user_banned".into()));
    assert_eq!(server.sign_in("cy@example.com", "wrong", "127.0.0.1").code(), (400, "invalid_credentials".into()));
    assert_eq!(admin("PUT", path, json!({"ban_duration": "1d"})).code(), (400, "validation_failed".into()));
    assert_eq!(admin("PUT", path, json!({"ban_duration": "none"})).status, 200);
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&token)).status, 200);

    assert_eq!(admin("PUT", path, json!({"password": "another horse"})).status, 200);
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&token)).code(), (403, "session_not_found".into()));
    assert_eq!(admin("DELETE", path, json!({"should_soft_delete": true})).text, "{}");
    let gone = admin("GET", path, json!(null)).json();
    assert_eq!((&gone["user_metadata"], &gone["app_metadata"]), (&json!({}), &json!({})));
    assert!(gone["deleted_at"].is_string() && !gone["email"].as_str().unwrap_or_default().contains('@'));
    assert_eq!(server.sign_in("cy@example.com", "another horse", "127.0.0.1").code(), (400, "invalid_credentials".into()));
    assert_eq!(server.ask(Ask::new("DELETE", path).admin()).text, "{}");
    assert_eq!(server.ask(Ask::new("GET", path).admin()).code(), (404, "user_not_found".into()));
    assert_eq!(server.ask(Ask::new("GET", "/admin/users/nonsense").admin()).code(), (404, "validation_failed".into()));
    assert_eq!(server.sql("SELECT count(*) FROM auth.identities", vec![]), [[basalt_types::Value::Int(0)]]);
}

#[test]
fn lists_have_pages() {
    let server = Server::start(config());
    for n in 0..5 {
        server.clock.advance_s(1);
        server.sign_up(&format!("u{n}@example.com"));
    }
    let list = |query: &str| server.ask(Ask::new("GET", &format!("/admin/users{query}")).admin());
    let emails = |reply: &crate::server::Reply| -> Vec<String> {
        let users = reply.json()["users"].as_array().cloned().unwrap_or_default();
        users.iter().filter_map(|user| user["email"].as_str().map(|e| e[..2].to_owned())).collect()
    };
    let second = list("?page=2&per_page=2");
    assert_eq!(emails(&second), ["u2", "u1"]);
    assert_eq!(second.headers["x-total-count"], "5");
    assert_eq!(
        second.headers["link"],
        "</admin/users?page=3&per_page=2>; rel=\"next\", </admin/users?page=3&per_page=2>; rel=\"last\""
    );
    assert_eq!(emails(&list("?page=3&per_page=2")), ["u0"]);
    assert_eq!(emails(&list("?page=9&per_page=2")), Vec::<String>::new());
    assert_eq!(emails(&list("?sort=created_at%20asc&per_page=2")), ["u0", "u1"]);
    assert_eq!(emails(&list("?filter=u3%40")), ["u3"]);
    assert_eq!(list("?page=x").code(), (400, "validation_failed".into()));
    assert_eq!(list("?sort=email").code(), (400, "validation_failed".into()));
    assert_eq!(list("").json()["aud"], "authenticated");
}

#[test]
fn imported_bcrypt_hashes_are_replaced_at_sign_in() {
    let server = Server::start(config());
    let hash = bcrypt::hash(PASSWORD, 4).expect("a hash");
    let body = json!({"email": "old@example.com", "password_hash": hash, "email_confirm": true});
    assert_eq!(server.ask(Ask::new("POST", "/admin/users").admin().json(body)).status, 200);
    let stored = || match server.sql("SELECT encrypted_password FROM auth.users", vec![]).remove(0).remove(0) {
        basalt_types::Value::Text(text) => text,
        other => panic!("{other:?}"),
    };
    assert!(stored().starts_with("$2b$"));
    assert_eq!(server.sign_in("old@example.com", PASSWORD, "127.0.0.1").status, 200);
    let new = stored();
    assert!(new.starts_with("$argon2id$"), "{new}");
    assert_eq!(server.sign_in("old@example.com", PASSWORD, "127.0.0.1").status, 200);
    assert_eq!(stored(), new);
    for hash in ["nonsense", "$2b$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let body = json!({"email": "x@example.com", "password_hash": hash});
        assert_eq!(server.ask(Ask::new("POST", "/admin/users").admin().json(body)).code(), (400, "validation_failed".into()));
    }
}

const PROFILES: &str = "
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, email text, name text not null unique);
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id, email, name) values (new.id, new.email, new.raw_user_meta_data ->> 'name');
  return new;
end;
$$;
create trigger on_auth_user_created after insert on auth.users for each row execute procedure public.handle_new_user();
";

#[test]
fn the_quickstarts_trigger_makes_a_profile_and_its_failure_leaves_no_user() {
    let server = Server::start(config());
    server.migrate(PROFILES);
    let sign_up = |data| {
        let body = json!({"email": "ann@example.com", "password": PASSWORD, "data": data});
        server.ask(Ask::new("POST", "/signup").json(body))
    };
    let failed = sign_up(json!({}));
    assert_eq!(failed.json(), json!({"code": 500, "error_code": "unexpected_failure", "msg": "Database error saving new user"}));
    let count = |sql| server.sql(sql, vec![]).remove(0).remove(0);
    assert_eq!(count("SELECT count(*) FROM auth.users"), basalt_types::Value::Int(0));
    let up = sign_up(json!({"name": "Ann"}));
    assert_eq!(up.status, 200, "{}", up.text);
    let profile = server.sql("SELECT id, email, name FROM public.profiles", vec![]);
    assert_eq!(profile, [[up.text_at("/user/id").as_str().into(), "ann@example.com".into(), basalt_types::Value::from("Ann")]]);
    // A taken name is the project's affair, not a taken address.
    let body = json!({"email": "other@example.com", "password": PASSWORD, "data": {"name": "Ann"}});
    assert_eq!(server.ask(Ask::new("POST", "/signup").json(body)).code(), (500, "unexpected_failure".into()));
    let path = format!("/admin/users/{}", up.text_at("/user/id"));
    let same_id = json!({"email": "third@example.com", "id": up.text_at("/user/id"), "user_metadata": {"name": "Cy"}});
    assert_eq!(server.ask(Ask::new("POST", "/admin/users").admin().json(same_id)).code(), (500, "unexpected_failure".into()));
    assert_eq!(server.ask(Ask::new("DELETE", &path).admin()).status, 200);
    assert_eq!(count("SELECT count(*) FROM public.profiles"), basalt_types::Value::Int(0));
}

#[test]
fn users_of_a_seed_sign_in() {
    let server = Server::start(config());
    // As seeds of projects do, most columns left out.
    server.sql(
        "INSERT INTO auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, \
         raw_user_meta_data, created_at, updated_at) VALUES ('00000000-0000-0000-0000-000000000000', \
         '6b1f7a3e-7c68-4b56-9d2f-0c8a5e4d3b21', 'authenticated', 'authenticated', 'seed@example.com', $1, now(), \
         '{\"provider\":\"email\",\"providers\":[\"email\"]}', '{}', now(), now())",
        vec![bcrypt::hash(PASSWORD, 4).expect("a hash").replacen("$2b$", "$2a$", 1).into()],
    );
    let reply = server.sign_in("seed@example.com", PASSWORD, "127.0.0.1");
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json()["user"]["identities"], json!([]));
    let token = reply.text_at("/access_token");
    let moved = server.ask(Ask::new("PUT", "/user").bearer(&token).json(json!({"email": "new@example.com"})));
    assert_eq!(moved.text_at("/identities/0/email"), "new@example.com");
}
