//! Permissions: `<resource path>:<permission>`, access-control lists, and what a list allows.
//!
//! Matching is by path segments: `registry/apps` covers `registry/apps/commerce`, not `registry/apps-x`; a trailing
//! `/*` means the same; `*` covers everything; case matters; nothing is allowed unless an entry says so, and no entry
//! forbids.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use super::scope::Scope;

/// One permission on one resource; either part may be a pattern when it stands in a scope or a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    resource: String,
    action: String,
}

impl Permission {
    /// The resource path (or pattern).
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// What may be done there (`*`: anything).
    pub fn action(&self) -> &str {
        &self.action
    }

    fn covers(&self, other: &Permission) -> bool {
        covers_resource(&self.resource, &other.resource) && covers_action(&self.action, &other.action)
    }

    /// What both allow, if anything: of two nested paths the deeper, of two actions the named one.
    pub fn meet(&self, other: &Permission) -> Option<Permission> {
        let resource = if covers_resource(&self.resource, &other.resource) {
            &other.resource
        } else if covers_resource(&other.resource, &self.resource) {
            &self.resource
        } else {
            return None;
        };
        let action = if covers_action(&self.action, &other.action) {
            &other.action
        } else if covers_action(&other.action, &self.action) {
            &self.action
        } else {
            return None;
        };
        Some(Permission { resource: resource.clone(), action: action.clone() })
    }
}

fn covers_action(pattern: &str, action: &str) -> bool {
    pattern == "*" || pattern == action
}

fn covers_resource(pattern: &str, path: &str) -> bool {
    let pattern = pattern.strip_suffix("/*").unwrap_or(pattern);
    let path = path.strip_suffix("/*").unwrap_or(path);
    pattern == "*" || path.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl FromStr for Permission {
    type Err = String;

    /// `resource/path:action`; the resource is split off at the last colon.
    fn from_str(text: &str) -> Result<Permission, String> {
        let shown = || super::id::shown(text);
        let (resource, action) =
            text.rsplit_once(':').ok_or_else(|| format!("expected <resource path>:<permission>, got '{}'", shown()))?;
        let segment =
            |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'/'));
        if text.len() > 256 || !resource.split('/').all(segment) || !segment(action) {
            return Err(format!("expected <resource path>:<permission> of printable characters, got '{}'", shown()));
        }
        Ok(Permission { resource: resource.to_owned(), action: action.to_owned() })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.action)
    }
}

/// The most combinations of a resource and a permission in one list: each use compares them.
const MAX_RULES: usize = 1000;
/// The most attribute keys of one entry.
const MAX_ATTRIBUTE_KEYS: usize = 10;

/// One line of an access-control list: every permission on every resource that it names, on objects whose attributes
/// match the holder's for each of `attribute_keys`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AclEntry {
    /// Resource paths or patterns.
    #[serde(deserialize_with = "one_or_many")]
    pub resource: Vec<String>,
    /// Permissions; `*` is any.
    #[serde(deserialize_with = "one_or_many")]
    pub permission: Vec<String>,
    /// Where not empty, the entry holds only for objects that share a value with the holder under each key.
    #[serde(default, rename = "attributeKeys", skip_serializing_if = "Vec::is_empty")]
    pub attribute_keys: Vec<String>,
}

/// An access-control list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acl {
    /// Its lines; the order does not matter.
    pub entries: Vec<AclEntry>,
}

/// What may be said of one line: one text means a list of it.
#[derive(Debug, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // what describes the input; AclEntry reads it
pub struct AclEntryInput {
    /// Resource paths or patterns
    resource: OneOrMany,
    /// Permissions; `*` is any
    permission: OneOrMany,
    /// Where not empty, the entry holds only for objects that share a value with the holder under each key
    #[serde(default, rename = "attributeKeys")]
    attribute_keys: Vec<String>,
}

/// What may be said of an access-control list.
#[derive(Debug, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // what describes the input; Acl reads it
pub struct AclInput {
    /// Its lines; the order does not matter
    #[schema(max_items = 200)]
    entries: Vec<AclEntryInput>,
}

