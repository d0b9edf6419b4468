//! `POST /resources/graph` and `POST /resources/graph/query`

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};
use serde_json::{Value, json};

use super::{
    access,
    answer::{ItemsDocument, QueryDocument},
    csv, cursor,
};
use crate::{
    app::App,
    directory::{Actor, Refusal, document},
    model::{
        graph::request::{self, Invalid, Query, QueryInput, StructuredInput},
        id::shown,
        problem::{Code, Problem},
    },
    store::{
        self,
        graph::{Ask, Bounds},
    },
    web::{
        answer,
        body::Body,
        caller::{Caller, need::GraphRead},
        problem::Declined,
    },
};

/// How much one request may cost.
pub const BOUNDS: Bounds = Bounds { rows: 20_000, time: Duration::from_millis(1500) };
/// How many nodes one request may ask for, with those that its navigations lead to.
pub const MAX_NODES: usize = 20_000;

/// In which form an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

/// Answers several queries of the same moment, each with what its nodes lead to
#[utoipa::path(
    post, path = "/resources/graph", operation_id = "queryGraph", tag = "graph",
    params(("format" = Option<String>, Query, description = "`json`, or `csv` for one query; absent: as `Accept` says")),
    request_body(content = Vec<QueryInput>),
    responses((status = 200, content((Vec<QueryDocument> = "application/json"), (String = "text/csv")))),
    security(("oauth" = ["graph/identity:read"]), ("oauth" = ["graph/sending:read"]), ("oauth" = ["graph/role:read"]))
)]
pub async fn nested(
    caller: Caller<GraphRead>,
    req: HttpRequest,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let format = format(&req)?;
    let input: Vec<QueryInput> = document::read(body.value)?;
    let queries = request::nested(&input).map_err(refused)?;
    if format == Format::Csv {
        let [query] = queries.as_slice() else {
            return Err(Refusal::at(Code::QueryError, "", "expected one query where the answer is CSV").into());
        };
        csv::check(query).map_err(refused)?;
    }
    let pointer = |n: usize| format!("/{n}");
    let answers = run(&caller.actor, queries, pointer, &app).await?;
    match (format, answers.as_slice()) {
        (Format::Csv, [(query, answer)]) => written(query, answer),
        _ => {
            let answers: Vec<QueryDocument> = answers.into_iter().map(|(_, answer)| answer).collect();
            Ok(answer::value(StatusCode::OK, &answers))
        }
    }
}

/// Answers one query without navigation
#[utoipa::path(
    post, path = "/resources/graph/query", operation_id = "queryResource", tag = "graph",
    params(("format" = Option<String>, Query, description = "`json` or `csv`; absent: as `Accept` says")),
    request_body = StructuredInput,
    responses((status = 200, content((ItemsDocument = "application/json"), (String = "text/csv")))),
    security(("oauth" = ["graph/identity:read"]), ("oauth" = ["graph/sending:read"]), ("oauth" = ["graph/role:read"]))
)]
pub async fn structured(
    caller: Caller<GraphRead>,
    req: HttpRequest,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let format = format(&req)?;
    let input: StructuredInput = document::read(Value::Object(body.object()?))?;
    let query = request::structured(&input).map_err(refused)?;
    let mut answers = run(&caller.actor, vec![query], |_| String::new(), &app).await?;
    let Some((query, answer)) = answers.pop() else {
        return Err(Refusal::new(Code::Internal, "a query without an answer").into());
    };
    match format {
        Format::Csv => written(&query, &answer),
        Format::Json => Ok(answer::value(StatusCode::OK, &ItemsDocument::from(answer))),
    }
}

