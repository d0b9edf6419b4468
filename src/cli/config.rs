//! `keyward config show | check | reference`.

use clap::Subcommand;

use super::out;
use crate::{
    config::{
        Config, ConfigArgs, Loaded, Origin, environment,
        table::{Described, describe},
    },
    server,
};

/// What to tell about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every option with its effective value and where that came from, as a configuration file
    Show(ConfigArgs),
    /// Print everything that is wrong with the configuration, or what the server would do
    Check(ConfigArgs),
    /// Print the reference of all options, in Markdown
    Reference,
}

/// Runs the command.
///
/// # Errors
/// Everything that is wrong with the configuration.
pub fn run(command: &ConfigCommand) -> anyhow::Result<()> {
    out::print(&match command {
        ConfigCommand::Show(args) => show(&Config::load(args, environment())?),
        ConfigCommand::Check(args) => {
            let loaded = Config::load(args, environment())?;
            server::check(&loaded.config)?;
            check(&loaded)
        }
        ConfigCommand::Reference => reference(),
    });
    Ok(())
}

/// What `config show` prints: every option with its effective value and where that came from, as TOML; secrets are
/// `(hidden)`.
pub fn show(loaded: &Loaded) -> String {
    let mut out = match &loaded.file {
        Some(file) => format!("# Configuration file: {}\n", file.display()),
        None => "# No configuration file was read.\n".to_owned(),
    };
    for option in describe(&loaded.config) {
        if let Some((section, _)) = option.opens {
            out.push_str(&format!("\n[{section}]\n"));
        }
        let key = option.about.key;
        let name = key.rsplit('.').next().unwrap_or(key);
        let origin = loaded.origin(key);
        out.push_str(&match (&option.value, origin) {
            // As comments, so that the output stays a configuration file that can be used
            (Some(hidden), origin) if hidden == "(hidden)" => format!("# {name} = (hidden)  # {origin}\n"),
            (None, origin) => format!("# {name} is {}  # {origin}\n", unset(&option)),
            (Some(value), Origin::Default) if option.about.shown.is_some() => {
                format!("{name} = {value}  # default: {}\n", unset(&option))
            }
            (Some(value), origin) => format!("{name} = {value}  # {origin}\n"),
        });
    }
    out
}

/// What `config check` prints of a configuration in which nothing is wrong. What it prints otherwise is the
/// `ConfigErrors` that loading returned.
pub fn check(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    let file = match &loaded.file {
        Some(file) => format!("{} was read", file.display()),
        None => "no configuration file was read".to_owned(),
    };
    format!(
        "The configuration is sound ({file}).\n  issuer:   {}\n  listen:   {}\n  database: {}\n  mail:     {}\n",
        config.issuer(),
        listen.join(", "),
        config.database(),
        config.mail
    )
}

