//! The house keeps its shape: who imports whom, where files lie, what stands at the top.

#![allow(clippy::unwrap_used)] // a test that cannot read the sources should fail

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The faces. None of them imports another: what two of them share moves down into `web`.
const FACES: [&str; 7] = ["oauth", "iam", "me", "graph", "sendings", "appserver", "pages"];

/// What a room may import besides itself, the house's values, `model`, and what it counts with, `metrics`. `FACES` stands for all of them.
const TABLE: [(&[&str], &[&str]); 12] = [
    (&["main"], &["cli"]),
    (
        &["cli"],
        &[
            "server",
            "openapi",
            "FACES",
            "web",
            "directory",
            "identity",
            "app",
            "store",
            "keys",
            "mail",
            "config",
            "clock",
            "fetch",
            "hasher",
            "ldap",
            "telemetry",
        ],
    ),
    (
        &["server"],
        &[
            "openapi",
            "FACES",
            "web",
            "directory",
            "identity",
            "app",
            "store",
            "keys",
            "mail",
            "config",
            "clock",
            "fetch",
            "hasher",
            "ldap",
            "telemetry",
        ],
    ),
    (&["openapi"], &["FACES", "web", "app", "store", "config"]),
    (
        &FACES,
        &[
            "web",
            "directory",
            "identity",
            "app",
            "store",
            "keys",
            "mail",
            "config",
            "clock",
            "fetch",
            "hasher",
            "ldap",
            "telemetry",
        ],
    ),
    (
        &["web"],
        &["directory", "identity", "app", "store", "keys", "mail", "config", "clock", "fetch", "hasher", "telemetry"],
    ),
    (&["directory"], &["identity", "store", "keys", "mail", "config"]),
    (&["identity"], &["app", "store", "keys", "mail", "config", "clock", "fetch", "hasher", "telemetry"]),
    (&["app"], &["store", "keys", "mail", "config", "clock", "fetch", "hasher", "ldap", "telemetry"]),
    // a mail is handed in by the transaction that it belongs to, sealed while it waits, and sent by the clock
    (&["mail"], &["store", "keys", "config", "clock"]),
    // a fetch says which trace it is part of
    (&["fetch"], &["config", "telemetry"]),
    (&["hasher", "ldap", "telemetry"], &["config"]),
];

/// What imports nothing but `model` and `metrics`, and those two, which import nothing.
const LOWEST: [&str; 6] = ["store", "keys", "config", "clock", "metrics", "model"];

/// What may lie at the top, besides files whose name begins with a dot and what is ignored.
const TOP: [&str; 10] =
    ["Cargo.toml", "Cargo.lock", "src", "templates", "migrations", "static", "tests", "README.md", "LICENSE", "deploy"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The Rust files below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(directory) {
        let path = directory.join(name);
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The path of a file's module: `src/store/client.rs` is `[store, client]`, `src/store/mod.rs` is `[store]`.
fn module(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut parts: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    parts.pop_if(|last| last == "mod");
    parts
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_str().unwrap();
    name == "tests" || name.ends_with("_tests")
}

/// The text without comments and without the tests at its end, which may use what they like.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The first parts of all paths that begin with `root`: of `crate::a::b` and `crate::{a::{b, c}, d}` it is a, and a, d.
fn imported(code: &str, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(root) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + root.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest).to_owned());
            continue;
        };
        let (mut depth, mut begins) = (1, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => begins = true,
                c if begins && !c.is_whitespace() => {
                    found.insert(word(&group[at..]).to_owned());
                    begins = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn allowed(room: &str) -> Option<BTreeSet<&'static str>> {
    if LOWEST.contains(&room) {
        let values = BTreeSet::from(["model", "metrics"]);
        return Some(if values.contains(room) { BTreeSet::new() } else { values });
    }
    let (_, below) = TABLE.iter().find(|(rooms, _)| rooms.contains(&room))?;
    let mut allowed = BTreeSet::from(["model", "metrics"]);
    for name in *below {
        if *name == "FACES" { allowed.extend(FACES) } else { allowed.extend([*name]) }
    }
    Some(allowed)
}

#[test]
fn imports_go_downwards() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")).into_iter().filter(|path| !is_test(path)) {
        let module = module(&path);
        let room = module[0].as_str();
        if room == "lib" {
            continue;
        }
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let Some(allowed) = allowed(room) else {
            wrong.push(format!("{shown}: the room {room} is not in the table"));
            continue;
        };
        let code = code(&fs::read_to_string(&path).unwrap());
        let mut imports = imported(&code, "crate::");
        imports.extend(imported(&code, "keyward::"));
        for import in imports {
            // what is not a room is a macro of the crate
            let is_room = import == "model" || self::allowed(&import).is_some();
            if import != room && is_room && !allowed.contains(import.as_str()) {
                wrong.push(format!("{shown}: {room} may not import {import}"));
            }
        }
        // Modules within a file are one step deeper.
        let inline = code.lines().any(|line| line.trim_start().starts_with("mod ") && line.ends_with('{'));
        let out = "super::".repeat(module.len() + usize::from(inline));
        if code.contains(&out) {
            wrong.push(format!("{shown}: {out} leaves the room {room}, say crate:: instead"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_imports_of_a_text_are_found() {
    let text = "use crate::{\n    app::App,\n    model::{id, scope::{A, B}},\n    web,\n};\n\
                // crate::comment\nfn f() { crate::store::x(); notcrate::y(); $crate::keys::z!() }\n\
                #[cfg(test)]\nmod tests {\n    use crate::pages;\n}\n";
    let found = imported(&code(text), "crate::");
    assert_eq!(found, ["app", "keys", "model", "store", "web"].map(str::to_owned).into());
}

#[test]
fn a_module_with_parts_is_a_directory_with_mod_rs() {
    for path in sources(&root().join("src")) {
        let beside = path.with_extension("");
        assert!(!beside.is_dir(), "{} lies beside {}/: move it to mod.rs", path.display(), beside.display());
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> = sources(&root().join("src"))
        .into_iter()
        .filter(|path| !is_test(path) && !fs::read_to_string(path).unwrap().starts_with("//! "))
        .collect();
    assert!(silent.is_empty(), "expected //! in the first line of {silent:#?}");
}

#[test]
fn the_top_holds_nothing_else() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap_or_default();
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    for name in names(&root()) {
        let known = TOP.contains(&name.as_str()) || ignored.contains(&name.as_str()) || name.starts_with('.');
        assert!(known, "{name}: what is it doing at the top?");
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    let migrations = root().join("migrations");
    assert_eq!(names(&migrations), ["postgres", "sqlite"].map(str::to_owned).into());
    let (sqlite, postgres) = (migrations.join("sqlite"), migrations.join("postgres"));
    assert_eq!(names(&sqlite), names(&postgres));
    for name in names(&sqlite) {
        assert_eq!(names(&sqlite.join(&name)), names(&postgres.join(&name)), "{name}");
    }
}

#[test]
fn the_readme_has_the_reference_of_the_configuration() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- configuration:begin -->\n").unwrap();
    let (block, _) = rest.split_once("<!-- configuration:end -->").unwrap();
    let reference = keyward::cli::config::reference();
    assert!(block == reference, "put what `keyward config reference` prints between the markers in README.md");
}
