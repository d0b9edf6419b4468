//! `keyward dev bench-lists`: how long pages of lists take, through the same functions as the server's.

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use super::super::data_dir;
use crate::{
    app,
    cli::{load, out},
    config::{Config, ConfigArgs, DatabaseUrl},
    model::permission::Visibility,
    store::{
        self, Store,
        listing::{self, Direction, Key, Order, Page, PrincipalFilter, Side, Sort, Total},
    },
};

/// What to measure.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// How often each page is read
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Only this page
    #[arg(long)]
    only: Option<String>,
    /// Another database, `sqlite://path` or `postgres://…`, whose pages are read in turn with this one's
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The median and the 99th percentile in microseconds.
type Took = (u64, u64);

/// Runs the command.
///
/// # Errors
/// One of the databases cannot be read.
pub async fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let config = load(&args.config)?;
    let other = match args.against.as_deref().map(DatabaseUrl::from) {
        Some(url) => {
            url.target().map_err(|expected| anyhow::anyhow!("--against: expected {expected}, got {}", url.masked()))?;
            Some(Config { database_url: Some(url), ..config.clone() })
        }
        None => None,
    };
    let store = data_dir::open_existing(config).await?.store.clone();
    let shapes = shapes(&store).await?;
    let mut text = format!("{:34} {:>6} {:>8} {:>10} {:>10}", "page of 50", "rows", "total", "p50 µs", "p99 µs");
    let other = match other {
        Some(config) => {
            text.push_str("   the other database    ratio");
            let target = app::target(&config);
            let store = tokio::task::spawn_blocking(move || Store::open(&target)).await??;
            let shapes = self::shapes(&store).await?;
            Some((store, shapes))
        }
        None => None,
    };
    out::print(&format!("{text}\n"));
    for (at, (name, filter, page)) in shapes.iter().enumerate() {
        if args.only.as_ref().is_some_and(|only| name != only) {
            continue;
        }
        let mut reads = vec![(&store, filter, page)];
        if let Some((store, shapes)) = &other {
            reads.push((store, &shapes[at].1, &shapes[at].2));
        }
        let measured = measure(&reads, args.rounds).await?;
        let (rows, total, took) = &measured[0];
        let mut line = format!("{name:34} {rows:6} {total:>8} {:10} {:10}", took.0, took.1);
        if let Some((_, _, before)) = measured.get(1) {
            let ratio = |now: u64, then: u64| now as f64 / then.max(1) as f64;
            let (median, most) = (ratio(took.0, before.0), ratio(took.1, before.1));
            line.push_str(&format!(" {:10} {:10} {median:5.2} {most:5.2}", before.0, before.1));
        }
        out::print(&format!("{line}\n"));
    }
    Ok(())
}

/// How long these pages take, each read once in every round, and what they have.
async fn measure(
    reads: &[(&Store, &PrincipalFilter, &Page)],
    rounds: usize,
) -> anyhow::Result<Vec<(usize, String, Took)>> {
    let mut times = vec![Vec::with_capacity(rounds); reads.len()];
    let mut shown = vec![(0, String::new()); reads.len()];
    for round in 0..rounds + 5 {
        for (at, (store, filter, page)) in reads.iter().enumerate() {
            let (filter, page) = ((*filter).clone(), (*page).clone());
            let begun = Instant::now();
            let listed = store.list(move |conn| listing::principals::list(conn, &filter, &page)).await?;
            let elapsed = begun.elapsed();
            // the first ones fill the caches
            if round >= 5 {
                times[at].push(elapsed);
            }
            let total = match listed.total {
                Total::Exact(n) => n.to_string(),
                Total::AtLeast(n) => format!("{n}+"),
            };
            shown[at] = (listed.items.len(), total);
        }
    }
    let took = times.into_iter().zip(shown).map(|(mut took, (rows, total))| {
        took.sort();
        let at = |part: usize| took.get((took.len() * part / 100).min(took.len().saturating_sub(1))).copied();
        let micros =
            |time: Option<Duration>| time.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        (rows, total, (micros(at(50)), micros(at(99))))
    });
    Ok(took.collect())
}

