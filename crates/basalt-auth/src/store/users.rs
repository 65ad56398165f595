//! `auth.users` and `auth.identities`.

use basalt_engine::Transaction;
use basalt_types::{SqlError, Timestamp, Value};
use uuid::Uuid;

use super::{Columns, Object, jsonb, time, uuid};

macro_rules! user_columns {
    () => {
        "id, aud, role, email, encrypted_password, email_confirmed_at, invited_at, phone, phone_confirmed_at, \
         confirmation_sent_at, recovery_sent_at, email_change, email_change_sent_at, phone_change, phone_change_sent_at, \
         reauthentication_sent_at, last_sign_in_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at, \
         banned_until, deleted_at, is_anonymous, is_sso_user"
    };
}

const BY_ID: &str = concat!("SELECT ", user_columns!(), " FROM auth.users WHERE id = $1");
const BY_EMAIL: &str =
    concat!("SELECT ", user_columns!(), " FROM auth.users WHERE email = $1 AND aud = $2 AND is_sso_user = false LIMIT 1");
const BY_PHONE: &str = concat!("SELECT ", user_columns!(), " FROM auth.users WHERE phone = $1 LIMIT 1");
const LIST_NEWEST: &str =
    concat!("SELECT ", user_columns!(), " FROM auth.users WHERE aud = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3");
const LIST_OLDEST: &str =
    concat!("SELECT ", user_columns!(), " FROM auth.users WHERE aud = $1 ORDER BY created_at ASC, id ASC LIMIT $2 OFFSET $3");
const FIND_NEWEST: &str = concat!(
    "SELECT ",
    user_columns!(),
    " FROM auth.users WHERE aud = $1 AND (email LIKE $4 OR raw_user_meta_data->>'full_name' ILIKE $4) \
     ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3"
);
const FIND_OLDEST: &str = concat!(
    "SELECT ",
    user_columns!(),
    " FROM auth.users WHERE aud = $1 AND (email LIKE $4 OR raw_user_meta_data->>'full_name' ILIKE $4) \
     ORDER BY created_at ASC, id ASC LIMIT $2 OFFSET $3"
);
const COUNT: &str = "SELECT count(*) FROM auth.users WHERE aud = $1";
const COUNT_FOUND: &str =
    "SELECT count(*) FROM auth.users WHERE aud = $1 AND (email LIKE $2 OR raw_user_meta_data->>'full_name' ILIKE $2)";

/// The texts that the original cannot read when they are NULL are written empty, so that its tools read our rows.
const INSERT: &str = "INSERT INTO auth.users (instance_id, id, aud, role, email, encrypted_password, phone, \
     raw_app_meta_data, raw_user_meta_data, created_at, updated_at, is_anonymous, is_sso_user, \
     confirmation_token, recovery_token, email_change_token_new, email_change) \
     VALUES ('00000000-0000-0000-0000-000000000000', $1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, false, '', '', '', '')";

const UPDATE: &str = "UPDATE auth.users SET role = $2, email = $3, encrypted_password = $4, email_confirmed_at = $5, \
     phone = $6, phone_confirmed_at = $7, confirmation_sent_at = $8, recovery_sent_at = $9, email_change = $10, \
     email_change_sent_at = $11, phone_change = $12, phone_change_sent_at = $13, reauthentication_sent_at = $14, \
     last_sign_in_at = $15, raw_app_meta_data = $16, raw_user_meta_data = $17, banned_until = $18, deleted_at = $19, \
     is_anonymous = $20, updated_at = $21 WHERE id = $1";

const DELETE: &str = "DELETE FROM auth.users WHERE id = $1";

const IDENTITIES: &str = "SELECT id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at \
     FROM auth.identities WHERE user_id = $1 ORDER BY created_at, id";
const INSERT_IDENTITY: &str = "INSERT INTO auth.identities \
     (id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $6, $6)";
const UPDATE_IDENTITY: &str = "UPDATE auth.identities SET provider_id = $2, identity_data = $3, updated_at = $4 WHERE id = $1";

/// A row of `auth.users`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the columns' names are the documentation
pub(crate) struct User {
    pub id: Uuid,
    pub aud: String,
    pub role: String,
    pub email: Option<String>,
    pub encrypted_password: Option<String>,
    pub email_confirmed_at: Option<Timestamp>,
    pub invited_at: Option<Timestamp>,
    pub phone: Option<String>,
    pub phone_confirmed_at: Option<Timestamp>,
    pub confirmation_sent_at: Option<Timestamp>,
    pub recovery_sent_at: Option<Timestamp>,
    pub email_change: String,
    pub email_change_sent_at: Option<Timestamp>,
    pub phone_change: String,
    pub phone_change_sent_at: Option<Timestamp>,
    pub reauthentication_sent_at: Option<Timestamp>,
    pub last_sign_in_at: Option<Timestamp>,
    pub app_metadata: Object,
    pub user_metadata: Object,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub banned_until: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    pub is_anonymous: bool,
    pub is_sso_user: bool,
}

