//! `keyward setup-link`.

use super::{Refused, data_dir, load, out, serve};
use crate::config::ConfigArgs;

/// Prints a new link for the first owner. A running server accepts it at once, and the one before no more.
///
/// # Errors
/// There is or was an owner.
pub async fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let app = data_dir::open_existing(load(args)?).await?;
    match serve::setup_link(&app).await? {
        Some(link) => out::print(&link),
        None => {
            let why = "the set-up is done: an owner was made. Another one is made by: keyward principal create --role \
                       system:owner";
            return Err(Refused(vec![why.to_owned()]).into());
        }
    }
    Ok(())
}
