//! Finds the positions of a page's rows among principals or clients.
//!
//! | order | filter | how |
//! |---|---|---|
//! | any | none | along the order's index |
//! | of registration | role, attribute, text | along the index of what is asked for, which lies in that order |
//! | another | one that at most [`FEW`] rows meet | all of those, sorted |
//! | another | any other | along the order's index, leaving out what does not meet it |
//!
//! PostgreSQL's index of texts gives no order. There, a text is first looked for in the next rows ([`WINDOWS`]), and in the
//! rows after them as long as these have at least half of what the page lacks; then in the next blocks of 16384 rows, of
//! which the index knows what they contain; and only then in the whole index, where at that point little can be left.

use super::{
    BOUND, Direction, Key, Listed, Order, Page, Sort, Total, Version,
    texts::{self, Needle},
};
use crate::{
    model::{permission::Visibility, time::Timestamp},
    store::{
        Conn, Error, listing,
        sql::{Count, NumberSeq, PlacedVersion, Seq, Sql, TextSeq, VersionRow, Word},
    },
};

/// Rows that are sorted where no index has them in order.
const FEW: usize = 4000;
/// Entries of ranges that are counted to tell which of them has fewer.
const PROBED: usize = 500;
/// Rows in which a text is looked for without an index, one step after the other; the second step only in orders in
/// which blocks do not lie.
const WINDOWS: [usize; 2] = [1000, 10_000];
/// Most blocks that are looked through in one statement, and in all before the whole index.
const BLOCKS_AT_ONCE: i64 = 16;
const MOST_BLOCKS: i64 = 64;
/// Rows of a block, as a power of two; list_grams in the schema has the same.
pub(in crate::store) const BLOCK: u32 = 14;
/// Most streams that are merged; where more would be needed, rows are looked at one by one.
const STREAMS: usize = 100;

/// Pages whose statements connections keep: those of other lengths are planned each time.
const USUAL_LIMITS: [usize; 5] = [10, 20, 25, 50, 100];
/// The sum of counts, as `n`.
const TALLIED: &str = "SELECT CAST(coalesce(sum(value), 0) AS BIGINT) AS n FROM tally";

/// A group of rows that is shown or hidden as a whole.
pub(super) struct Cell {
    /// Which rows belong to it.
    pub condition: &'static str,
    /// The name of its count.
    pub tally: &'static str,
}

/// What is looked for.
pub(super) struct Wanted {
    /// `principal` or `client`.
    pub table: &'static str,
    /// The groups that are shown.
    pub cells: Vec<Cell>,
    /// What leaves the other groups out.
    pub hidden: Vec<&'static str>,
    /// Texts that all must be there.
    pub needles: Vec<Needle>,
    /// A role that must be held.
    pub role: Option<String>,
    /// Roles of which one must be held.
    pub roles: Vec<String>,
    /// How the key of a held role must begin.
    pub role_prefix: Option<String>,
    /// What the caller may see.
    pub visibility: Visibility,
}

/// An index range in the order of registration.
#[derive(Clone, Debug)]
enum Stream {
    Role(String),
    Attribute(String, String),
    Grams(String),
}

/// What the rows of a range are known to meet, so that it need not be asked of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Nothing,
    Role,
    Roles,
    RolePrefix,
    Visibility,
}

/// Ranges that have all rows which meet one condition.
struct Driver {
    streams: Vec<Stream>,
    met: Met,
}

/// What the beginnings of some ranges tell of how many rows they have.
struct Probe {
    /// How many, up to a little more than was asked for in each.
    rows: usize,
    /// Which share of the rows of the table, as far as was looked.
    density: f64,
}

impl Probe {
    /// Whether a search along these ranges looks at fewer rows: where both have more than was counted, the one whose
    /// entries lie farther apart.
    fn is_rarer(&self, other: &Probe, most: usize) -> bool {
        match self.rows > most && other.rows > most {
            true => self.density < other.density,
            false => self.rows < other.rows,
        }
    }
}

/// The part of an order that is looked for.
#[derive(Clone, Copy)]
struct Range<'a> {
    order: Order,
    ascends: bool,
    beyond: Option<&'a Key>,
    limit: usize,
}