/// A text, or a list of texts.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}

impl Acl {
    /// A list of unconditional permissions, as `iam/principals:read`.
    ///
    /// # Errors
    /// The first text that is no permission.
    pub fn of(permissions: &[&str]) -> Result<Acl, String> {
        let entry = |text: &&str| {
            let permission: Permission = text.parse()?;
            Ok(AclEntry {
                resource: vec![permission.resource],
                permission: vec![permission.action],
                attribute_keys: Vec::new(),
            })
        };
        Ok(Acl { entries: permissions.iter().map(entry).collect::<Result<_, String>>()? })
    }

    /// The same without its conditions: what it allows at most.
    pub fn unconditional(&self) -> Acl {
        let entries = self.entries.iter().cloned();
        Acl { entries: entries.map(|entry| AclEntry { attribute_keys: Vec::new(), ..entry }).collect() }
    }

    /// Checks every line.
    ///
    /// # Errors
    /// The first line that names no resource or no permission, or one that is malformed.
    pub fn validate(&self) -> Result<(), String> {
        if self.entries.len() > 200 {
            return Err(format!("expected at most 200 entries, got {}", self.entries.len()));
        }
        let mut rules = 0_usize;
        for (n, entry) in self.entries.iter().enumerate() {
            if entry.resource.is_empty() || entry.permission.is_empty() {
                return Err(format!("entry {n}: expected at least one resource and one permission"));
            }
            rules += entry.resource.len().saturating_mul(entry.permission.len());
            if rules > MAX_RULES || entry.attribute_keys.len() > MAX_ATTRIBUTE_KEYS {
                return Err(format!(
                    "entry {n}: expected at most {MAX_RULES} combinations of a resource and a permission in all entries, \
                     and {MAX_ATTRIBUTE_KEYS} attribute keys"
                ));
            }
            let sound = |key: &String| (1..=64).contains(&key.len()) && !key.chars().any(char::is_control);
            if !entry.attribute_keys.iter().all(sound) {
                return Err(format!(
                    "entry {n}: expected attribute keys of 1 to 64 characters, none of them a control one"
                ));
            }
            for resource in &entry.resource {
                for action in &entry.permission {
                    if action.contains(':') {
                        let shown = super::id::shown(action);
                        return Err(format!("entry {n}: expected a permission without ':', got '{shown}'"));
                    }
                    format!("{resource}:{action}").parse::<Permission>().map_err(|e| format!("entry {n}: {e}"))?;
                }
            }
        }
        Ok(())
    }
}

/// Attributes of identities: a key, and the values that the identity carries under it.
pub type Attributes = BTreeMap<String, Vec<String>>;

/// Which objects of a list somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// All.
    All,
    /// None.
    None,
    /// Those that meet one of these alternatives: under each of its keys they carry one of its values. No alternative
    /// is without keys.
    Matching(Vec<Vec<(String, Vec<String>)>>),
}

impl Visibility {
    /// Whether an object that carries `object` is among them.
    pub fn shows(&self, object: &Attributes) -> bool {
        match self {
            Visibility::All => true,
            Visibility::None => false,
            Visibility::Matching(alternatives) => alternatives.iter().any(|alternative| {
                alternative.iter().all(|(key, values)| {
                    object.get(key).is_some_and(|carried| carried.iter().any(|value| values.contains(value)))
                })
            }),
        }
    }
}

/// What somebody may do, compiled: the union of some lists, perhaps narrowed by scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    rules: Vec<Rule>,
    attributes: Attributes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    permission: Permission,
    keys: Vec<String>,
    /// Held over oneself, because one is a person: nobody can give it to others.
    natural: bool,
}

