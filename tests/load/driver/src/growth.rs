//! `--growth`: what becomes of the cost where there is much.

use crate::{args::Args, report::Report};

/// Runs it.
pub async fn run(_: &Args, _: &mut Report) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