impl Wanted {
    /// The positions of a page's rows, in the page's order, and how many rows there are in all.
    pub(super) fn page(&self, conn: &mut Conn, page: &Page) -> Result<(Vec<Key>, Total), Error> {
        if page.limit == 0 || self.is_impossible() {
            return Ok((Vec::new(), Total::Exact(0)));
        }
        let ascends = page.ascends();
        let range =
            Range { order: page.order, ascends, beyond: page.position.as_ref().map(|(_, key)| key), limit: page.limit };
        let counting = Range { order: Order::CreatedAt, ascends: true, beyond: None, limit: BOUND + 1 };
        let (mut keys, total) = if self.is_plain() {
            let keys = self.walk(conn, range)?;
            (keys, Total::Exact(tally(conn, self.cells.iter().map(|cell| cell.tally))?))
        } else if range.order == Order::CreatedAt && range.beyond.is_none() {
            // the first page counts as it goes
            let mut keys = self.find(conn, Range { limit: range.limit.max(BOUND + 1), ..range })?;
            let total = Total::counted(keys.len());
            keys.truncate(range.limit);
            (keys, total)
        } else {
            let keys = self.find(conn, range)?;
            (keys, Total::counted(self.find(conn, counting)?.len()))
        };
        if ascends != (page.direction == Direction::Ascending) {
            keys.reverse();
        }
        Ok((keys, total))
    }

    /// The versions of the rows that [`Wanted::page`] would find, in one statement; `None` where a filter is given.
    pub(super) fn versions(&self, conn: &mut Conn, page: &Page) -> Result<Option<Listed<Version>>, Error> {
        if page.limit == 0 || !self.is_plain() {
            return Ok(None);
        }
        let ascends = page.ascends();
        let range =
            Range { order: page.order, ascends, beyond: page.position.as_ref().map(|(_, key)| key), limit: page.limit };
        let placed = match (column(page.order), page.order) {
            (None, _) => String::new(),
            (Some(column), Order::LastActiveAt) => format!("'' AS word, {column} AS number, "),
            (Some(column), _) => format!("{column} AS word, CAST(0 AS BIGINT) AS number, "),
        };
        let tallies: Vec<String> = self.cells.iter().map(|cell| format!("'{}'", cell.tally)).collect();
        let total = format!("({} WHERE name IN ({})) AS total", TALLIED, tallies.join(", "));
        let parts = self.cells.iter().map(|cell| {
            let mut sql = Sql::new(format!(
                "SELECT * FROM (SELECT {placed}p.seq AS seq, p.etag AS etag, p.last_active_at AS active, {total} \
                 FROM {} AS p WHERE {}",
                self.table, cell.condition
            ));
            sql.append(range.condition("p.seq")).push(&range.ordered("p.seq")).push(") AS part");
            sql
        });
        // The limit is part of the text: PostgreSQL would plan the statement anew each time if it were a value, since for
        // any value it expects a tenth of all rows
        let mut sql = if USUAL_LIMITS.contains(&page.limit) { Sql::kept("") } else { Sql::default() };
        sql.append(Sql::join(parts, " UNION ALL ", ""));
        let mut rows: Vec<(Key, VersionRow)> = match page.order {
            Order::CreatedAt => {
                let rows: Vec<VersionRow> = sql.load(conn)?;
                rows.into_iter().map(|row| (Key { sort: Sort::None, seq: row.seq }, row)).collect()
            }
            _ => {
                let rows: Vec<PlacedVersion> = sql.load(conn)?;
                let placed = |row: PlacedVersion| {
                    let sort = match page.order {
                        Order::LastActiveAt => Sort::Number(row.number),
                        _ => Sort::Text(row.word),
                    };
                    (Key { sort, seq: row.version.seq }, row.version)
                };
                rows.into_iter().map(placed).collect()
            }
        };
        let total = match rows.first() {
            Some((_, row)) => u64::try_from(row.total).unwrap_or(0),
            None => tally(conn, self.cells.iter().map(|cell| cell.tally))?,
        };
        if self.cells.len() > 1 {
            // those of each group stand together
            rows.sort_by(|(a, _), (b, _)| if ascends { a.cmp(b) } else { b.cmp(a) });
            rows.truncate(page.limit);
        }
        if ascends != (page.direction == Direction::Ascending) {
            rows.reverse();
        }
        let (first, last) = (rows.first().map(|(key, _)| key.clone()), rows.last().map(|(key, _)| key.clone()));
        let version = |(_, row): (Key, VersionRow)| {
            let last_active_at = row.active.map(Timestamp::from_millis);
            Version { seq: row.seq, etag: row.etag, last_active_at }
        };
        let items = rows.into_iter().map(version).collect();
        Ok(Some(Listed { items, total: Total::Exact(total), first, last }))
    }

