//! `keyward dev ceiling`: the real server with all that stands before its handlers, and handlers that answer at once
//! with what they were given: how fast an answer could be that costs nothing to make.

use std::{path::PathBuf, str::FromStr};

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web::{self, Bytes},
};
use anyhow::Context;
use clap::Args;
use serde::Deserialize;

use crate::{
    cli::{data_dir, load, out, serve::Signals},
    config::ConfigArgs,
    server, telemetry,
    web::{cors, metered},
};

/// What to answer.
#[derive(Args, Debug)]
pub struct CeilingArgs {
    /// The answers, a JSON array of `{"path", "status", "headers": [[name, value]], "body", "cors"}`
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Deserialize)]
struct Given {
    path: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    /// Whether the path stands behind what lets scripts of other origins read it.
    cors: bool,
}

#[derive(Clone)]
struct Answer {
    path: String,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    cors: bool,
}

impl TryFrom<Given> for Answer {
    type Error = anyhow::Error;

    fn try_from(given: Given) -> anyhow::Result<Answer> {
        let headers = given
            .headers
            .iter()
            .map(|(name, value)| anyhow::Ok((HeaderName::from_str(name)?, HeaderValue::from_str(value)?)));
        Ok(Answer {
            path: given.path,
            status: StatusCode::from_u16(given.status)?,
            headers: headers.collect::<Result<_, _>>()?,
            body: Bytes::from(given.body),
            cors: given.cors,
        })
    }
}

impl Answer {
    fn respond(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response.body(self.body.clone())
    }
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// The answers cannot be read, or the server cannot start.
pub async fn run(args: &CeilingArgs) -> anyhow::Result<()> {
    let config = load(&args.config)?;
    telemetry::init(&config.log)?;
    let text = std::fs::read_to_string(&args.answers).with_context(|| args.answers.display().to_string())?;
    let given: Vec<Given> = serde_json::from_str(&text)?;
    let answers = given.into_iter().map(Answer::try_from).collect::<anyhow::Result<Vec<_>>>()?;
    data_dir::prepare(&config)?;
    let _lock = data_dir::lock(&config)?;
    let app = data_dir::open(config).await?;
    app.prepare_to_serve().await?;
    let listeners = server::bind(&app.config)?;
    let mut stop = Signals::new()?;
    let running = server::start_with(app, listeners, move |cfg| {
        for answer in &answers {
            let made = answer.clone();
            // the body is read, as the handlers do
            let route = web::to(move |_: Bytes| std::future::ready(made.respond()));
            let resource = web::resource(answer.path.as_str()).app_data(metered::Slot::default());
            match answer.cors {
                true => cfg.service(resource.wrap(cors::public()).default_service(route)),
                false => cfg.service(resource.default_service(route)),
            };
        }
    })?;
    out::print("ready");
    stop.received().await;
    running.stop(true).await;
    Ok(())
}
