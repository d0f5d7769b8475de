//! Keys of rows that the log speaks of: each is given once, so that who has the next one is not shown what its forerunner
//! left there.

/// The next id of a table, as an expression of SQL.
macro_rules! next {
    ($table:literal) => {
        concat!(
            "(select max((select coalesce(max(id), 0) from ",
            $table,
            "), (select id from highest_ids where name = '",
            $table,
            "')) + 1)"
        )
    };
}
pub(in crate::store) use next;
