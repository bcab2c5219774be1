//! Words that say nothing of their own, left out when words are ranked.
//!
//! English function words: articles, pronouns, prepositions, conjunctions, auxiliaries and the parts that contractions leave. A
//! change of the list changes rankings, so reports carry `VERSION`.

pub const VERSION: &str = "en-1";

/// Sorted.
const ENGLISH: &[&str] = &[
    "a", "about", "above", "after", "again", "against", "all", "also", "although", "am", "among", "an", "and", "any", "are",
    "aren't", "around", "as", "at", "be", "because", "been", "before", "being", "below", "between", "both", "but", "by",
    "can", "can't", "cannot", "could", "couldn't", "did", "didn't", "do", "does", "doesn't", "doing", "don't", "down",
    "during", "each", "either", "else", "ever", "every", "few", "for", "from", "further", "had", "hadn't", "has", "hasn't",
    "have", "haven't", "having", "he", "he'd", "he'll", "he's", "her", "here", "here's", "hers", "herself", "him",
    "himself", "his", "how", "however", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is", "isn't", "it", "it's",
    "its", "itself", "just", "let's", "may", "me", "might", "more", "most", "must", "mustn't", "my", "myself", "neither",
    "no", "nor", "not", "of", "off", "on", "once", "only", "onto", "or", "other", "our", "ours", "ourselves", "out", "over",
    "own", "same", "shall", "shan't", "she", "she'd", "she'll", "she's", "should", "shouldn't", "since", "so", "some",
    "such", "than", "that", "that's", "the", "their", "theirs", "them", "themselves", "then", "there", "there's", "these",
    "they", "they'd", "they'll", "they're", "they've", "this", "those", "though", "through", "to", "too", "under", "until",
    "up", "upon", "us", "very", "was", "wasn't", "we", "we'd", "we'll", "we're", "we've", "were", "weren't", "what",
    "what's", "when", "when's", "where", "where's", "whether", "which", "while", "who", "who's", "whom", "whose", "why",
    "why's", "will", "with", "within", "without", "won't", "would", "wouldn't", "yet", "you", "you'd", "you'll", "you're",
    "you've", "your", "yours", "yourself", "yourselves",
];

/// Whether a word is on the list, whatever its case and apostrophe.
pub fn is_stop_word(word: &str) -> bool {
    let word = word.to_lowercase().replace('\u{2019}', "'");
    ENGLISH.binary_search(&word.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_found_in_any_case() {
        assert!(ENGLISH.is_sorted_by(|a, b| a < b));
        assert!(is_stop_word("The") && is_stop_word("don\u{2019}t") && !is_stop_word("Paris"));
    }
}
