//! Names as SQL. Pure.

/// A name in back-ticks, with those inside doubled.
pub fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table of a database.
pub fn quote_table(database: &str, table: &str) -> String {
    format!("{}.{}", quote_name(database), quote_name(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_names() {
        assert_eq!(quote_table("a`b", "c d"), "`a``b`.`c d`");
    }
}
