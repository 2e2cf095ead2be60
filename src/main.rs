//! Parses arguments and dispatches.

fn main() {}
