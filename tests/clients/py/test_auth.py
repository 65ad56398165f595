"""Users and sessions, with supabase-py."""

import pytest
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from conftest import ADA, ADA_ID


def refusal(error):
    return error.status, error.code, error.message


def test_sign_up_gives_a_user_and_a_session(basalt):
    _, answer = basalt.signed_up("anna")
    user = answer.user
    assert (user.email, user.aud, user.role, user.phone, user.is_anonymous) == ("anna@example.com", "authenticated", "authenticated", "", False)
    assert user.app_metadata == {"provider": "email", "providers": ["email"]}
    assert user.user_metadata == {
        "email": "anna@example.com", "email_verified": True, "phone_verified": False, "sub": user.id, "username": "anna"
    }
    assert [(i.provider, i.user_id, i.id) for i in user.identities] == [("email", user.id, user.id)]
    assert (answer.session.token_type, answer.session.expires_in, answer.session.user.id) == ("bearer", 3600, user.id)


def test_sign_up_of_a_taken_address_is_refused(basalt):
    with pytest.raises(AuthApiError) as caught:
        basalt.anon().auth.sign_up({"email": ADA["email"], "password": "another one"})
    assert refusal(caught.value) == (422, "user_already_exists", "User already registered")


def test_sign_up_with_a_short_password_is_refused(basalt):
    with pytest.raises(AuthWeakPasswordError) as caught:
        basalt.anon().auth.sign_up({"email": "short@example.com", "password": "abc"})
    assert (caught.value.status, caught.value.message, caught.value.reasons) == (422, "Password should be at least 6 characters.", ["length"])


def test_sign_in_with_a_bcrypt_password_from_elsewhere(basalt):
    answer = basalt.anon().auth.sign_in_with_password(ADA)
    assert answer.user.id == ADA_ID


def test_sign_in_with_a_wrong_password_is_refused(basalt):
    with pytest.raises(AuthApiError) as caught:
        basalt.anon().auth.sign_in_with_password({"email": ADA["email"], "password": "wrong horse"})
    assert refusal(caught.value) == (400, "invalid_credentials", "Invalid login credentials")


def test_the_user_is_read_and_changed(basalt):
    client, answer = basalt.signed_up("berta")
    assert client.auth.get_user().user == answer.user
    changed = client.auth.update_user({"data": {"theme": "dark"}}).user
    assert changed.user_metadata == {**answer.user.user_metadata, "theme": "dark"}
    assert changed.id == answer.user.id


def test_refresh_gives_a_new_pair(basalt):
    client, answer = basalt.signed_up("cora")
    renewed = client.auth.refresh_session().session
    assert renewed.refresh_token != answer.session.refresh_token
    assert renewed.user == answer.user


def test_sign_out_ends_the_session(basalt):
    client, answer = basalt.signed_up("dora")
    client.auth.sign_out()
    with pytest.raises(AuthApiError) as caught:
        basalt.anon().auth.refresh_session(answer.session.refresh_token)
    assert refusal(caught.value) == (400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")


def test_admin_makes_lists_changes_and_deletes_users(basalt):
    admin = basalt.service().auth.admin
    made = admin.create_user({"email": "emma@example.com", "password": "a good one", "email_confirm": True, "user_metadata": {"username": "emma"}}).user
    assert made.user_metadata == {"email_verified": True, "username": "emma"}
    assert admin.get_user_by_id(made.id).user == made
    assert made.id in [user.id for user in admin.list_users()]
    assert admin.update_user_by_id(made.id, {"user_metadata": {"age": 7}}).user.user_metadata == {
        "age": 7, "email_verified": True, "username": "emma"
    }
    admin.delete_user(made.id)
    with pytest.raises(AuthApiError) as caught:
        admin.get_user_by_id(made.id)
    assert refusal(caught.value) == (404, "user_not_found", "User not found")


def test_admin_is_refused_to_others(basalt):
    with pytest.raises(AuthApiError) as caught:
        basalt.anon().auth.admin.list_users()
    assert refusal(caught.value) == (403, "not_admin", "User not allowed")
