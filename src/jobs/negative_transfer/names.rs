//! Names of stores: `TYPE (RESTAURANT)`.

/// The type and the restaurant of a store's name, as they were typed; none when it is not `TYPE (RESTAURANT)`.
pub(super) fn parts(name: &str) -> Option<(&str, &str)> {
    let (kind, rest) = name.trim().split_once('(')?;
    let restaurant = rest.strip_suffix(')')?.trim();
    let kind = kind.trim();
    (!kind.is_empty() && !restaurant.is_empty()).then_some((kind, restaurant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_type_and_a_restaurant() {
        assert_eq!(parts(" Бар (Рыбная деревня) "), Some(("Бар", "Рыбная деревня")));
        assert_eq!(parts("Кухня(Центр)"), Some(("Кухня", "Центр")));
        assert_eq!(parts("Бар (Кафе (центр))"), Some(("Бар", "Кафе (центр)")));
        for name in ["Бар", "Бар Московский", "(Московский)", "Бар ()", "Бар (Московский", ""]
        {
            assert_eq!(parts(name), None, "{name}");
        }
    }
}
