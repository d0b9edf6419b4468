//! Lists of roles, in the order of their keys.

use super::{
    BOUND, Direction, Key, Listed, Order, Page, Sort, Total,
    search::{after_prefix, tally},
};
use crate::store::{
    Conn, Error, role,
    role::Role,
    sql::{Count, Sql, Word},
};

/// What roles can be ordered by.
pub const ORDERS: [Order; 1] = [Order::Key];

/// A page of the roles whose keys begin with `prefix` (an empty one: of all).
pub fn list(conn: &mut Conn, prefix: &str, page: &Page) -> Result<Listed<Role>, Error> {
    if page.limit == 0 || prefix.contains('\0') {
        return Ok(Listed::empty());
    }
    let (beyond, way) = if page.ascends() { (">", "ASC") } else { ("<", "DESC") };
    let after = after_prefix(prefix);
    let within = || Sql::new(" FROM role WHERE key >= ? AND key < ?").text(prefix).text(&after);
    let mut sql = Sql::new("SELECT key AS word");
    sql.append(within());
    if let Some((_, Key { sort: Sort::Text(key), .. })) = &page.position {
        sql.append(Sql::new(format!(" AND key {beyond} ?")).text(key));
    }
    sql.push(&format!(" ORDER BY key {way} LIMIT {}", page.limit));
    let mut keys: Vec<String> = sql.load::<Word>(conn)?.into_iter().map(|word| word.word).collect();
    if page.ascends() != (page.direction == Direction::Ascending) {
        keys.reverse();
    }
    let total = if prefix.is_empty() {
        Total::Exact(tally(conn, ["role"])?)
    } else {
        let mut sql = Sql::new("SELECT count(*) AS n FROM (SELECT 1");
        sql.append(within()).push(&format!(" LIMIT {}) AS counted", BOUND + 1));
        Total::counted(sql.load::<Count>(conn)?.first().map_or(0, |count| count.n as usize))
    };
    let mut rows = role::by_keys(conn, &keys)?;
    let position = |key: &String| Key { sort: Sort::Text(key.clone()), seq: 0 };
    let (first, last) = (keys.first().map(position), keys.last().map(position));
    let items =
        keys.iter().filter_map(|key| rows.iter().position(|row| row.key == *key).map(|at| rows.swap_remove(at)));
    Ok(Listed { items: items.collect(), total, first, last })
}
