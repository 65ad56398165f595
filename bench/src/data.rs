//! The rows, made up from their ids alone, so that every server holds the same ones.

use crate::json;

/// How many people there are; their ids begin at 1.
pub const USERS: u64 = 100_000;
/// How many posts there are at first; their ids begin at 1.
pub const POSTS: u64 = 200_000;
/// The first so many people wrote all posts, twenty each.
pub const AUTHORS: u64 = 10_000;
/// The user whose token the requests bear: the owner of all drafts.
pub const READER: &str = "7f3d1c52-9a0e-4b6f-8c21-5d4e3f2a1b00";

/// 2025-01-01 in days since 1970-01-01.
const FIRST_DAY: u64 = 20_089;

/// One person.
pub struct User {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub created_at: String,
}

/// One post. One in ten is a draft (not published), and drafts belong to [`READER`].
pub struct Post {
    pub id: u64,
    pub author_id: u64,
    pub owner: String,
    pub title: String,
    pub body: String,
    pub is_published: bool,
    pub created_at: String,
}

const FIRST: &[&str] = &["Ada", "Björn", "Chloé", "Dmitri", "Eve", "Fatima", "Grace", "Hiro", "Inês", "Jan"];
const LAST: &[&str] = &["Ahlström", "Bauer", "Costa", "Dubois", "Evans", "Fischer", "García", "Hughes", "Ivanova", "Jónsson"];
const WORDS: &[&str] = &[
    "stone",
    "river",
    "always",
    "under",
    "light",
    "small",
    "because",
    "morning",
    "letter",
    "between",
    "quiet",
    "seven",
    "paper",
    "winter",
    "garden",
    "\"quoted\"",
    "forward",
    "almost",
    "naïve",
    "history",
    "engine",
    "later",
    "window",
    "table",
];

/// The person with this id.
pub fn user(id: u64) -> User {
    let name = format!("{} {} {id}", pick(FIRST, mix(id)), pick(LAST, mix(id) >> 8));
    User { id, name, email: format!("user{id}@example.com"), created_at: minute(id) }
}

/// The post with this id; a later id is a later post.
pub fn post(id: u64) -> Post {
    let author_id = (id - 1) % AUTHORS + 1;
    let is_published = !((id - 1) / AUTHORS + author_id).is_multiple_of(10);
    let owner = if is_published { format!("{author_id:08x}-0000-4000-8000-{id:012x}") } else { READER.to_owned() };
    let mut body = String::with_capacity(220);
    let mut random = mix(id);
    while body.len() < 195 {
        if !body.is_empty() {
            body.push(' ');
        }
        body.push_str(pick(WORDS, random >> 7));
        random = mix(random);
    }
    Post {
        id,
        author_id,
        owner,
        title: format!("Post {id} about {}", pick(WORDS, mix(id) >> 16)),
        body,
        is_published,
        created_at: minute(id),
    }
}

/// A user as the REST API shows it.
pub fn user_json(out: &mut Vec<u8>, user: &User) {
    json::integer(out, br#"{"id":"#, user.id as i64);
    json::text(out, br#","name":"#, user.name.as_bytes());
    json::text(out, br#","email":"#, user.email.as_bytes());
    json::text(out, br#","created_at":"#, user.created_at.as_bytes());
    out.push(b'}');
}

/// A post as the REST API shows it, or as an insert without its id, so that the identity column counts.
pub fn post_json(out: &mut Vec<u8>, post: &Post, with_id: bool) {
    if with_id {
        json::integer(out, br#"{"id":"#, post.id as i64);
        out.push(b',');
    } else {
        out.push(b'{');
    }
    json::integer(out, br#""author_id":"#, post.author_id as i64);
    json::text(out, br#","owner":"#, post.owner.as_bytes());
    json::text(out, br#","title":"#, post.title.as_bytes());
    json::text(out, br#","body":"#, post.body.as_bytes());
    json::boolean(out, br#","published":"#, post.is_published);
    json::text(out, br#","created_at":"#, post.created_at.as_bytes());
    out.push(b'}');
}

/// `number` minutes after 2025 began, as PostgreSQL writes a timestamptz in JSON with the time zone UTC.
fn minute(number: u64) -> String {
    let (day, rest) = (FIRST_DAY + number / 1440, number % 1440);
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:00+00:00", rest / 60, rest % 60)
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil(mut day: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    loop {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = if is_leap { 366 } else { 365 };
        if day < length {
            let february = if is_leap { 29 } else { 28 };
            let mut month = 1;
            for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                if day < days {
                    break;
                }
                day -= days;
                month += 1;
            }
            return (year, month, day + 1);
        }
        day -= length;
        year += 1;
    }
}

fn pick<'a>(words: &[&'a str], number: u64) -> &'a str {
    words[(number % words.len() as u64) as usize]
}

/// Spreads a number over 64 bits (the SplitMix64 finalizer).
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(FIRST_DAY), (2025, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(minute(1440 * 59 + 61), "2025-03-01T01:01:00+00:00");
    }

    #[test]
    fn every_author_has_twenty_posts_two_of_them_drafts() {
        for author in [1, 77, AUTHORS] {
            let posts: Vec<Post> = (0..POSTS / AUTHORS).map(|turn| post(turn * AUTHORS + author)).collect();
            assert_eq!(posts.len(), 20);
            assert!(posts.iter().all(|post| post.author_id == author));
            assert_eq!(posts.iter().filter(|post| !post.is_published && post.owner == READER).count(), 2);
        }
    }
}
