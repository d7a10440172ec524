//! The nearest valid word to one that was mistyped.

/// The candidate with the least edit distance to `word`, if it is near enough to be meant: a third of the longer
/// word at most. Case does not count; of equals the first wins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= word.chars().count().max(candidate.chars().count()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_find_their_word_and_strangers_do_not() {
        let words = ["freshness", "columns", "connector", "path"];
        assert_eq!(nearest("freshnes", words), Some("freshness"));
        assert_eq!(nearest("Colums", words), Some("columns"));
        assert_eq!(nearest("conenctor", words), Some("connector"));
        assert_eq!(nearest("owner", words), None);
        assert_eq!(nearest("", words), None);
    }
}