impl User {
    /// A user who is not stored yet.
    pub(crate) fn new(id: Uuid, aud: &str, now: Timestamp) -> Self {
        Self {
            id,
            aud: aud.to_owned(),
            role: "authenticated".to_owned(),
            email: None,
            encrypted_password: None,
            email_confirmed_at: None,
            invited_at: None,
            phone: None,
            phone_confirmed_at: None,
            confirmation_sent_at: None,
            recovery_sent_at: None,
            email_change: String::new(),
            email_change_sent_at: None,
            phone_change: String::new(),
            phone_change_sent_at: None,
            reauthentication_sent_at: None,
            last_sign_in_at: None,
            app_metadata: Object::new(),
            user_metadata: Object::new(),
            created_at: now,
            updated_at: now,
            banned_until: None,
            deleted_at: None,
            is_anonymous: false,
            is_sso_user: false,
        }
    }

    fn from_stored(row: Vec<Value>) -> Result<Self, SqlError> {
        let mut c = Columns::of(row);
        Ok(Self {
            id: c.uuid()?,
            aud: c.text(),
            role: c.text(),
            email: c.optional_text(),
            encrypted_password: c.optional_text(),
            email_confirmed_at: c.time(),
            invited_at: c.time(),
            phone: c.optional_text(),
            phone_confirmed_at: c.time(),
            confirmation_sent_at: c.time(),
            recovery_sent_at: c.time(),
            email_change: c.text(),
            email_change_sent_at: c.time(),
            phone_change: c.text(),
            phone_change_sent_at: c.time(),
            reauthentication_sent_at: c.time(),
            last_sign_in_at: c.time(),
            app_metadata: c.object(),
            user_metadata: c.object(),
            created_at: c.time().unwrap_or(Timestamp(0)),
            updated_at: c.time().unwrap_or(Timestamp(0)),
            banned_until: c.time(),
            deleted_at: c.time(),
            is_anonymous: c.flag(),
            is_sso_user: c.flag(),
        })
    }

    /// Whether a ban holds now.
    pub(crate) fn is_banned(&self, now: Timestamp) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    /// A stored hash, if a password was ever set.
    pub(crate) fn password_hash(&self) -> Option<&str> {
        self.encrypted_password.as_deref().filter(|hash| !hash.is_empty())
    }

    /// The address counts as confirmed from now on.
    pub(crate) fn confirm_email(&mut self, now: Timestamp) {
        self.email_confirmed_at = Some(now);
        self.user_metadata.insert("email_verified".to_owned(), true.into());
    }

    /// What a changed password takes with it: mails sent before it.
    pub(crate) fn forget_sent_mails(&mut self) {
        self.confirmation_sent_at = None;
        self.recovery_sent_at = None;
        self.email_change_sent_at = None;
        self.phone_change_sent_at = None;
        self.reauthentication_sent_at = None;
    }
}

/// A row of `auth.identities`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the columns' names are the documentation
pub(crate) struct Identity {
    pub id: Uuid,
    pub provider_id: String,
    pub user_id: Uuid,
    pub identity_data: Object,
    pub provider: String,
    pub last_sign_in_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Identity {
    /// The identity of a user with an address of their own. `data` fills in what is not already there.
    pub(crate) fn new(
        id: Uuid,
        user: Uuid,
        provider: &str,
        subject: (&str, &str),
        is_verified: bool,
        data: &Object,
        now: Timestamp,
    ) -> Self {
        let mut identity_data = Object::new();
        identity_data.insert("sub".to_owned(), user.to_string().into());
        identity_data.insert("email_verified".to_owned(), (is_verified && subject.0 == "email").into());
        identity_data.insert("phone_verified".to_owned(), (is_verified && subject.0 == "phone").into());
        identity_data.insert(subject.0.to_owned(), subject.1.into());
        for (key, value) in data {
            identity_data.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Self {
            id,
            provider_id: user.to_string(),
            user_id: user,
            identity_data,
            provider: provider.to_owned(),
            last_sign_in_at: Some(now),
            created_at: now,
            updated_at: now,
        }
    }

    fn from_stored(row: Vec<Value>) -> Result<Self, SqlError> {
        let mut c = Columns::of(row);
        Ok(Self {
            id: c.uuid()?,
            provider_id: c.text(),
            user_id: c.uuid()?,
            identity_data: c.object(),
            provider: c.text(),
            last_sign_in_at: c.time(),
            created_at: c.time().unwrap_or(Timestamp(0)),
            updated_at: c.time().unwrap_or(Timestamp(0)),
        })
    }
}

/// Which users a list has.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub aud: String,
    pub limit: i64,
    pub offset: i64,
    pub is_oldest_first: bool,
    /// Part of the address or of `full_name`.
    pub filter: Option<String>,
}

/// Statements on users, inside a transaction.
pub(crate) struct Users<'t>(pub &'t mut dyn Transaction);

