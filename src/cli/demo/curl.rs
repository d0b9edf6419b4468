//! The same protocol by hand: commands that work as they are pasted, with nothing but curl and sed.

use super::{
    Demo, paths,
    seed::{SERVICE, SERVICE_SCOPE},
};
use crate::pages::view::DemoCommand;

impl Demo {
    /// The commands for the terminal and the start page. `access_token` is that of a person who signed in.
    pub fn curl_lines(&self, access_token: Option<&str>) -> Vec<DemoCommand> {
        let service = format!("{SERVICE}:{}", self.seeded.service_secret.reveal());
        let ask = format!(
            "curl -s -u '{service}' -d grant_type=client_credentials -d scope={SERVICE_SCOPE} \
             -d resource={} {}",
            self.url(paths::RESOURCE),
            self.url("/oauth/token")
        );
        let keep = format!("TOKEN=$({ask} | sed -n 's/.*\"access_token\": *\"\\([^\"]*\\)\".*/\\1/p')");
        let line = |title: &str, command: String| DemoCommand { title: title.to_owned(), command };
        let mut lines = vec![
            line("A token for a service (client_credentials)", ask),
            line(
                "What the server says about such a token (introspection)",
                format!("{keep}; curl -s -u '{service}' -d token=\"$TOKEN\" {}", self.url("/oauth/introspect")),
            ),
        ];
        if let Some(token) = access_token {
            lines.push(line(
                "Who signed in (userinfo)",
                format!("curl -s -H 'Authorization: Bearer {token}' {}", self.url("/oauth/userinfo")),
            ));
        }
        lines
    }

    /// The command that asks the protected resource, for the start page.
    pub fn resource_line(&self) -> DemoCommand {
        DemoCommand {
            title: "A protected API, which asks the server about the token (the line above has kept it)".to_owned(),
            command: format!("curl -s -H \"Authorization: Bearer $TOKEN\" {}", self.url(paths::RESOURCE)),
        }
    }
}