    /// No text in the database has a null character, and PostgreSQL takes none.
    fn is_impossible(&self) -> bool {
        let texts = self.needles.iter().map(|needle| &needle.text);
        let mut texts = texts.chain(&self.role).chain(&self.roles).chain(&self.role_prefix);
        self.visibility == Visibility::None || texts.any(|text| text.contains('\0'))
    }

    fn is_plain(&self) -> bool {
        self.needles.is_empty() && self.is_text_alone()
    }

    /// Whether a text is all that narrows the search.
    fn is_text_alone(&self) -> bool {
        self.role.is_none() && self.roles.is_empty() && self.role_prefix.is_none() && self.visibility == Visibility::All
    }

    fn find(&self, conn: &mut Conn, range: Range<'_>) -> Result<Vec<Key>, Error> {
        if self.is_plain() {
            return self.walk(conn, range);
        }
        let postgres = matches!(conn, Conn::Postgres(_));
        let mut drivers = Vec::new();
        if !postgres && !self.needles.is_empty() {
            let streams = vec![Stream::Grams(texts::matched(&self.needles))];
            drivers.push(Driver { streams, met: Met::Nothing });
        }
        if let Some(role) = &self.role {
            drivers.push(Driver { streams: vec![Stream::Role(role.clone())], met: Met::Role });
        }
        if !self.roles.is_empty() {
            let streams = self.roles.iter().cloned().map(Stream::Role).collect();
            drivers.push(Driver { streams, met: Met::Roles });
        }
        if let Some(prefix) = &self.role_prefix {
            let keys = role_keys(conn, prefix)?;
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            let streams = keys.into_iter().map(Stream::Role).collect();
            drivers.push(Driver { streams, met: Met::RolePrefix });
        }
        if let Visibility::Matching(alternatives) = &self.visibility {
            let first = alternatives.iter().filter_map(|alternative| alternative.first());
            let pairs = first.flat_map(|(key, values)| values.iter().map(|value| (key.clone(), value.clone())));
            let streams = pairs.map(|(key, value)| Stream::Attribute(key, value)).collect();
            // a range knows of one key only
            let met = if alternatives.iter().all(|a| a.len() == 1) { Met::Visibility } else { Met::Nothing };
            drivers.push(Driver { streams, met });
        }
        drivers.retain(|driver| driver.streams.len() <= STREAMS);

        let by_text = postgres && !self.needles.is_empty();
        if range.order == Order::CreatedAt && drivers.len() == 1 && !by_text {
            return self.merge(conn, &drivers[0], range);
        }
        let registered = range.order == Order::CreatedAt;
        let most = if registered { PROBED } else { FEW };
        let mut best: Option<(Probe, &Driver)> = None;
        for driver in &drivers {
            let probe = self.probe(conn, &driver.streams, most)?;
            if best.as_ref().is_none_or(|(rarest, _)| probe.is_rarer(rarest, most)) {
                best = Some((probe, driver));
            }
        }
        match best {
            Some((probe, driver)) if probe.rows <= most || (registered && !by_text) => self.merge(conn, driver, range),
            _ if by_text => self.by_text(conn, range),
            _ => self.walk(conn, range),
        }
    }

    /// How many entries these ranges have, up to a little more than `most` in each, and how close together they lie.
    fn probe(&self, conn: &mut Conn, streams: &[Stream], most: usize) -> Result<Probe, Error> {
        let mut probe = Probe { rows: 0, density: 0.0 };
        for stream in streams {
            let seq = self.seq(stream);
            let mut sql = Sql::new(format!(
                "SELECT count(*) AS sort, coalesce(max(probed.seq), 0) AS seq FROM (SELECT {seq} AS seq FROM "
            ));
            sql.append(self.source(stream, false)).push(&format!(" ORDER BY {seq} LIMIT {}) AS probed", most + 1));
            let Some(found) = sql.load::<NumberSeq>(conn)?.into_iter().next() else { continue };
            probe.rows += usize::try_from(found.sort).unwrap_or(usize::MAX);
            probe.density += found.sort as f64 / found.seq.max(1) as f64;
        }
        Ok(probe)
    }

