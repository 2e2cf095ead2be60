//! `docs/assumptions.md`: what is taken to be true of OMS, and the checks that look at it.

use crate::pin;
use oms_operator::oms::assumptions::{ASSUMPTIONS, AssumptionName, write_assumptions};
use oms_operator::upgrade::list_check_names;
use std::collections::BTreeSet;

#[test]
fn the_page_is_up_to_date() {
    let meaning = "Whoever has OMS's image reads here what they can tell us.";
    pin::check("docs/assumptions.md", &write_assumptions(), meaning);
}

/// Names stand once, nothing is left empty, and at least one real check looks at most of them.
#[test]
fn each_says_how_it_is_looked_at_and_what_happens_otherwise() {
    let names: Vec<AssumptionName> = ASSUMPTIONS.iter().map(|one| one.name).collect();
    assert_eq!(names, AssumptionName::ALL);
    let checks: BTreeSet<&str> = list_check_names().collect();
    let mut looked_at = 0;
    for one in ASSUMPTIONS {
        for text in [one.statement, one.source, one.looked_at, one.otherwise] {
            assert!(text.len() > 8, "{}", one.name);
        }
        let words = one.looked_at.split(|c: char| !c.is_alphanumeric());
        let mut named = words.filter(|word| checks.contains(word));
        let is_looked_at = named.next().is_some();
        looked_at += usize::from(is_looked_at);
        assert!(
            is_looked_at
                || one.looked_at.starts_with("Not ")
                || one.looked_at.contains("read back")
                || one.looked_at.contains("Sessions"),
            "{}: nothing looks at it",
            one.name
        );
    }
    assert!(looked_at * 2 > ASSUMPTIONS.len(), "{looked_at}");
}
