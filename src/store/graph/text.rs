//! Texts that are looked for in the index of runs of characters, block by block in the order of registration.

use tokio::time::Instant;

use super::table::Table;
use crate::store::{
    Conn, Error,
    listing::{search::BLOCK, texts},
    sql::{Seq, Sql},
};

/// How many blocks are looked through at once, one step after the other.
const BLOCKS: [i64; 3] = [1, 8, 32];

/// Runs of characters that a text has.
#[derive(Clone, Debug)]
pub(super) struct Run {
    grams: Vec<String>,
}

impl Run {
    pub(super) fn new(grams: Vec<String>) -> Run {
        Run { grams }
    }

    /// How many characters the longest run has.
    pub(super) fn tells(&self) -> usize {
        self.grams.iter().map(|gram| gram.chars().count()).max().unwrap_or(0)
    }

    /// The numbers of registration of the next rows beyond `beyond` that may contain it, about `some` of them in order; and
    /// how far was looked, unless it was to the end.
    pub(super) fn next(
        &self,
        conn: &mut Conn,
        table: Table,
        beyond: Option<i64>,
        ascends: bool,
        some: usize,
        until: Instant,
    ) -> Result<(Vec<i64>, Option<i64>), Error> {
        let mut found: Vec<i64> = Vec::new();
        let mut beyond = beyond;
        for step in 0.. {
            let blocks = BLOCKS[usize::min(step, BLOCKS.len() - 1)];
            let Some(next) = next_seq(conn, table, beyond, ascends)? else { return Ok((found, None)) };
            let block = next >> BLOCK;
            let (low, high) = if ascends { (block, block + blocks) } else { (block - blocks + 1, block + 1) };
            let mut more = self.within(conn, table, low.max(0)..high)?;
            more.retain(|seq| if ascends { *seq >= next } else { *seq <= next });
            more.sort_unstable();
            if !ascends {
                more.reverse();
            }
            found.extend(more);
            if found.len() > some {
                found.truncate(some);
                let last = found.last().copied();
                return Ok((found, last));
            }
            let edge = if ascends { (high << BLOCK) - 1 } else { low << BLOCK };
            beyond = Some(edge);
            if found.len() == some || Instant::now() >= until {
                return Ok((found, Some(edge)));
            }
        }
        Ok((found, None))
    }

    /// What the index has of these blocks.
    fn within(&self, conn: &mut Conn, table: Table, blocks: std::ops::Range<i64>) -> Result<Vec<i64>, Error> {
        let (name, low, high) = (table.name(), blocks.start << BLOCK, blocks.end << BLOCK);
        let sql = if matches!(conn, Conn::Postgres(_)) {
            let contained = blocks.map(|block| texts::in_block(&self.grams, block));
            let mut sql =
                Sql::new(format!("SELECT s.seq FROM {name}_search AS s WHERE s.seq >= {low} AND s.seq < {high} AND ("));
            sql.append(Sql::join(contained, " OR ", "FALSE")).push(")");
            sql
        } else {
            Sql::new(format!(
                "SELECT d.rowid AS seq FROM {name}_grams AS d WHERE d.{name}_grams MATCH ? AND d.rowid >= {low} AND d.rowid < {high}"
            ))
            .text(&texts::matched_grams(&self.grams))
        };
        Ok(sql.load::<Seq>(conn)?.into_iter().map(|row| row.seq).collect())
    }
}

/// The next row of the table.
fn next_seq(conn: &mut Conn, table: Table, beyond: Option<i64>, ascends: bool) -> Result<Option<i64>, Error> {
    let (sign, way) = if ascends { (">", "ASC") } else { ("<", "DESC") };
    let from = if ascends { i64::MIN } else { i64::MAX };
    let sql =
        Sql::new(format!("SELECT p.seq FROM {} AS p WHERE p.seq {sign} ? ORDER BY p.seq {way} LIMIT 1", table.name()));
    Ok(sql.number(beyond.unwrap_or(from)).load::<Seq>(conn)?.first().map(|row| row.seq))
}