/// The reference of all options in Markdown, as the README has it.
pub fn reference() -> String {
    let mut out = String::from(
        "A value is taken from the first place that has it: a flag (`--set key=value`, some options have one of their \
         own), the environment, the configuration file (`--config FILE` or `KEYWARD_CONFIG`, else `./keyward.toml` if \
         there is one), the default. The file is TOML: `section.option` is `option` under `[section]`. Durations are \
         written `500ms`, `60s`, `10m`, `12h`, `30d`; a bare number means seconds. In the environment and in flags, the \
         items of a list are separated by commas, and an empty value unsets an option that need not be set. Relative \
         paths start at the working directory. `keyward config show` prints the effective values and where each came \
         from, `keyward config check` everything that is wrong. An unknown option or `KEYWARD_*` variable is refused; \
         exempt are `KEYWARD_TOKEN`, `KEYWARD_TEST_*`, and what Kubernetes sets for a service named keyward (`KEYWARD_SERVICE_*`, \
         `KEYWARD_PORT`, `KEYWARD_PORT_*`).\n",
    );
    for (index, option) in describe(&Config::defaults()).iter().enumerate() {
        if let Some((section, doc)) = option.opens {
            out.push_str(&format!("\n**`[{section}]`** {}\n", words(doc)));
        }
        if option.opens.is_some() || index == 0 {
            out.push_str("\n| Option | Environment variable | Default | Meaning |\n| --- | --- | --- | --- |\n");
        }
        let default = match (option.about.shown, &option.value) {
            (Some(shown), _) => shown.to_owned(),
            (None, Some(value)) => format!("`{value}`"),
            (None, None) => "not set".to_owned(),
        };
        let (key, variable) = (option.about.key, option.about.variable());
        let meaning = meaning(option);
        let cells =
            [format!("`{key}`"), format!("`{variable}`"), default, meaning].map(|cell| cell.replace('|', "\\|"));
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}

/// What the default of an option is that has no value.
fn unset(option: &Described) -> String {
    match option.about.shown {
        Some(shown) => shown.replace('`', ""),
        None => "not set".to_owned(),
    }
}

fn meaning(option: &Described) -> String {
    let mut meaning = words(option.about.doc);
    if let Some(limits) = &option.limits {
        meaning.push_str(&format!(" Limits: {limits}."));
    }
    if option.secret {
        let (key, variable) = (option.about.key, option.about.variable());
        meaning.push_str(&format!(" Or as the name of a file that holds it: `{key}_file`, `{variable}_FILE`."));
    }
    meaning
}

/// A documentation comment as one line.
fn words(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn loaded(env: &[(&str, &str)]) -> Loaded {
        let args = ConfigArgs { set: vec!["workers=2".to_owned()], ..ConfigArgs::default() };
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load_from(Path::new("/nowhere/keyward.toml"), &args, env).unwrap()
    }

    #[test]
    fn show_tells_every_value_and_its_origin() {
        let loaded = loaded(&[
            ("KEYWARD_TOKENS_REFRESH_IDLE", "7d"),
            ("KEYWARD_MASTER_KEY", "hush-hush-hush-hush-hush-hush-32"),
        ]);
        let shown = show(&loaded);
        for line in [
            "listen = [\"127.0.0.1:8080\"]  # default",
            "issuer = \"http://localhost:8080\"  # default: http://localhost: and the port of listen; https:// with a \
             certificate",
            "# database_url is keyward.db in data_dir  # default",
            "# master_key = (hidden)  # KEYWARD_MASTER_KEY",
            "workers = 2  # --set",
            "[tokens]",
            "refresh_idle = \"7d\"  # KEYWARD_TOKENS_REFRESH_IDLE",
            "signing_algorithms = [\"RS256\", \"ES256\"]  # default",
        ] {
            assert!(shown.lines().any(|l| l == line), "{line}\n---\n{shown}");
        }
        assert!(!shown.contains("hush"));
    }

    #[test]
    fn no_secret_is_printed() {
        let loaded = loaded(&[
            ("KEYWARD_DATABASE_URL", "postgres://keyward:hush@db/keyward?password=hush"),
            ("KEYWARD_MASTER_KEY", "hush-hush-hush-hush-hush-hush-32"),
            ("KEYWARD_BOOTSTRAP_CLIENT_ID", "c"),
            ("KEYWARD_BOOTSTRAP_CLIENT_SECRET", "hush-hush-hush-hush-hush-hush-33"),
        ]);
        let said = show(&loaded) + &check(&loaded);
        assert!(
            said.contains("database_url = \"postgres://keyward:***@db/keyward?***\"  # KEYWARD_DATABASE_URL"),
            "{said}"
        );
        assert!(said.contains("  database: postgres://keyward:***@db/keyward?***"), "{said}");
        assert!(!said.contains("hush"), "{said}");
    }

    #[test]
    fn what_show_prints_is_a_configuration_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keyward.toml");
        let before = loaded(&[("KEYWARD_LOGIN_MAX_DELAY", "20m")]);
        std::fs::write(&path, show(&before)).unwrap();
        let args = ConfigArgs { config: Some(path), ..ConfigArgs::default() };
        let after = Config::load(&args, []).unwrap();
        assert_eq!(format!("{:?}", before.config), format!("{:?}", after.config));
    }

    #[test]
    fn check_tells_what_the_server_would_do() {
        assert_eq!(
            check(&loaded(&[])),
            "The configuration is sound (no configuration file was read).\n  issuer:   http://localhost:8080\n  \
             listen:   127.0.0.1:8080\n  database: sqlite://./keyward-data/keyward.db\n  mail:     \
             none is sent\n"
        );
    }

    #[test]
    fn the_reference_has_a_row_for_every_option() {
        let reference = reference();
        for option in describe(&Config::defaults()) {
            let row = format!("| `{}` | `{}` | ", option.about.key, option.about.variable());
            assert_eq!(reference.matches(&row).count(), 1, "{row}");
        }
        for row in [
            "| `tokens.authorization_code_lifetime` | `KEYWARD_TOKENS_AUTHORIZATION_CODE_LIFETIME` | `\"60s\"` | The life of \
             an authorization code (RFC 6749 §4.1.2: at most ten minutes). Limits: from 1s to 10m. |",
            "| `bootstrap.client_secret` | `KEYWARD_BOOTSTRAP_CLIENT_SECRET` | not set | That client's secret, at least 32 \
             characters. Or as the name of a file that holds it: `bootstrap.client_secret_file`, \
             `KEYWARD_BOOTSTRAP_CLIENT_SECRET_FILE`. |",
        ] {
            assert!(reference.lines().any(|line| line == row), "{row}\n---\n{reference}");
        }
    }
}
