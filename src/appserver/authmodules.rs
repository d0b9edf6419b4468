//! `appserver/authmodules`: which modules there are, and what each asks for. Nobody has to be signed in.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{
    answer::ok,
    error::{AppserverError, Code},
};
use crate::{
    app::App,
    model::{auth_module::AuthModule, auth_string::AuthString, id::shown},
};

/// A module in the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: &'static str,
    caption: &'static str,
    password_based: bool,
    is_default: bool,
}

/// A module by itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Detailed {
    id: &'static str,
    caption: &'static str,
    auth_template: String,
    password_based: bool,
    is_default: bool,
}

/// `GET appserver/authmodules`
pub async fn list(app: web::Data<App>) -> HttpResponse {
    let default = app.config.default_auth_module();
    let listed = |module: AuthModule| Listed {
        id: module.as_str(),
        caption: module.caption(),
        password_based: module.is_password_based(),
        is_default: default == Some(module),
    };
    ok(&app.config.auth_modules().into_iter().map(listed).collect::<Vec<_>>())
}

/// `GET appserver/authmodules/{id}`: an array of one.
pub async fn detail(app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, AppserverError> {
    let known = id.parse::<AuthModule>().ok().filter(|module| app.config.auth_modules().contains(module));
    let Some(module) = known else {
        return Err(AppserverError::new(Code::NotFound, format!("there is no module '{}'", shown(&id))));
    };
    Ok(ok(&[Detailed {
        id: module.as_str(),
        caption: module.caption(),
        auth_template: template(module, app.config.appserver.initial().get(&module)),
        password_based: module.is_password_based(),
        is_default: app.config.default_auth_module() == Some(module),
    }]))
}

/// What a program makes an authentication string of: `Module=id;(type)Name[caption]=default;…`. It strips what stands in
/// brackets and fills in values.
fn template(module: AuthModule, initial: Option<&AuthString>) -> String {
    let mut template = format!("Module={module}");
    for property in module.properties() {
        template.push(';');
        if let Some(kind) = property.kind {
            template.push_str(&format!("({kind})"));
        }
        // a default that the program would strip or split is filled in here when it is left out
        let plain = |text: &&str| !text.contains(['(', ')', '[', ']', ';', '"', '\'']);
        let default = initial.and_then(|initial| initial.get(property.name)).filter(plain).unwrap_or_default();
        template.push_str(&format!("{}[{}]={default}", property.name, property.caption));
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_as_in_the_guide() {
        assert_eq!(
            template(AuthModule::DialogUser, None),
            "Module=DialogUser;User[VI.DB_USER]=;(Password)Password[VI.DB_Password]="
        );
        assert_eq!(template(AuthModule::HttpHeader, None), "Module=HTTPHeader");
    }

    #[test]
    fn configured_values_are_defaults_unless_a_program_would_break_them() {
        let initial: AuthString = "Module=OAuth;ClientId=shop;RedirectUri='https://x/(a);b'".parse().unwrap();
        let template = template(AuthModule::OAuth, Some(&initial));
        assert!(template.contains(";ClientId[VI.DB_ClientId]=shop;"), "{template}");
        assert!(template.contains(";RedirectUri[VI.DB_RedirectUri]=;"), "{template}");
    }
}
