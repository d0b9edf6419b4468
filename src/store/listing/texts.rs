//! Substrings that are searched for, and the runs of characters by which an index finds them.
//!
//! Both databases index every run of one, two, three and six characters of the searched texts. Six tell a rare text from the others, so that somebody's email address is found among millions by a handful
//! of candidates; the others serve shorter searches. What an index offers is always checked against the text.

use crate::store::sql::Sql;

/// A substring, in lower case, of one of some columns.
#[derive(Clone, Debug)]
pub(in crate::store) struct Needle {
    /// The columns, as expressions.
    pub columns: &'static [&'static str],
    /// The substring.
    pub text: String,
}

impl Needle {
    /// The condition that one of the columns contains it.
    pub(in crate::store) fn condition(&self, postgres: bool) -> Sql {
        let function = if postgres { "strpos" } else { "instr" };
        let columns =
            self.columns.iter().map(|column| Sql::new(format!("{function}({column}, ?) > 0")).text(&self.text));
        let mut condition = Sql::new("(");
        condition.append(Sql::join(columns, " OR ", "FALSE")).push(")");
        condition
    }
}

/// Runs of characters that every text which contains `needle` has: of six where it is that long, else all it has of
/// three, two or one.
pub(in crate::store) fn grams(needle: &str) -> Vec<String> {
    let chars: Vec<char> = needle.chars().collect();
    let (width, step) = match chars.len() {
        0 => return Vec::new(),
        1 => (1, 1),
        2 => (2, 1),
        3..=5 => (3, 1),
        // enough of a long one to tell it from others
        len => (6, (len / 8).clamp(2, 6)),
    };
    let last = chars.len() - width;
    let mut grams: Vec<String> =
        (0..last).step_by(step).chain([last]).take(16).map(|at| chars[at..at + width].iter().collect()).collect();
    grams.sort();
    grams.dedup();
    grams
}

/// The same for PostgreSQL's index, in which runs of six that are different may have the same hash: two runs of three
/// besides tell them apart where there are few.
pub(super) fn hashed_grams(needle: &str) -> Vec<String> {
    let mut grams = grams(needle);
    if (1..=2).contains(&grams.len()) && grams.iter().all(|gram| tells(gram)) {
        let chars: Vec<char> = needle.chars().collect();
        grams.extend([0, chars.len() - 3].map(|at| chars[at..at + 3].iter().collect()));
    }
    grams
}

/// Whether a run is so long that an index of all rows tells whether it is rare.
pub(in crate::store) fn tells(gram: &str) -> bool {
    gram.chars().nth(5).is_some()
}

/// The query that SQLite's index of runs understands: all of them, in hexadecimal, as its table is filled.
pub(in crate::store) fn matched(needles: &[Needle]) -> String {
    matched_grams(&needles.iter().flat_map(|needle| grams(&needle.text)).collect::<Vec<_>>())
}

/// The same for runs.
pub(in crate::store) fn matched_grams(grams: &[String]) -> String {
    let mut terms: Vec<String> =
        grams.iter().map(|gram| gram.bytes().map(|byte| format!("{byte:02x}")).collect()).collect();
    terms.sort();
    terms.dedup();
    terms.iter().map(|term| format!("\"{term}\"")).collect::<Vec<_>>().join(" AND ")
}

/// The condition by which PostgreSQL's index finds texts with all these runs; see list_grams in the schema.
pub(in crate::store) fn anywhere(grams: &[String]) -> Sql {
    contained(grams.iter().map(|gram| hashed(gram)))
}

/// The same within one block of rows.
pub(in crate::store) fn in_block(grams: &[String], block: i64) -> Sql {
    let block = Sql::new((-1_000_000 - block).to_string());
    contained(std::iter::once(block).chain(grams.iter().map(|gram| hashed(gram))))
}

fn hashed(gram: &str) -> Sql {
    Sql::new(if tells(gram) { "hashtext(?) & 1048575" } else { "hashtext(?)" }).text(gram)
}

fn contained(hashes: impl Iterator<Item = Sql>) -> Sql {
    let mut sql = Sql::new("list_grams(s.seq, s.content) @> ARRAY[");
    sql.append(Sql::join(hashes, ", ", "")).push("]::INT[]");
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_that_contains_a_needle_has_its_grams() {
        for needle in ["a", "ab", "abc", "abcde", "abcdef", "åda löv", "ada.lovelace@example.org", &"xyz".repeat(60)]
        {
            let grams = grams(needle);
            assert!(!grams.is_empty() && grams.len() <= 16, "{needle}");
            assert!(grams.iter().all(|gram| needle.contains(gram.as_str())), "{needle}: {grams:?}");
        }
        assert_eq!(grams("abcd"), ["abc", "bcd"]);
        assert_eq!(hashed_grams("abcd"), grams("abcd"));
        assert_eq!(hashed_grams("abcdefg"), ["abcdef", "bcdefg", "abc", "efg"]);
        assert!(hashed_grams("").is_empty());
    }

    #[test]
    fn the_index_is_asked_in_hexadecimal_so_that_no_text_is_syntax() {
        let needle = |text: &str| [Needle { columns: &[], text: text.to_owned() }];
        assert_eq!(matched(&needle("a\"b")), "\"612262\"");
        assert_eq!(matched(&needle("ö")), "\"c3b6\"");
    }
}