    /// The table of a range and its condition, with or without the row itself as `p`.
    fn source(&self, stream: &Stream, with_row: bool) -> Sql {
        let table = self.table;
        let row = if with_row { format!(" CROSS JOIN {table} AS p") } else { String::new() };
        let seq = self.seq(stream);
        let met = if with_row { format!(" AND p.seq = {seq}") } else { String::new() };
        match stream {
            Stream::Role(key) => {
                Sql::new(format!("identity_role AS d{row} WHERE d.role_key = ? AND {seq} IS NOT NULL{met}")).text(key)
            }
            Stream::Attribute(key, value) => Sql::new(format!(
                "identity_attribute AS d{row} WHERE d.key = ? AND d.value = ? AND {seq} IS NOT NULL{met}"
            ))
            .text(key)
            .text(value),
            Stream::Grams(query) => {
                Sql::new(format!("{table}_grams AS d{row} WHERE d.{table}_grams MATCH ?{met}")).text(query)
            }
        }
    }

    fn seq(&self, stream: &Stream) -> String {
        match stream {
            Stream::Role(_) | Stream::Attribute(..) => format!("d.{}_seq", self.table),
            Stream::Grams(_) => "d.rowid".to_owned(),
        }
    }

    /// Along ranges that lie in the order of registration.
    fn merge(&self, conn: &mut Conn, driver: &Driver, range: Range<'_>) -> Result<Vec<Key>, Error> {
        let postgres = matches!(conn, Conn::Postgres(_));
        // PostgreSQL's planner would like to merge a range with all principals
        if range.order == Order::CreatedAt && (postgres || driver.streams.len() > 1) {
            return self.merge_entries(conn, driver, range);
        }
        let parts = driver.streams.iter().map(|stream| {
            let seq = if range.order == Order::CreatedAt { self.seq(stream) } else { "p.seq".to_owned() };
            let mut sql = selected(range.order, &seq);
            sql.push(" FROM ").append(self.source(stream, true));
            sql.append(self.conditions(true, driver.met, postgres))
                .append(range.condition(&seq))
                .push(&range.ordered(&seq));
            sql
        });
        range.load(conn, parts.collect())
    }

    /// Along several ranges: first their entries alone, then the rows of those that come next.
    fn merge_entries(&self, conn: &mut Conn, driver: &Driver, range: Range<'_>) -> Result<Vec<Key>, Error> {
        let postgres = matches!(conn, Conn::Postgres(_));
        let mut found: Vec<Key> = Vec::new();
        let mut beyond = range.beyond.cloned();
        let mut some = range.limit * 3 / 2 + 10;
        loop {
            let next = Range { beyond: beyond.as_ref(), limit: some, ..range };
            let parts = driver.streams.iter().map(|stream| {
                let seq = self.seq(stream);
                let mut sql = selected(range.order, &seq);
                sql.push(" FROM ").append(self.source(stream, false));
                sql.append(next.condition(&seq)).push(&next.ordered(&seq));
                sql
            });
            let entries = next.load(conn, parts.collect())?;
            let Some(last) = entries.last().cloned() else { return Ok(found) };
            let seqs: Vec<String> = entries.iter().map(|key| key.seq.to_string()).collect();
            let mut sql = selected(range.order, "p.seq");
            sql.push(&format!(" FROM {} AS p WHERE p.seq IN ({})", self.table, seqs.join(", ")));
            let rest = Range { beyond: None, limit: range.limit - found.len(), ..range };
            sql.append(self.conditions(true, driver.met, postgres)).push(&rest.ordered("p.seq"));
            found.extend(rest.load(conn, vec![sql])?);
            if found.len() >= range.limit || entries.len() < some {
                return Ok(found);
            }
            beyond = Some(last);
            some = (some * 2).min(2000);
        }
    }

    /// Along the index of the order.
    fn walk(&self, conn: &mut Conn, range: Range<'_>) -> Result<Vec<Key>, Error> {
        let postgres = matches!(conn, Conn::Postgres(_));
        let parts = self.cells.iter().map(|cell| {
            let mut sql = selected(range.order, "p.seq");
            sql.push(&format!(" FROM {} AS p WHERE {}", self.table, cell.condition));
            sql.append(self.conditions(false, Met::Nothing, postgres))
                .append(range.condition("p.seq"))
                .push(&range.ordered("p.seq"));
            sql
        });
        range.load(conn, parts.collect())
    }

