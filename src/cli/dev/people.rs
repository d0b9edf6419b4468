//! Made-up identities, the same ones for the same seed: names, addresses and roles that are spread like real ones, a
//! few very common, most rare.

use std::time::Duration;

use crate::{
    model::{client_auth::AuthMethod, email::Email, permission::Acl, time::Timestamp},
    store::{client::Client, principal::Principal, role::Role},
};

/// 2020-01-01T00:00:00Z: when the first of them registered.
const BEGIN: Timestamp = Timestamp::from_seconds(1_577_836_800);

const GIVEN: [&str; 48] = [
    "Anna",
    "Maria",
    "Thomas",
    "Sofia",
    "Lukas",
    "Emma",
    "Jonas",
    "Laura",
    "Ana",
    "Mehmet",
    "Fatima",
    "Ivan",
    "Olga",
    "Chen",
    "Yuki",
    "Priya",
    "Rahul",
    "Aisha",
    "Noah",
    "Olivia",
    "Liam",
    "Zoë",
    "Björn",
    "Søren",
    "Łukasz",
    "José",
    "Inés",
    "Élodie",
    "Müzeyyen",
    "Siobhán",
    "Ada",
    "Grace",
    "Alan",
    "Katherine",
    "Edsger",
    "Barbara",
    "Donald",
    "Margaret",
    "Dennis",
    "Radia",
    "Ken",
    "Frances",
    "Linus",
    "Shafi",
    "Niklaus",
    "Karen",
    "Tony",
    "Adele",
];
const FIRST: [&str; 24] = [
    "Schm", "Müll", "Bern", "Klein", "Gart", "Hoff", "Lind", "Stein", "Wald", "Brand", "Kauf", "Lang", "Roth", "Sand",
    "Tann", "Vog", "Zimm", "Fisch", "Krüg", "Pet", "Nov", "Kowal", "Ferr", "Mart",
];
const MIDDLE: [&str; 16] =
    ["er", "el", "en", "in", "ing", "ers", "els", "or", "an", "ard", "ow", "ens", "ol", "ar", "ert", "ik"];
const LAST: [&str; 16] =
    ["", "mann", "sen", "son", "berg", "feld", "hauser", "ski", "ez", "i", "bach", "stein", "ova", "ic", "dal", "wood"];
const DOMAINS: [&str; 8] = [
    "example.org",
    "example.com",
    "example.net",
    "mail.example",
    "post.example",
    "shop.example",
    "uni.example",
    "work.example",
];
const SPACES: [&str; 3] = ["support", "store", "portal"];
const REGIONS: [&str; 4] = ["eu", "us", "apac", "latam"];