/// The answers, in the order of the queries; `pointer` tells where in the body a query is.
async fn run(
    actor: &Actor,
    queries: Vec<Query>,
    pointer: impl Fn(usize) -> String,
    app: &App,
) -> Result<Vec<(Query, QueryDocument)>, Declined> {
    let sight = access::sight(actor, &queries)?;
    let nodes: usize = queries.iter().map(nodes).sum();
    if nodes > MAX_NODES {
        let message = format!("expected queries whose limits allow {MAX_NODES} nodes in all, got {nodes}");
        return Err(Refusal::at(Code::QueryError, "", message).into());
    }
    let sealer = &app.seals.cursor;
    let asks = queries.into_iter().enumerate().map(|(n, query)| cursor::ask(query, &pointer(n), sealer));
    let asks: Vec<Ask> = asks.collect::<Result<_, Refusal>>()?;
    let now = app.clock.now();
    let (asks, answers) = app
        .store
        .list(move |conn| {
            let answers = store::graph::run(conn, &asks, &sight, now, BOUNDS)?;
            Ok::<_, store::Error>((asks, answers))
        })
        .await?;
    let written = asks.into_iter().zip(answers).map(|(ask, answer)| {
        let answer = QueryDocument::new(&ask.query, answer, sealer);
        (ask.query, answer)
    });
    Ok(written.collect())
}

/// How many nodes a query may answer.
fn nodes(query: &Query) -> usize {
    query.limit.saturating_mul(query.navigate.iter().map(nodes).sum::<usize>().saturating_add(1))
}

fn refused(invalid: Invalid) -> Refusal {
    let message = match invalid.at {
        Some(at) => format!("at {at}: {}", invalid.message),
        None => invalid.message,
    };
    let problem = Problem::at(Code::QueryError, invalid.pointer, message);
    match invalid.at {
        Some(at) => problem.with(json!({ "position": at })).into(),
        None => problem.into(),
    }
}

/// The form that the query names, or else the headers.
fn format(req: &HttpRequest) -> Result<Format, Refusal> {
    let mut format = None;
    for (name, value) in form_urlencoded::parse(req.query_string().as_bytes()) {
        if name != "format" {
            return Err(Refusal::new(Code::UnknownParameter, format!("expected format, got '{}'", shown(&name))));
        }
        let one = match &*value {
            "json" => Format::Json,
            "csv" => Format::Csv,
            other => {
                let detail = format!("expected format to be json or csv, got '{}'", shown(other));
                return Err(Refusal::new(Code::ParameterInvalid, detail));
            }
        };
        if format.replace(one).is_some() {
            return Err(Refusal::new(Code::ParameterRepeated, "expected format once"));
        }
    }
    Ok(format.unwrap_or_else(|| accepted(req)))
}

/// CSV where the headers name it and not JSON (RFC 9110 §12.5.1).
fn accepted(req: &HttpRequest) -> Format {
    let accepts = |media_type: &str| {
        let values = req.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
        let mut ranges = values.flat_map(|value| value.split(','));
        ranges.any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
            let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f32>().ok());
            named && weight.is_none_or(|weight| weight > 0.0)
        })
    };
    if accepts("text/csv") && !accepts("application/json") { Format::Csv } else { Format::Json }
}

/// An answer as CSV, with the rest of it in headers.
fn written(query: &Query, answer: &QueryDocument) -> Result<HttpResponse, Declined> {
    let nodes: Vec<Value> = answer.nodes.iter().cloned().map(Value::Object).collect();
    let text = csv::text(query, &nodes).map_err(refused)?;
    let mut response = HttpResponse::Ok();
    response.content_type("text/csv; charset=utf-8").insert_header((header::CACHE_CONTROL, "no-store"));
    let headers = [
        ("total-count", answer.total_count.map(|count| count.to_string())),
        ("total-count-relation", answer.total_count_relation.map(str::to_owned)),
        ("first-cursor", answer.first_cursor.clone()),
        ("last-cursor", answer.last_cursor.clone()),
        ("complete", Some(answer.meta.complete.to_string())),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            response.insert_header((HeaderName::from_static(name), value));
        }
    }
    Ok(response.body(text))
}