impl Users<'_> {
    fn one(&mut self, sql: &'static str, params: &[Value]) -> Result<Option<User>, SqlError> {
        self.0.query(sql, params)?.rows.into_iter().next().map(User::from_stored).transpose()
    }

    pub(crate) fn by_id(&mut self, id: Uuid) -> Result<Option<User>, SqlError> {
        self.one(BY_ID, &[uuid(id)])
    }

    pub(crate) fn by_email(&mut self, email: &str, aud: &str) -> Result<Option<User>, SqlError> {
        self.one(BY_EMAIL, &[email.into(), aud.into()])
    }

    pub(crate) fn by_phone(&mut self, phone: &str) -> Result<Option<User>, SqlError> {
        self.one(BY_PHONE, &[phone.into()])
    }

    /// The users of a page, and how many there are in all.
    pub(crate) fn list(&mut self, page: &Page) -> Result<(Vec<User>, i64), SqlError> {
        let mut params = vec![Value::from(page.aud.as_str()), page.limit.into(), page.offset.into()];
        let (sql, rows, total) = match &page.filter {
            None => {
                let sql = if page.is_oldest_first { LIST_OLDEST } else { LIST_NEWEST };
                (sql, params, self.0.query(COUNT, &[page.aud.as_str().into()])?)
            }
            Some(filter) => {
                let pattern = format!("%{filter}%");
                let sql = if page.is_oldest_first { FIND_OLDEST } else { FIND_NEWEST };
                let total = self.0.query(COUNT_FOUND, &[page.aud.as_str().into(), pattern.as_str().into()])?;
                params.push(pattern.into());
                (sql, params, total)
            }
        };
        let users = self.0.query(sql, &rows)?.rows.into_iter().map(User::from_stored).collect::<Result<_, _>>()?;
        let total = total.rows.into_iter().next().and_then(|row| Columns::of(row).integer()).unwrap_or_default();
        Ok((users, total))
    }

    /// Stores a new user; triggers see the row as the original writes it, not yet confirmed.
    pub(crate) fn insert(&mut self, user: &User) -> Result<(), SqlError> {
        let params = [
            uuid(user.id),
            user.aud.as_str().into(),
            user.role.as_str().into(),
            user.email.clone().into(),
            user.encrypted_password.clone().into(),
            user.phone.clone().into(),
            jsonb(&user.app_metadata)?,
            jsonb(&user.user_metadata)?,
            time(Some(user.created_at)),
            user.is_anonymous.into(),
        ];
        self.0.query(INSERT, &params).map(drop)
    }

    /// Writes a changed user, read in the same transaction.
    pub(crate) fn update(&mut self, user: &mut User) -> Result<(), SqlError> {
        user.updated_at = self.0.now();
        let params = [
            uuid(user.id),
            user.role.as_str().into(),
            user.email.clone().into(),
            user.encrypted_password.clone().into(),
            time(user.email_confirmed_at),
            user.phone.clone().into(),
            time(user.phone_confirmed_at),
            time(user.confirmation_sent_at),
            time(user.recovery_sent_at),
            user.email_change.as_str().into(),
            time(user.email_change_sent_at),
            user.phone_change.as_str().into(),
            time(user.phone_change_sent_at),
            time(user.reauthentication_sent_at),
            time(user.last_sign_in_at),
            jsonb(&user.app_metadata)?,
            jsonb(&user.user_metadata)?,
            time(user.banned_until),
            time(user.deleted_at),
            user.is_anonymous.into(),
            time(Some(user.updated_at)),
        ];
        self.0.query(UPDATE, &params).map(drop)
    }

    /// Deletes a user; identities and sessions go with the row.
    pub(crate) fn delete(&mut self, id: Uuid) -> Result<(), SqlError> {
        self.0.query(DELETE, &[uuid(id)]).map(drop)
    }

    pub(crate) fn identities(&mut self, user: Uuid) -> Result<Vec<Identity>, SqlError> {
        self.0.query(IDENTITIES, &[uuid(user)])?.rows.into_iter().map(Identity::from_stored).collect()
    }

    pub(crate) fn insert_identity(&mut self, identity: &Identity) -> Result<(), SqlError> {
        let params = [
            uuid(identity.id),
            identity.provider_id.as_str().into(),
            uuid(identity.user_id),
            jsonb(&identity.identity_data)?,
            identity.provider.as_str().into(),
            time(Some(identity.created_at)),
        ];
        self.0.query(INSERT_IDENTITY, &params).map(drop)
    }

    pub(crate) fn update_identity(&mut self, identity: &mut Identity) -> Result<(), SqlError> {
        identity.updated_at = self.0.now();
        let params = [
            uuid(identity.id),
            identity.provider_id.as_str().into(),
            jsonb(&identity.identity_data)?,
            time(Some(identity.updated_at)),
        ];
        self.0.query(UPDATE_IDENTITY, &params).map(drop)
    }
}