impl Permissions {
    /// The union of `acls`, held by somebody with these attributes.
    pub fn compile<'a>(acls: impl IntoIterator<Item = &'a Acl>, attributes: &Attributes) -> Permissions {
        let mut rules: Vec<Rule> = Vec::new();
        for entry in acls.into_iter().flat_map(|acl| &acl.entries) {
            for resource in &entry.resource {
                for action in &entry.permission {
                    let permission = Permission { resource: resource.clone(), action: action.clone() };
                    let rule = Rule { permission, keys: entry.attribute_keys.clone(), natural: false };
                    if !rules.contains(&rule) {
                        rules.push(rule);
                    }
                }
            }
        }
        Permissions { rules, attributes: attributes.clone() }
    }

    /// What every person holds over themselves: `me:*`. It allows what it says, and covers nothing that others are given:
    /// `me/email:verify`, given to an application, says whose addresses are proven.
    pub fn by_nature() -> Permissions {
        let permission = Permission { resource: "me".to_owned(), action: "*".to_owned() };
        Permissions { rules: vec![Rule { permission, keys: Vec::new(), natural: true }], attributes: Attributes::new() }
    }

    /// Whether this is everything, under no condition.
    pub fn allow_everything(&self) -> bool {
        self.rules.iter().any(|rule| {
            rule.keys.is_empty() && matches!(rule.permission.resource(), "*" | "*/*") && rule.permission.action() == "*"
        })
    }

    /// The attributes of whoever holds this.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The union of both, held by the same identity.
    pub fn and(mut self, other: &Permissions) -> Permissions {
        self.rules.extend(other.rules.iter().filter(|rule| !self.rules.contains(rule)).cloned().collect::<Vec<_>>());
        self
    }

    /// Whether `action` on `resource` is allowed at all, be it only for objects with matching attributes.
    pub fn allows(&self, resource: &str, action: &str) -> bool {
        let asked = Permission { resource: resource.to_owned(), action: action.to_owned() };
        self.rules.iter().any(|rule| rule.permission.covers(&asked) && self.holds_keys(rule))
    }

    /// Whether `action` on `resource` is allowed for an object that carries `object`.
    pub fn allows_on(&self, resource: &str, action: &str, object: &Attributes) -> bool {
        let asked = Permission { resource: resource.to_owned(), action: action.to_owned() };
        self.rules.iter().any(|rule| {
            rule.permission.covers(&asked) && rule.keys.iter().all(|key| shares(&self.attributes, object, key))
        })
    }

    /// Which objects of a list `action` on `resource` is allowed for: those for which [`Permissions::allows_on`] holds.
    pub fn visibility(&self, resource: &str, action: &str) -> Visibility {
        let asked = Permission { resource: resource.to_owned(), action: action.to_owned() };
        let mut alternatives: Vec<Vec<(String, Vec<String>)>> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.permission.covers(&asked) && self.holds_keys(rule)) {
            if rule.keys.is_empty() {
                return Visibility::All;
            }
            let mut keys = rule.keys.clone();
            keys.sort();
            keys.dedup();
            let values = |key: String| self.attributes.get(&key).cloned().map(|values| (key, values));
            let alternative: Vec<_> = keys.into_iter().filter_map(values).collect();
            if !alternatives.contains(&alternative) {
                alternatives.push(alternative);
            }
        }
        if alternatives.is_empty() { Visibility::None } else { Visibility::Matching(alternatives) }
    }

    fn holds_keys(&self, rule: &Rule) -> bool {
        rule.keys.iter().all(|key| self.attributes.get(key).is_some_and(|values| !values.is_empty()))
    }

    /// What remains of a requested permission scope: the scope itself where it is held as a whole, else the narrower
    /// permissions within it that are held. Conditional rules count only on `own` resources, whose server looks at the
    /// object's attributes at each use; another resource server could not see the condition in the scope.
    pub fn grant(&self, asked: &Permission, own: impl Fn(&str) -> bool) -> Vec<Permission> {
        let usable = |rule: &&Rule| rule.keys.is_empty() || (own(&rule.permission.resource) && self.holds_keys(rule));
        if self.rules.iter().filter(usable).any(|rule| rule.permission.covers(asked)) {
            return vec![asked.clone()];
        }
        let mut met: Vec<Permission> =
            self.rules.iter().filter(usable).filter_map(|rule| rule.permission.meet(asked)).collect();
        met.sort();
        met.dedup();
        met
    }

    /// What is allowed by this and by one of the permission scopes in `scope`; other scopes give nothing.
    pub fn narrowed(&self, scope: &Scope) -> Permissions {
        let asked: Vec<Permission> = scope.iter().filter_map(|token| token.parse().ok()).collect();
        let mut rules: Vec<Rule> = Vec::new();
        for rule in &self.rules {
            for permission in asked.iter().filter_map(|asked| rule.permission.meet(asked)) {
                let rule = Rule { permission, ..rule.clone() };
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
        Permissions { rules, attributes: self.attributes.clone() }
    }

    /// Whether everything that `other` allows is allowed here too: the holder of this may act on the holder of that.
    pub fn covers(&self, other: &Permissions) -> bool {
        other.rules.iter().all(|theirs| {
            self.rules.iter().any(|ours| {
                ours.permission.covers(&theirs.permission)
                    && (theirs.natural || !ours.natural)
                    && ours.keys.iter().all(|key| {
                        theirs.keys.contains(key)
                            && other.attributes.get(key).is_some_and(|values| {
                                let mine = self.attributes.get(key);
                                values.iter().all(|v| mine.is_some_and(|mine| mine.contains(v)))
                            })
                    })
            })
        })
    }
}

fn shares(ours: &Attributes, theirs: &Attributes, key: &str) -> bool {
    match (ours.get(key), theirs.get(key)) {
        (Some(ours), Some(theirs)) => ours.iter().any(|value| theirs.contains(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(permissions: &[&str]) -> Permissions {
        Permissions::compile([&Acl::of(permissions).unwrap()], &Attributes::new())
    }

    #[test]
    fn a_resource_covers_its_descendants_by_segments() {
        let held = holds(&["registry/apps/commerce:*"]);
        assert!(held.allows("registry/apps/commerce", "read"));
        assert!(held.allows("registry/apps/commerce/settings", "write"));
        assert!(!held.allows("registry/apps/commerce-x", "read"));
        assert!(!held.allows("registry/apps", "read"));
        assert!(!held.allows("Registry/apps/commerce", "read"));
        assert!(holds(&["registry/*:read"]).allows("registry", "read"));
        assert!(holds(&["*:*"]).allows("anything/at/all", "whatever"));
        assert!(!holds(&[]).allows("a", "read"));
    }

    #[test]
    fn what_is_held_by_nature_is_used_but_not_given() {
        let person = holds(&["iam/clients:*"]).and(&Permissions::by_nature());
        let token = person.narrowed(&"me/email:* iam/clients:write".parse().unwrap());
        for permissions in [&person, &token] {
            assert!(permissions.allows("me/email", "verify"));
            assert!(!permissions.covers(&holds(&["me/email:verify"])));
            assert!(permissions.covers(permissions));
        }
        let given = person.and(&holds(&["me/email:*"]));
        assert!(given.covers(&holds(&["me/email:verify"])));
        assert!(given.narrowed(&"me:*".parse().unwrap()).covers(&holds(&["me/email:verify"])));
    }

    #[test]
    fn a_scope_is_granted_as_far_as_it_is_held() {
        let held = holds(&["actors:*", "graph:*", "registry:read"]);
        let grant = |scope: &str| {
            let granted = held.grant(&scope.parse().unwrap(), |_| true);
            granted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(grant("registry:read"), "registry:read");
        assert_eq!(grant("actors/order:create"), "actors/order:create");
        assert_eq!(grant("registry:write"), "");
        assert_eq!(grant("registry:*"), "registry:read");
        assert_eq!(grant("*:read"), "actors:read graph:read registry:read");
    }

    #[test]
    fn conditional_entries_need_a_shared_value_under_each_key() {
        let acl: Acl = serde_json::from_str(
            r#"{"entries":[{"resource":"iam/principals","permission":"read","attributeKeys":["region"]}]}"#,
        )
        .unwrap();
        let mine = Attributes::from([("region".to_owned(), vec!["eu".to_owned()])]);
        let held = Permissions::compile([&acl], &mine);
        assert!(held.allows_on("iam/principals", "read", &mine));
        assert!(!held.allows_on(
            "iam/principals",
            "read",
            &Attributes::from([("region".to_owned(), vec!["us".to_owned()])])
        ));
        assert!(!held.allows_on("iam/principals", "read", &Attributes::new()));
        assert!(!Permissions::compile([&acl], &Attributes::new()).allows("iam/principals", "read"));
        assert!(held.grant(&"iam/principals:read".parse().unwrap(), |_| false).is_empty());
        assert!(!held.covers(&holds(&["iam/principals:read"])));
        assert!(holds(&["iam:*"]).covers(&held));
    }

    #[test]
    fn a_list_shows_what_is_allowed_one_by_one() {
        let acl: Acl = serde_json::from_str(
            r#"{"entries":[{"resource":"iam","permission":"read","attributeKeys":["region","team"]},
                {"resource":"iam/clients","permission":"*"},
                {"resource":"iam/principals","permission":"read","attributeKeys":["missing"]}]}"#,
        )
        .unwrap();
        let carries = |entries: &[(&str, &str)]| -> Attributes {
            entries.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect()
        };
        let held = Permissions::compile([&acl], &carries(&[("region", "eu"), ("team", "a")]));
        let seen = held.visibility("iam/principals", "read");
        for object in
            [&[][..], &[("region", "eu")], &[("region", "eu"), ("team", "b")], &[("team", "a"), ("region", "eu")]]
        {
            let object = carries(object);
            assert_eq!(seen.shows(&object), held.allows_on("iam/principals", "read", &object), "{object:?}");
        }
        assert_eq!(held.visibility("iam/clients", "read"), Visibility::All);
        assert_eq!(held.visibility("iam/roles", "write"), Visibility::None);
    }

    #[test]
    fn texts_that_are_no_permissions_are_refused() {
        for bad in ["", "openid", ":read", "a:", "a//b:read", "/a:read", "a b:read", "a\\b:read"] {
            assert!(bad.parse::<Permission>().is_err(), "{bad}");
        }
    }

    fn permission() -> impl proptest::strategy::Strategy<Value = String> {
        "(\\*|[ab](/[ab]){0,2}(/\\*)?):(\\*|[rw])"
    }

    /// Lists as somebody could write them, with conditions.
    fn acls() -> impl proptest::strategy::Strategy<Value = Vec<Acl>> {
        use proptest::{collection::vec, prelude::*, sample::subsequence};
        let entry =
            (vec("(\\*|[ab](/[ab]){0,2}(/\\*)?)", 1..3), vec("(\\*|[rw])", 1..3), subsequence(vec!["k", "l"], 0..3));
        let entry = entry.prop_map(|(resource, permission, keys)| AclEntry {
            resource,
            permission,
            attribute_keys: keys.into_iter().map(str::to_owned).collect(),
        });
        vec(vec(entry, 0..4).prop_map(|entries| Acl { entries }), 0..4)
    }

    fn attributes() -> impl proptest::strategy::Strategy<Value = Attributes> {
        proptest::collection::btree_map("[kl]", proptest::collection::vec("[123]", 0..3), 0..3)
    }

    /// What the rules say, word by word.
    fn allowed(acls: &[Acl], mine: &Attributes, resource: &str, action: &str, object: &Attributes) -> bool {
        let path = |pattern: &str| {
            let pattern: Vec<&str> = pattern.strip_suffix("/*").unwrap_or(pattern).split('/').collect();
            pattern == ["*"] || resource.split('/').collect::<Vec<_>>().starts_with(&pattern)
        };
        let shared = |key: &String| {
            let (mine, theirs) =
                (mine.get(key).cloned().unwrap_or_default(), object.get(key).cloned().unwrap_or_default());
            mine.iter().any(|value| theirs.contains(value))
        };
        acls.iter().flat_map(|acl| &acl.entries).any(|entry| {
            entry.resource.iter().any(|pattern| path(pattern))
                && entry.permission.iter().any(|permission| permission == "*" || permission == action)
                && entry.attribute_keys.iter().all(shared)
        })
    }

    proptest::proptest! {
        #[test]
        fn a_decision_is_what_the_rules_say(acls in acls(), mine in attributes(), object in attributes(), resource in "[ab](/[ab]){0,3}", action in "[rw]") {
            let held = Permissions::compile(&acls, &mine);
            let expected = allowed(&acls, &mine, &resource, &action, &object);
            proptest::prop_assert_eq!(held.allows_on(&resource, &action, &object), expected);
            // lists see exactly what single reads see
            proptest::prop_assert_eq!(held.visibility(&resource, &action).shows(&object), expected);
            // who may do it with some object may do it at all
            proptest::prop_assert!(!expected || held.allows(&resource, &action));
        }

        #[test]
        fn roles_add_up(acls in acls(), more in acls(), mine in attributes(), object in attributes(), resource in "[ab](/[ab]){0,3}", action in "[rw]") {
            let (one, other) = (Permissions::compile(&acls, &mine), Permissions::compile(&more, &mine));
            let together = Permissions::compile(acls.iter().chain(&more), &mine);
            let either = one.allows_on(&resource, &action, &object) || other.allows_on(&resource, &action, &object);
            proptest::prop_assert_eq!(together.allows_on(&resource, &action, &object), either);
        }

        #[test]
        fn scopes_narrow_conditional_permissions_too(acls in acls(), scope in proptest::collection::vec(permission(), 0..4), mine in attributes(), object in attributes(), resource in "[ab](/[ab]){0,3}", action in "[rw]") {
            let held = Permissions::compile(&acls, &mine);
            let scope: Scope = scope.iter().map(String::as_str).collect();
            let asked = scope.iter().any(|s| s.parse::<Permission>().unwrap().covers(&Permission { resource: resource.clone(), action: action.clone() }));
            let expected = asked && held.allows_on(&resource, &action, &object);
            proptest::prop_assert_eq!(held.narrowed(&scope).allows_on(&resource, &action, &object), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn narrowing_never_widens(held in proptest::collection::vec(permission(), 0..5), scope in proptest::collection::vec(permission(), 0..5), resource in "[ab](/[ab]){0,3}", action in "[rw]") {
            let texts: Vec<&str> = held.iter().map(String::as_str).collect();
            let held = holds(&texts);
            let scope: Scope = scope.iter().map(String::as_str).collect();
            let asked = scope.iter().any(|s| s.parse::<Permission>().unwrap().covers(&Permission { resource: resource.clone(), action: action.clone() }));
            let narrowed = held.narrowed(&scope);
            proptest::prop_assert_eq!(narrowed.allows(&resource, &action), held.allows(&resource, &action) && asked);
            proptest::prop_assert!(held.covers(&narrowed));
        }

        #[test]
        fn a_granted_scope_is_within_both(held in proptest::collection::vec(permission(), 0..5), asked in permission(), resource in "[ab](/[ab]){0,3}", action in "[rw]") {
            let texts: Vec<&str> = held.iter().map(String::as_str).collect();
            let held = holds(&texts);
            let asked: Permission = asked.parse().unwrap();
            let one = Permission { resource: resource.clone(), action: action.clone() };
            let granted = held.grant(&asked, |_| true).iter().any(|p| p.covers(&one));
            proptest::prop_assert_eq!(granted, asked.covers(&one) && held.allows(&resource, &action));
        }

        #[test]
        fn covering_is_what_it_says(ours in proptest::collection::vec(permission(), 0..4), theirs in proptest::collection::vec(permission(), 0..4), resource in "[ab](/[ab]){0,3}", action in "[rw]") {
            let ours = holds(&ours.iter().map(String::as_str).collect::<Vec<_>>());
            let theirs = holds(&theirs.iter().map(String::as_str).collect::<Vec<_>>());
            if ours.covers(&theirs) && theirs.allows(&resource, &action) {
                proptest::prop_assert!(ours.allows(&resource, &action));
            }
        }
    }
}