    /// What a row must meet besides what it is known to meet, as ` AND …`.
    fn conditions(&self, hidden: bool, met: Met, postgres: bool) -> Sql {
        let mut sql = Sql::default();
        for condition in self.hidden.iter().filter(|_| hidden) {
            sql.push(" AND ").push(condition);
        }
        for needle in &self.needles {
            sql.push(" AND ").append(needle.condition(postgres));
        }
        let held = |condition: Sql| {
            let mut sql = Sql::new(" AND EXISTS (SELECT 1 FROM identity_role AS h WHERE h.identity_id = p.id AND ");
            sql.append(condition).push(")");
            sql
        };
        if let Some(role) = self.role.as_ref().filter(|_| met != Met::Role) {
            sql.append(held(Sql::new("h.role_key = ?").text(role)));
        }
        if !self.roles.is_empty() && met != Met::Roles {
            let mut any = Sql::new("h.role_key IN (");
            any.append(Sql::list(&self.roles)).push(")");
            sql.append(held(any));
        }
        if let Some(prefix) = self.role_prefix.as_ref().filter(|_| met != Met::RolePrefix) {
            let range = Sql::new("h.role_key >= ? AND h.role_key < ?").text(prefix).text(&after_prefix(prefix));
            sql.append(held(range));
        }
        if let Visibility::Matching(alternatives) = &self.visibility
            && met != Met::Visibility
        {
            let alternatives = alternatives.iter().map(|alternative| {
                let carried = alternative.iter().map(|(key, values)| {
                    let mut sql = Sql::new(
                        "EXISTS (SELECT 1 FROM identity_attribute AS c WHERE c.identity_id = p.id AND c.key = ? \
                         AND c.value IN (",
                    )
                    .text(key);
                    sql.append(Sql::list(values)).push("))");
                    sql
                });
                let mut all = Sql::new("(");
                all.append(Sql::join(carried, " AND ", "TRUE")).push(")");
                all
            });
            sql.push(" AND (").append(Sql::join(alternatives, " OR ", "FALSE")).push(")");
        }
        sql
    }

    /// On PostgreSQL: where a text is looked for and nothing else narrows the search.
    fn by_text(&self, conn: &mut Conn, range: Range<'_>) -> Result<Vec<Key>, Error> {
        let registered = range.order == Order::CreatedAt;
        let windows = match self.cells.len() {
            _ if registered => &WINDOWS[..1],
            1 => &WINDOWS,
            _ => &[],
        };
        let mut found: Vec<Key> = Vec::new();
        for window in windows {
            loop {
                let beyond = found.last().cloned();
                let missing = range.limit - found.len();
                let next = Range { beyond: beyond.as_ref().or(range.beyond), limit: missing, ..range };
                let more = self.in_window(conn, next, *window)?;
                let had = more.len();
                found.extend(more);
                if had >= missing {
                    return Ok(found);
                }
                if had * 2 < missing {
                    break;
                }
            }
        }
        let grams: Vec<String> = self.needles.iter().flat_map(|needle| texts::grams(&needle.text)).collect();
        let mut beyond = found.last().or(range.beyond).cloned();
        if registered {
            let before = found.len();
            let rare = self.is_text_alone() || grams.iter().any(|gram| texts::tells(gram));
            let (mut looked, mut blocks, mut rows) = (0, 1, 0);
            while looked < MOST_BLOCKS {
                let Some(next) = self.next_seq(conn, Range { beyond: beyond.as_ref(), ..range })? else {
                    return Ok(found);
                };
                let block = next >> BLOCK;
                let (low, high) = if range.ascends { (block, block + blocks) } else { (block - blocks + 1, block + 1) };
                let contained = (low.max(0)..high).map(|block| texts::in_block(&grams, block));
                let part = Range { beyond: beyond.as_ref(), limit: range.limit - found.len(), ..range };
                let edge = if range.ascends { (high << BLOCK) - 1 } else { low << BLOCK };
                found.extend(self.in_index(conn, part, Sql::join(contained, " OR ", "FALSE"), Some(edge))?);
                if found.len() >= range.limit {
                    return Ok(found);
                }
                beyond = Some(Key { sort: Sort::None, seq: edge });
                looked += blocks;
                rows += if range.ascends { (high << BLOCK) - next } else { next + 1 - (low << BLOCK) };
                blocks = match i64::try_from(found.len() - before).unwrap_or(i64::MAX) {
                    // of what one block has nothing of, little is left; the end of a block says nothing
                    0 if rare && rows < 1 << (BLOCK - 1) => 1,
                    0 if rare => break,
                    0 => BLOCKS_AT_ONCE,
                    // as many as have the rest if they are like those before, and a quarter more
                    n => ((range.limit - found.len()) as i64 * looked * 5 / (n * 4) + 1).min(BLOCKS_AT_ONCE),
                };
            }
        }
        let rest = Range { beyond: beyond.as_ref(), limit: range.limit - found.len(), ..range };
        let grams: Vec<String> = self.needles.iter().flat_map(|needle| texts::hashed_grams(&needle.text)).collect();
        found.extend(self.in_index(conn, rest, texts::anywhere(&grams), None)?);
        Ok(found)
    }

