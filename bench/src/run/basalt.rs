//! Basalt: its project folder filled once over its own API, then copied for each run.

use super::client::Client;
use super::process::{Process, Server};
use super::token;
use crate::{Failure, data};
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Rows in one insert while filling; an answer or a body of this size is below every default limit.
const BATCH: u64 = 1000;

/// A program and a project folder that is filled.
pub struct Basalt {
    program: PathBuf,
    filled: PathBuf,
}

/// A project's keys, as `basalt status` prints them.
struct Keys {
    anon: String,
    service_role: String,
    jwt_secret: String,
}

impl Basalt {
    /// Fills a copy of the project, unless this program has already filled the same one.
    pub fn prepare(program: &Path, project: &Path, work: &Path) -> Result<Self, Failure> {
        let program = program.canonicalize().map_err(|failure| format!("{}: {failure}", program.display()))?;
        let filled = work.join(format!("basalt-{:016x}", fingerprint(&program, project)?));
        let basalt = Self { program, filled };
        if !basalt.filled.exists() {
            for entry in fs::read_dir(work)? {
                let path = entry?.path();
                if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("basalt-")) {
                    fs::remove_dir_all(path)?;
                }
            }
            let part = work.join("basalt-part");
            copy_folder(project, &part)?;
            let began = Instant::now();
            eprintln!("filling Basalt over its API: {} users, {} posts", data::USERS, data::POSTS);
            let (mut process, address, keys) = basalt.serve(&part, None)?;
            fill(address, &keys.service_role)?;
            process.stop();
            fs::rename(&part, &basalt.filled)?;
            eprintln!("filled in {:.1} s", began.elapsed().as_secs_f64());
        }
        Ok(basalt)
    }

    /// The project in a folder of its own, and its rows in a database that was empty.
    pub fn fill_database(program: &Path, project: &Path, folder: &Path, database: &str) -> Result<Self, Failure> {
        let program = program.canonicalize().map_err(|failure| format!("{}: {failure}", program.display()))?;
        let basalt = Self { program, filled: folder.to_owned() };
        copy_folder(project, folder)?;
        let (mut process, address, keys) = basalt.serve(folder, Some(database))?;
        fill(address, &keys.service_role)?;
        process.stop();
        Ok(basalt)
    }

    /// Serves a copy of the project without rows, with its service key.
    pub fn start_empty(program: &Path, project: &Path, copy: &Path, database: Option<&str>) -> Result<(Server, String), Failure> {
        let program = program.canonicalize().map_err(|failure| format!("{}: {failure}", program.display()))?;
        copy_folder(project, copy)?;
        let basalt = Self { program, filled: copy.to_owned() };
        let (process, address, keys) = basalt.serve(copy, database)?;
        let token = token::sign(&keys.jwt_secret, &address);
        Ok((Server { name: "Basalt", process, address, apikey: keys.anon, token }, keys.service_role))
    }

    /// Serves a copy of the filled project, from a database if there is one.
    pub fn start(&self, name: &'static str, copy: &Path, database: Option<&str>) -> Result<Server, Failure> {
        copy_folder(&self.filled, copy)?;
        let (process, address, keys) = self.serve(copy, database)?;
        let token = token::sign(&keys.jwt_secret, &address);
        eprintln!("{name} at rest: {:.1} MiB", process.resident_bytes()? as f64 / 1_048_576.0);
        Ok(Server { name, process, address, apikey: keys.anon, token })
    }

    fn serve(&self, project: &Path, database: Option<&str>) -> Result<(Process, SocketAddr, Keys), Failure> {
        // Free now; the moment until Basalt takes it is short.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = fs::File::create(project.join("serve.log"))?;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--project").arg(project).arg("--listen").arg(address.to_string());
        if let Some(database) = database {
            command.arg("--database").arg(database);
        }
        command.env("RUST_LOG", "warn").stdout(log.try_clone()?).stderr(log);
        let mut process = Process::start(&mut command)?;
        let began = Instant::now();
        loop {
            let health = Client::connect(address).and_then(|mut client| client.send("GET", "/health/ready", &[], b""));
            if health.is_ok_and(|answer| answer.status == 200) {
                break;
            }
            if process.has_ended() || began.elapsed() > START_LIMIT {
                let log = fs::read_to_string(project.join("serve.log")).unwrap_or_default();
                return Err(format!("Basalt did not become ready:\n{log}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let keys = self.keys(project)?;
        Ok((process, address, keys))
    }

    fn keys(&self, project: &Path) -> Result<Keys, Failure> {
        let mut command = Command::new(&self.program);
        command.arg("status").arg("--project").arg(project).args(["-o", "env"]).stderr(Stdio::inherit());
        let output = command.output()?;
        let text = String::from_utf8(output.stdout)?;
        let key = |name: &str| {
            text.lines()
                .find_map(|line| line.trim_start_matches("export ").split_once('=').filter(|(key, _)| *key == name))
                .map(|(_, value)| value.trim_matches('"').to_owned())
                .ok_or_else(|| format!("`basalt status -o env` printed no {name}"))
        };
        Ok(Keys { anon: key("ANON_KEY")?, service_role: key("SERVICE_ROLE_KEY")?, jwt_secret: key("JWT_SECRET")? })
    }
}

/// Inserts all rows in bulk as service_role.
fn fill(address: SocketAddr, key: &str) -> Result<(), Failure> {
    fill_users(address, key, 1..=data::USERS)?;
    // Posts come without ids, in order: the identity column must count them 1, 2, 3, ...
    insert(address, key, "posts", 1..=data::POSTS, &|out, id| data::post_json(out, &data::post(id), false))
}

/// Inserts the people with these ids in bulk as service_role.
pub fn fill_users(address: SocketAddr, key: &str, ids: RangeInclusive<u64>) -> Result<(), Failure> {
    insert(address, key, "users", ids, &|out, id| data::user_json(out, &data::user(id)))
}

fn insert(
    address: SocketAddr,
    key: &str,
    table: &str,
    ids: RangeInclusive<u64>,
    write: &dyn Fn(&mut Vec<u8>, u64),
) -> Result<(), Failure> {
    let mut client = Client::connect(address)?;
    let bearer = format!("Bearer {key}");
    let headers =
        [("apikey", key), ("authorization", bearer.as_str()), ("content-type", "application/json"), ("prefer", "return=minimal")];
    let mut from = *ids.start();
    while from <= *ids.end() {
        let until = (from + BATCH).min(ids.end() + 1);
        let mut body = Vec::with_capacity(512 * BATCH as usize);
        for id in from..until {
            body.push(if id == from { b'[' } else { b',' });
            write(&mut body, id);
        }
        body.push(b']');
        let answer = client.send("POST", &format!("/rest/v1/{table}"), &headers, &body)?;
        if answer.status != 201 {
            return Err(format!("filling {table}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
        }
        from = until;
    }
    Ok(())
}

/// Changes with the program and with the project's files.
fn fingerprint(program: &Path, project: &Path) -> Result<u64, Failure> {
    let mut hasher = DefaultHasher::new();
    let metadata = fs::metadata(program)?;
    (metadata.len(), metadata.modified()?).hash(&mut hasher);
    let mut folders = vec![project.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else {
                (&path, fs::read(&path)?).hash(&mut hasher);
            }
        }
    }
    Ok(hasher.finish())
}

/// Copies a folder with everything in it; `to` is replaced. Sockets and locks of a server that has ended stay behind.
fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        fs::create_dir_all(&to)?;
        fs::set_permissions(&to, fs::metadata(&from)?.permissions())?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() {
                folders.push((entry.path(), target));
            } else if kind.is_file() {
                fs::copy(entry.path(), target)?;
            }
        }
    }
    Ok(())
}
