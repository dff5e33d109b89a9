//! The program `promop`.

fn main() {}