    /// What the next rows have of it.
    fn in_window(&self, conn: &mut Conn, range: Range<'_>, window: usize) -> Result<Vec<Key>, Error> {
        let cell = if let [cell] = self.cells.as_slice() { cell.condition } else { "TRUE" };
        let mut sql = selected(range.order, "p.seq");
        sql.push(&format!(" FROM (SELECT p.* FROM {} AS p WHERE {cell}", self.table)).append(range.condition("p.seq"));
        sql.push(&Range { limit: window, ..range }.ordered("p.seq")).push(") AS p WHERE TRUE");
        sql.append(self.conditions(true, Met::Nothing, true)).push(&range.ordered("p.seq"));
        range.load(conn, vec![sql])
    }

    /// What PostgreSQL's index of texts has, up to an edge.
    fn in_index(
        &self,
        conn: &mut Conn,
        range: Range<'_>,
        contained: Sql,
        edge: Option<i64>,
    ) -> Result<Vec<Key>, Error> {
        let mut sql = selected(range.order, "p.seq");
        sql.push(&format!(
            " FROM {0} AS p WHERE p.seq = ANY (ARRAY(SELECT s.seq FROM {0}_search AS s WHERE ",
            self.table
        ));
        sql.append(contained).push("))");
        if let Some(edge) = edge {
            // A block's mark may be the hash of some run. Not asked of the texts: PostgreSQL would look for all of the block
            // in another index first
            sql.push(&format!(" AND p.seq {} {edge}", if range.ascends { "<=" } else { ">=" }));
        }
        sql.append(self.conditions(true, Met::Nothing, true))
            .append(range.condition("p.seq"))
            .push(&range.ordered("p.seq"));
        range.load(conn, vec![sql])
    }

    /// The next number of registration.
    fn next_seq(&self, conn: &mut Conn, range: Range<'_>) -> Result<Option<i64>, Error> {
        let mut sql = Sql::new(format!("SELECT p.seq AS seq FROM {} AS p WHERE TRUE", self.table));
        sql.append(range.condition("p.seq")).push(&Range { limit: 1, ..range }.ordered("p.seq"));
        Ok(sql.load::<Seq>(conn)?.first().map(|row| row.seq))
    }
}

