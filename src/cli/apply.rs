//! `keyward apply`.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use serde_json::{Map, Value};

use super::{
    Refused, export, file, out,
    place::{Place, PlaceArgs},
    resource, table,
};

/// The most characters of a value in the difference.
const MAX_VALUE: usize = 80;

/// What to apply.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// A file in TOML or JSON, as `keyward export` writes it; - is standard input
    file: PathBuf,
    /// Change nothing, only show what would be changed
    #[arg(long)]
    dry_run: bool,
    /// Delete what is not in the file, of the sections that the file has, after asking
    #[arg(long)]
    prune: bool,
    /// Delete without asking
    #[arg(long)]
    yes: bool,
    /// Print JSON, as the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Makes roles, clients and principals as a file says.
///
/// # Errors
/// Everything that is wrong with the file; then nothing is changed.
pub async fn run(args: ApplyArgs) -> anyhow::Result<()> {
    let text = resource::read(&args.file, "FILE")?;
    let name = args.file.display();
    let wanted = file::parse(&text).map_err(|fault| Refused(vec![format!("{name}: {fault}")]))?;
    let place = Place::open(&args.place).await?;
    if args.prune && !args.dry_run && !args.yes {
        let deleted = deleted(&through(&place, wanted.clone(), true, true).await?);
        if !deleted.is_empty() {
            deleted.iter().for_each(|line| out::note(&out::plain(line)));
            if !out::confirm(&format!("Delete these {}?", deleted.len()))? {
                anyhow::bail!("nothing was changed");
            }
        }
    }
    let applied = through(&place, wanted, args.dry_run, args.prune).await?;
    match args.json {
        true => out::json(&applied),
        false => out::print(&difference(&applied)),
    }
    Ok(())
}

/// Applies with a progress bar, which is gone afterwards.
async fn through(place: &Place, wanted: Map<String, Value>, dry_run: bool, prune: bool) -> anyhow::Result<Value> {
    let bar = export::bar("entries")?;
    let moved = bar.clone();
    let progress = Arc::new(move |done: usize, of: usize| {
        moved.set_length(of as u64);
        moved.set_position(done as u64);
    });
    let applied = place.apply(wanted, dry_run, prune, progress).await;
    bar.finish_and_clear();
    applied
}

fn changes(applied: &Value) -> impl Iterator<Item = &Value> {
    applied["changes"].as_array().into_iter().flatten()
}

fn named(change: &Value) -> String {
    let text = |name: &str| change[name].as_str().unwrap_or_default();
    let label = if text("label").is_empty() { String::new() } else { format!(" ({})", text("label")) };
    format!("{} {}{label}", text("type"), text("id"))
}

fn deleted(applied: &Value) -> Vec<String> {
    changes(applied)
        .filter(|change| change["action"] == "deleted")
        .map(|change| format!("- {}", named(change)))
        .collect()
}

/// What was done, a line each: `+` made, `~` changed with its members, `-` deleted.
fn difference(applied: &Value) -> String {
    let mut text = String::new();
    for change in changes(applied) {
        let sign = match change["action"].as_str() {
            Some("created") => '+',
            Some("deleted") => '-',
            _ => '~',
        };
        text.push_str(&format!("{sign} {}\n", out::plain(&named(change))));
        for member in change["members"].as_array().into_iter().flatten() {
            let path = member["path"].as_str().unwrap_or_default();
            text.push_str(&format!(
                "    {}: {} -> {}\n",
                out::plain(path),
                brief(&member["from"]),
                brief(&member["to"])
            ));
        }
    }
    let count = |name: &str| applied[name].as_u64().unwrap_or_default();
    let counts = ["created", "changed", "deleted", "unchanged"].map(|name| format!("{} {name}", count(name)));
    let dry = if applied["dryRun"] == true { " (dry run: nothing was written)" } else { "" };
    text.push_str(&format!("{}{dry}\n", counts.join(", ")));
    text
}

fn brief(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        other => table::text(other),
    };
    let mut brief: String = out::plain(&text).chars().take(MAX_VALUE).collect();
    if text.chars().nth(MAX_VALUE).is_some() {
        brief.push('…');
    }
    if brief.is_empty() { "empty".to_owned() } else { brief }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_difference_is_a_line_for_each_object_and_each_member() {
        let change = |action: &str, members: Value| json!({"type": "role", "id": "a:b", "action": action, "label": null, "members": members});
        let applied = json!({"dryRun": true, "created": 1, "changed": 1, "deleted": 1, "unchanged": 2, "changes": [
            change("created", json!([])),
            change("changed", json!([{"path": "/description", "from": null, "to": "x\u{1b}"}])),
            change("deleted", json!([])),
        ]});
        assert_eq!(
            difference(&applied),
            "+ role a:b\n~ role a:b\n    /description: nothing -> x\u{fffd}\n- role a:b\n\
             1 created, 1 changed, 1 deleted, 2 unchanged (dry run: nothing was written)\n"
        );
    }
}
