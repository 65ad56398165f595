//! `basalt status`: the URL and the keys, for people, shells and programs.

use basalt_types::{SystemClock, SystemRng};
use clap::{Args, ValueEnum};

use crate::secrets::Secrets;
use crate::{Failure, Place};

/// Print the project's URL and keys.
#[derive(Debug, Args)]
pub struct Status {
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Form::Pretty)]
    output: Form,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Pretty,
    Env,
    Json,
}

impl Status {
    /// Runs the command.
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let (project, settings) = place.open(&[])?;
        let state = project.make_state()?;
        let secrets = Secrets::load(&state, &settings.keys, &SystemRng, &SystemClock)?;
        let url = crate::serve::running_url(&state).unwrap_or_else(|| settings.external_url.clone());
        let keys = &secrets.keys;
        let rows = [
            ("API_URL", url),
            ("ANON_KEY", keys.anon.reveal().to_owned()),
            ("SERVICE_ROLE_KEY", keys.service_role.reveal().to_owned()),
            ("JWT_SECRET", keys.jwt_secret.reveal().to_owned()),
            ("PUBLISHABLE_KEY", keys.publishable.reveal().to_owned()),
            ("SECRET_KEY", keys.secret.reveal().to_owned()),
        ];
        match self.output {
            Form::Pretty => rows.iter().for_each(|(name, value)| println!("{:>18}: {value}", name.replace('_', " "))),
            Form::Env => rows.iter().for_each(|(name, value)| println!("{name}=\"{value}\"")),
            Form::Json => {
                let object: serde_json::Map<_, _> = rows.iter().map(|(n, v)| ((*n).to_owned(), v.clone().into())).collect();
                println!("{}", serde_json::to_string_pretty(&object)?);
            }
        }
        Ok(())
    }
}