impl Range<'_> {
    fn compared(&self) -> (&'static str, &'static str) {
        if self.ascends { (">", "ASC") } else { ("<", "DESC") }
    }

    /// That a row lies beyond the position, as ` AND …`.
    fn condition(&self, seq: &str) -> Sql {
        let (beyond, _) = self.compared();
        let Some(key) = self.beyond else { return Sql::default() };
        match (column(self.order), &key.sort) {
            (Some(column), Sort::Text(text)) => {
                Sql::new(format!(" AND ({column}, {seq}) {beyond} (?, ?)")).text(text).number(key.seq)
            }
            (Some(column), Sort::Number(number)) => {
                Sql::new(format!(" AND ({column}, {seq}) {beyond} (?, ?)")).number(*number).number(key.seq)
            }
            _ => Sql::new(format!(" AND {seq} {beyond} ?")).number(key.seq),
        }
    }

    /// ` ORDER BY … LIMIT …`.
    fn ordered(&self, seq: &str) -> String {
        let (_, way) = self.compared();
        match column(self.order) {
            Some(column) => format!(" ORDER BY {column} {way}, {seq} {way} LIMIT {}", self.limit),
            None => format!(" ORDER BY {seq} {way} LIMIT {}", self.limit),
        }
    }

    /// The first rows of all parts together, each of which is ordered and limited.
    fn load(&self, conn: &mut Conn, mut parts: Vec<Sql>) -> Result<Vec<Key>, Error> {
        let (_, way) = self.compared();
        let sql = match parts.len() {
            0 => return Ok(Vec::new()),
            1 => parts.remove(0),
            _ => {
                let parts = parts.into_iter().map(|part| {
                    let mut sql = Sql::new("SELECT * FROM (");
                    sql.append(part).push(") AS part");
                    sql
                });
                let mut sql = Sql::new("SELECT * FROM (");
                let sort = if column(self.order).is_some() { format!("sort {way}, ") } else { String::new() };
                sql.append(Sql::join(parts, " UNION ", ""));
                sql.push(&format!(") AS merged ORDER BY {sort}seq {way} LIMIT {}", self.limit));
                sql
            }
        };
        Ok(match self.order {
            Order::CreatedAt => {
                sql.load(conn)?.into_iter().map(|row: Seq| Key { sort: Sort::None, seq: row.seq }).collect()
            }
            Order::LastActiveAt => {
                let rows: Vec<NumberSeq> = sql.load(conn)?;
                rows.into_iter().map(|row| Key { sort: Sort::Number(row.sort), seq: row.seq }).collect()
            }
            Order::Name | Order::Email | Order::Id | Order::Key | Order::At => {
                let rows: Vec<TextSeq> = sql.load(conn)?;
                rows.into_iter().map(|row| Key { sort: Sort::Text(row.sort), seq: row.seq }).collect()
            }
        })
    }
}

/// The column that orders before the registration does.
fn column(order: Order) -> Option<&'static str> {
    match order {
        Order::CreatedAt => None,
        Order::Name => Some("p.name_sort"),
        Order::Email => Some("p.email_sort"),
        Order::LastActiveAt => Some("p.active_sort"),
        Order::Id | Order::Key | Order::At => Some("p.id"),
    }
}

fn selected(order: Order, seq: &str) -> Sql {
    match column(order) {
        Some(column) => Sql::new(format!("SELECT {column} AS sort, {seq} AS seq")),
        None => Sql::new(format!("SELECT {seq} AS seq")),
    }
}

/// The sum of counts that are kept.
pub(in crate::store) fn tally<'n>(conn: &mut Conn, names: impl IntoIterator<Item = &'n str>) -> Result<u64, Error> {
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut sql = Sql::kept(format!("{TALLIED} WHERE name IN ("));
    sql.append(Sql::list(&names)).push(")");
    let counts: Vec<Count> = sql.load(conn)?;
    Ok(counts.first().map_or(0, |count| u64::try_from(count.n).unwrap_or(0)))
}

/// The keys of roles that begin like this, up to one more than can be merged.
fn role_keys(conn: &mut Conn, prefix: &str) -> Result<Vec<String>, Error> {
    let sql =
        Sql::new(format!("SELECT key AS word FROM role WHERE key >= ? AND key < ? ORDER BY key LIMIT {}", STREAMS + 1));
    let words: Vec<Word> = sql.text(prefix).text(&after_prefix(prefix)).load(conn)?;
    Ok(words.into_iter().map(|word| word.word).collect())
}

/// What comes after everything that begins like this: keys are ASCII.
pub(in crate::store) fn after_prefix(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

/// Puts rows that were loaded in no order into the order of their positions.
pub(super) fn arranged<T>(keys: Vec<Key>, mut rows: Vec<(i64, T)>, total: Total) -> listing::Listed<T> {
    rows.sort_by_key(|(seq, _)| *seq);
    let mut rows: Vec<(i64, Option<T>)> = rows.into_iter().map(|(seq, row)| (seq, Some(row))).collect();
    let (first, last) = (keys.first().cloned(), keys.last().cloned());
    // a row that went away in the meantime is left out
    let items = keys.iter().filter_map(|key| {
        let at = rows.binary_search_by_key(&key.seq, |(seq, _)| *seq).ok()?;
        rows[at].1.take()
    });
    listing::Listed { items: items.collect(), total, first, last }
}
