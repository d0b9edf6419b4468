//! The forms of our own pages, as commands read them that go the way of a browser.

/// A form of our own pages: where it is posted, and its hidden fields.
#[derive(Debug, PartialEq)]
pub struct Form {
    /// Where it is posted, relative to the page.
    pub action: String,
    /// Names and values of its hidden fields.
    pub hidden: Vec<(String, String)>,
}

impl Form {
    /// The form with this id, if the page has it.
    pub fn find(html: &str, id: &str) -> Option<Form> {
        let id = format!("id=\"{id}\"");
        html.split("<form ").skip(1).find_map(|form| {
            let (tag, rest) = form.split_once('>')?;
            if !tag.contains(&id) {
                return None;
            }
            let (inside, _) = rest.split_once("</form>")?;
            let hidden = inside
                .split("<input ")
                .skip(1)
                .filter_map(|input| input.split_once('>'))
                .filter(|(tag, _)| tag.contains("type=\"hidden\""))
                .filter_map(|(tag, _)| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
                .collect();
            Some(Form { action: attribute(tag, "action")?, hidden })
        })
    }
}

/// What a page is called.
pub fn title(html: &str) -> String {
    let title = html.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    unescaped(title.map_or("no title", |(title, _)| title))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| unescaped(value))
}

/// Undoes what the templates escape.
fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for (escaped, plain) in [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")] {
        text = text.replace(escaped, plain);
    }
    text
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;
    use crate::{pages::view, web::view::Frame};

    #[test]
    fn the_forms_of_our_pages_are_read() {
        let page = view::Login {
            frame: Frame { brand: "Keyward".to_owned(), base: String::new(), request_id: String::new() },
            action: "/login?a=1&b=2".to_owned(),
            csrf_token: "t\"<>'&amp;".to_owned(),
            request: "sealed".to_owned(),
            client_name: Some("Demo".to_owned()),
            username: String::new(),
            stay_signed_in: false,
            error: None,
            retry_after_seconds: None,
            notice: None,
            account: None,
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let html = page.render().unwrap();
        assert_eq!(
            Form::find(&html, "login-form"),
            Some(Form {
                action: "/login?a=1&b=2".to_owned(),
                hidden: vec![pair("csrf_token", "t\"<>'&amp;"), pair("request", "sealed")],
            })
        );
        assert_eq!(Form::find(&html, "consent-form"), None);
    }
}
