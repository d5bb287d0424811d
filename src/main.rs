//! The doorward binary: see `doorward --help`.

fn main() {}