type Shape = (&'static str, PrincipalFilter, Page);

async fn shapes(store: &Store) -> anyhow::Result<Vec<Shape>> {
    let everybody = || PrincipalFilter::new(Visibility::All);
    // somebody in the middle stands for page 10,000 and for what is unique
    let middle = store
        .list(move |conn| {
            let total = match listing::principals::list(conn, &everybody(), &Page::first(1, Order::CreatedAt))?.total {
                Total::Exact(n) | Total::AtLeast(n) => n,
            };
            let position = Some((Side::After, Key { sort: Sort::None, seq: i64::try_from(total / 2).unwrap_or(0) }));
            let page = Page { position, ..Page::first(20, Order::CreatedAt) };
            let listed = listing::principals::list(conn, &everybody(), &page)?;
            let somebody = listed.items.into_iter().find(|(row, _)| row.email.is_some() && row.phone.is_some());
            Ok::<_, store::Error>(somebody.map(|(row, _)| row).zip(listed.first))
        })
        .await?;
    let Some((somebody, at)) = middle else { anyhow::bail!("expected a filled database: see `keyward dev fill`") };
    let email = somebody.email.unwrap_or_default();
    let phone = somebody.phone.unwrap_or_default();
    let page = |order| Page::first(50, order);
    let deep = |side, order, sort: Sort| {
        let seq = if sort == Sort::None { at.seq } else { 0 };
        Page { position: Some((side, Key { sort, seq })), ..page(order) }
    };
    let first = || page(Order::CreatedAt);
    let middle = || deep(Side::After, Order::CreatedAt, Sort::None);
    let with = |change: &dyn Fn(&mut PrincipalFilter)| {
        let mut filter = everybody();
        change(&mut filter);
        filter
    };
    let text = |text: &str| Some(text.to_owned());
    let (common, local) = (email.split('@').nth(1).unwrap_or_default(), email.split('@').next().unwrap_or_default());
    let seen = Visibility::Matching(vec![vec![("region".to_owned(), vec!["eu".to_owned(), "us".to_owned()])]]);
    let mut shapes: Vec<Shape> = vec![
        ("first", everybody(), first()),
        ("in the middle", everybody(), middle()),
        ("before the middle", everybody(), deep(Side::Before, Order::CreatedAt, Sort::None)),
        ("last", everybody(), Page { direction: Direction::Descending, ..first() }),
        ("suspended too", with(&|f| f.include_suspended = true), first()),
        ("suspended too, in the middle", with(&|f| f.include_suspended = true), middle()),
        ("by name", everybody(), page(Order::Name)),
        ("by name, in the middle", everybody(), deep(Side::After, Order::Name, Sort::Text("m".to_owned()))),
        ("by email, in the middle", everybody(), deep(Side::After, Order::Email, Sort::Text("m".to_owned()))),
        ("by last activity", everybody(), Page { direction: Direction::Descending, ..page(Order::LastActiveAt) }),
        ("role, common", with(&|f| f.role = text("support:agent")), first()),
        ("role, common, in the middle", with(&|f| f.role = text("support:agent")), middle()),
        ("role, unknown", with(&|f| f.role = text("support:nobody")), first()),
        ("roles", with(&|f| f.roles = vec!["store:lead".to_owned(), "portal:agent".to_owned()]), first()),
        ("rolePrefix", with(&|f| f.role_prefix = text("support:")), first()),
        ("rolePrefix, in the middle", with(&|f| f.role_prefix = text("support:")), middle()),
        ("name, common", with(&|f| f.name = text("anna")), first()),
        ("name, common, in the middle", with(&|f| f.name = text("anna")), middle()),
        ("name, one in 400", with(&|f| f.name = text("schmer")), first()),
        ("name, one in 400, in the middle", with(&|f| f.name = text("schmer")), middle()),
        ("name, two letters", with(&|f| f.name = text("ö")), first()),
        ("name, nobody", with(&|f| f.name = text("qxzzyq")), first()),
        ("name, nobody, three letters", with(&|f| f.name = text("qxz")), first()),
        ("email, everybody", with(&|f| f.email = text("example")), first()),
        ("email, one domain", with(&|f| f.email = text(common)), middle()),
        ("email, unique", with(&|f| f.email = text(&email)), first()),
        ("email, unique local part", with(&|f| f.email = text(local)), first()),
        ("q, common", with(&|f| f.q = text("maria")), first()),
        ("q, a phone", with(&|f| f.q = text(&phone)), first()),
        ("q, end of a phone", with(&|f| f.q = text(phone.get(5..).unwrap_or_default())), first()),
        ("conditional", PrincipalFilter::new(seen.clone()), first()),
        ("conditional, in the middle", PrincipalFilter::new(seen), middle()),
        (
            "role and name",
            with(&|f| {
                f.role = text("support:agent");
                f.name = text("anna");
            }),
            first(),
        ),
        ("role by name", with(&|f| f.role = text("support:agent")), page(Order::Name)),
        ("name by name", with(&|f| f.name = text("anna")), page(Order::Name)),
        ("name, one in 400, by email", with(&|f| f.name = text("schmer")), page(Order::Email)),
    ];
    shapes.retain(|(_, filter, _)| filter.email.as_deref() != Some(""));
    Ok(shapes)
}
