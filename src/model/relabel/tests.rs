use super::*;

#[test]
fn case_mapping_is_simple() {
    for (text, lower, upper) in [
        ("ß", "ß", "ß"),
        ("ΑΣ", "ασ", "ΑΣ"),
        ("İ", "i", "İ"),
        ("ᾀ", "ᾀ", "ᾈ"),
        ("ᾳ", "ᾳ", "ᾼ"),
        ("ﬁ", "ﬁ", "ﬁ"),
        ("ǅ", "ǆ", "Ǆ"),
    ] {
        assert_eq!(
            (lowercase(text).as_str(), uppercase(text).as_str()),
            (lower, upper),
            "{text}"
        );
    }
}
