//! `basalt gen types`: the database's shape as TypeScript, in the form that supabase-js takes as its type parameter.

mod typescript;

use basalt_catalog::Catalog;
use clap::{Args, ValueEnum};

use crate::commands::migration::open;
use crate::{Failure, Place, control, database};

/// Types of the database's tables, views, functions and enums, on standard output.
#[derive(Debug, Args)]
pub struct Types {
    /// The language.
    #[arg(value_enum, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// The same as a flag.
    #[arg(long, value_enum, value_name = "LANGUAGE", conflicts_with = "language")]
    lang: Option<Language>,
    /// Schemas, separated by commas; may be repeated. By default `public` and those of `[api] schemas` that exist.
    #[arg(long, short, value_delimiter = ',', value_name = "NAMES")]
    schema: Vec<String>,
    /// The project's own database: always so. Accepted for scripts that say it.
    #[arg(long)]
    local: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// For supabase-js: `createClient<Database>(…)`.
    Typescript,
}

/// Begins the question to a running server; a JSON array of schemas follows.
const QUESTION: &str = "types ";

impl Types {
    /// Runs the command: a running server is asked, otherwise the database is opened.
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let (project, settings) = place.open(&[])?;
        let mut schemas = self.schema;
        let are_named = !schemas.is_empty();
        if !are_named {
            schemas.push("public".to_owned());
            schemas.extend(settings.schemas.iter().filter(|schema| *schema != "public").cloned());
        }
        let state = project.make_state()?;
        let question = Question { schemas, are_named };
        let text = match control::ask(&state, &question.to_text())? {
            Some(text) => text,
            None if !database::exists(&project, &settings)? => {
                return Err("there is no database yet: `basalt migration up` or `basalt serve` makes it".into());
            }
            None => {
                let (engine, _lock, _) = open(place, "gen types")?;
                let text = question.answer(&engine.catalog());
                engine.close();
                text?
            }
        };
        print!("{text}");
        Ok(())
    }
}

/// What a running server is asked.
struct Question {
    schemas: Vec<String>,
    /// By the caller, so that each must exist.
    are_named: bool,
}

impl Question {
    fn to_text(&self) -> String {
        format!("{QUESTION}{}", serde_json::json!([self.are_named, self.schemas]))
    }

    fn answer(&self, catalog: &Catalog) -> Result<String, String> {
        let (known, unknown): (Vec<&str>, Vec<&str>) =
            self.schemas.iter().map(String::as_str).partition(|schema| catalog.schema(schema).is_some());
        match unknown.first() {
            Some(schema) if self.are_named => Err(format!("there is no schema {schema}")),
            _ => Ok(typescript::write(catalog, &known)),
        }
    }
}

/// What a running server answers, when the question is this command's.
pub fn answer(question: &str, catalog: impl FnOnce() -> std::sync::Arc<Catalog>) -> Option<Result<String, String>> {
    let text = question.strip_prefix(QUESTION)?;
    Some(match serde_json::from_str::<(bool, Vec<String>)>(text) {
        Ok((are_named, schemas)) => Question { schemas, are_named }.answer(&catalog()),
        Err(_) => Err("the question was not understood".to_owned()),
    })
}
