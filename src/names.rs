//! Names as people type them: stores, products, units.

/// A name without the differences that people do not see: case, outer and doubled spaces, the space after a dot. So
/// `Хоз.товары (Московский)` is `Хоз. товары (Московский)`.
pub fn folded(name: &str) -> String {
    let spaced = name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    spaced.replace(". ", ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_alike() {
        for name in ["Хоз. товары (Московский)", "Хоз.товары (Московский)", "  хоз.  Товары   (московский) "]
        {
            assert_eq!(folded(name), "хоз.товары (московский)", "{name}");
        }
        assert_ne!(folded("Бар (А)"), folded("Бар (Б)"));
    }
}