/// Numbers that look random and come again with the seed (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    /// Dice for one row: rows do not depend on each other.
    fn of(seed: u64, kind: u64, row: u64) -> Dice {
        Dice(seed ^ kind.rotate_left(32) ^ row.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn any<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(of.len() as u64) as usize;
        of.get(at).copied()
    }

    /// Small numbers far more often than large ones.
    fn skewed(&mut self, n: u64) -> u64 {
        let (a, b) = (self.below(n), self.below(n));
        a.min(b).min(self.below(n))
    }

    fn word(&mut self, of: &[&'static str]) -> &'static str {
        self.any(of).unwrap_or_default()
    }

    fn id(&mut self, at: Timestamp) -> String {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.next().to_be_bytes());
        let millis = u64::try_from(at.millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string()
    }
}

/// The key of a made-up role: `support:…`, `store:…` or `portal:…`.
pub(super) fn role_key(row: u64) -> String {
    let space = SPACES[(row % 3) as usize];
    let capability = ["agent", "lead", "viewer", "editor", "auditor", "clerk"][(row / 3 % 6) as usize];
    if row < 18 { format!("{space}:{capability}") } else { format!("{space}:{capability}:{}", row / 18) }
}

/// A made-up role.
pub(super) fn role(row: u64) -> Role {
    Role {
        key: role_key(row),
        description: Some("Made up by keyward dev fill".to_owned()),
        acl: Acl::default(),
        system: false,
        created_at: BEGIN,
        updated_at: BEGIN,
        etag: format!("made-up-{row}"),
    }
}

fn roles(dice: &mut Dice, of: u64) -> Vec<String> {
    let mut keys: Vec<String> = (0..dice.below(4)).map(|_| role_key(dice.skewed(of))).collect();
    keys.sort();
    keys.dedup();
    if of == 0 { Vec::new() } else { keys }
}

/// A made-up principal with the keys of its roles.
pub(super) fn principal(seed: u64, row: u64, of_roles: u64) -> (Principal, Vec<String>) {
    let mut dice = Dice::of(seed, 1, row);
    let registered = BEGIN + Duration::from_secs(row * 60);
    let given = GIVEN[dice.skewed(GIVEN.len() as u64) as usize];
    let family = format!("{}{}{}", dice.word(&FIRST), dice.word(&MIDDLE), dice.word(&LAST));
    let ascii = |text: &str| text.to_lowercase().chars().filter(char::is_ascii_alphabetic).collect::<String>();
    let number = dice.below(100_000_000) * 10 + row % 10;
    let address = format!("{}.{}.{seed:x}{row:x}@{}", ascii(given), ascii(&family), dice.word(&DOMAINS));
    let email: Option<Email> = if dice.one_in(50) { None } else { address.parse().ok() };
    let mut principal = Principal::new(dice.id(registered), email.as_ref(), registered);
    principal.name = (!dice.one_in(100)).then(|| format!("{given} {family}"));
    principal.phone = (!dice.one_in(3)).then(|| format!("+49{number}"));
    principal.email_verified = !dice.one_in(4);
    principal.suspended_at = dice.one_in(20).then(|| registered + Duration::from_secs(86_400));
    principal.last_active_at =
        (!dice.one_in(5)).then(|| registered + Duration::from_secs(60 + dice.below(200_000_000)));
    if dice.one_in(5) {
        let region = dice.word(&REGIONS).to_owned();
        principal.access_attributes.insert("region".to_owned(), vec![region]);
    }
    principal.etag = format!("made-up-{row}");
    let roles = roles(&mut dice, of_roles);
    (principal, roles)
}

/// A made-up client with the keys of its roles.
pub(super) fn client(seed: u64, row: u64, of_roles: u64) -> (Client, Vec<String>) {
    let mut dice = Dice::of(seed, 2, row);
    let registered = BEGIN + Duration::from_secs(row * 60);
    let what = dice.word(&["Shop", "Portal", "Worker", "Importer", "Mobile app", "Reports", "Gateway", "Till"]);
    let family = format!("{}{}", dice.word(&FIRST), dice.word(&LAST));
    let mut client =
        Client::new(dice.id(registered), format!("{family} {what}"), AuthMethod::ClientSecretBasic, registered);
    client.suspended_at = dice.one_in(20).then(|| registered + Duration::from_secs(86_400));
    client.system_client = dice.one_in(100);
    client.etag = format!("made-up-{row}");
    let roles = roles(&mut dice, of_roles);
    (client, roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_rows_again_and_no_two_alike() {
        let (ada, roles) = principal(7, 42, 18);
        let again = principal(7, 42, 18);
        assert_eq!((&ada.id, &ada.email, &roles), (&again.0.id, &again.0.email, &again.1));
        let ids: std::collections::BTreeSet<String> = (0..2000).map(|row| principal(7, row, 18).0.id).collect();
        assert_eq!(ids.len(), 2000);
        let emails: Vec<String> = (0..2000).filter_map(|row| principal(7, row, 18).0.email).collect();
        assert_eq!(emails.iter().collect::<std::collections::BTreeSet<_>>().len(), emails.len());
        assert!((0..40).all(|row| crate::model::role_key::parse(&role_key(row)).is_ok()));
        assert!(!client(7, 1, 0).0.name.is_empty() && client(7, 1, 0).1.is_empty());
    }
}
