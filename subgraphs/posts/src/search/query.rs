//! What a caller looks for.

use super::words::{pair, words};
use std::collections::BTreeSet;

/// The longest query, in characters.
const MAX_QUERY: usize = 256;
/// Most words in a query.
const MAX_WORDS: usize = 32;
/// Between these a phrase stands; any of them ends it.
const QUOTES: [char; 6] = ['"', '“', '”', '„', '«', '»'];

/// Stems that follow each other; a word is a phrase of one.
pub(super) type Phrase = Vec<String>;

/// What a caller looks for: posts with all that is wanted and nothing that is excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(super) wanted: Vec<Phrase>,
    pub(super) excluded: Vec<Phrase>,
}

/// Why a text is not a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No word that a post could have.
    #[error("`query` needs a word to look for")]
    Empty,
    /// More than 256 characters or 32 words.
    #[error("`query` has at most {MAX_QUERY} characters and {MAX_WORDS} words")]
    TooLong,
}

impl Query {
    /// Reads a query: words, `"phrases"`, and `-` before either for what posts may not have. Whatever else there is
    /// separates words; what punctuation holds together, such as `example.com`, is a phrase. A phrase that is not closed
    /// goes to the end.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        if text.chars().nth(MAX_QUERY).is_some() {
            return Err(QueryError::TooLong);
        }
        let mut query = Self { wanted: Vec::new(), excluded: Vec::new() };
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (is_excluded, clause) = rest.strip_prefix('-').map_or((false, rest), |clause| (true, clause));
            let (phrase, behind) = match clause.strip_prefix(QUOTES) {
                Some(quoted) => quoted.split_once(QUOTES).unwrap_or((quoted, "")),
                None => clause.split_at(clause.find(ends_word).unwrap_or(clause.len())),
            };
            rest = behind.trim_start();
            let phrase: Phrase = words(phrase).map(|word| word.stem).collect();
            let phrases = if is_excluded { &mut query.excluded } else { &mut query.wanted };
            if !phrase.is_empty() && !phrases.contains(&phrase) {
                phrases.push(phrase);
            }
        }
        match query.wanted.iter().chain(&query.excluded).map(Vec::len).sum::<usize>() {
            _ if query.wanted.is_empty() => Err(QueryError::Empty),
            ..=MAX_WORDS => Ok(query),
            _ => Err(QueryError::TooLong),
        }
    }

    /// What every post that matches has in the index.
    pub(super) fn required(&self) -> BTreeSet<String> {
        self.wanted.iter().flat_map(|phrase| lexemes_of(phrase)).collect()
    }

    /// What no post that matches has in the index. Longer phrases are not in it: their pairs may stand apart.
    pub(super) fn forbidden(&self) -> BTreeSet<String> {
        self.excluded.iter().filter(|phrase| phrase.len() <= 2).flat_map(|phrase| lexemes_of(phrase)).collect()
    }
}

fn ends_word(character: char) -> bool {
    character.is_whitespace() || QUOTES.contains(&character)
}

fn lexemes_of(phrase: &[String]) -> Vec<String> {
    match phrase {
        [word] => vec![word.clone()],
        words => words.windows(2).map(|words| pair(&words[0], &words[1])).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let query = Query::parse(text).unwrap();
        let join = |phrases: Vec<Phrase>| phrases.into_iter().map(|phrase| phrase.join(" ")).collect();
        (join(query.wanted), join(query.excluded))
    }

    #[test]
    fn words_phrases_and_what_is_excluded() {
        let strings = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        for (text, wanted, excluded) in [
            ("salt", &["salt"][..], &[][..]),
            (" Salt  from\tsalt ", &["salt", "from"], &[]),
            (r#""the Herring season" -Riga"#, &["the herring season"], &["riga"]),
            (r#"-"a b" c"#, &["c"], &["a b"]),
            ("«первый груз» - воск", &["перв груз", "воск"], &[]),
            (r#"open "not closed -x"#, &["open", "not close x"], &[]),
            (r#"a"b c"d"#, &["a", "b c", "d"], &[]),
            ("example.com well-known", &["exampl com", "well known"], &[]),
            ("--x y", &["y"], &["x"]),
            ("NEAR(a, 2) AND body:b* OR ^c", &["near a", "2", "and", "bodi b", "or", "c"], &[]),
            (r"'); DROP TABLE post; --'", &["drop", "tabl", "post"], &[]),
        ] {
            assert_eq!(read(text), (strings(wanted), strings(excluded)), "{text}");
        }
    }

    #[test]
    fn nothing_to_look_for_and_too_much_are_refused() {
        for text in ["", " ", "-", "\"\"", "\" \" -", "-only -excluded", "?!", "\0", "« »"] {
            assert_eq!(Query::parse(text), Err(QueryError::Empty), "{text}");
        }
        assert!(Query::parse(&"я".repeat(MAX_QUERY)).is_ok());
        assert_eq!(Query::parse(&"я".repeat(MAX_QUERY + 1)), Err(QueryError::TooLong));
        let words = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert!(Query::parse(&words(MAX_WORDS)).is_ok());
        assert_eq!(Query::parse(&words(MAX_WORDS + 1)), Err(QueryError::TooLong));
    }

    #[test]
    fn phrases_are_found_by_their_pairs() {
        let query = Query::parse(r#"a "b c d" -e -"f g" -"h i j""#).unwrap();
        assert_eq!(Vec::from_iter(query.required()), ["a", "b_c", "c_d"]);
        assert_eq!(Vec::from_iter(query.forbidden()), ["e", "f_g"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"([-"«»a-zа-я ]|\PC|\s){0,80}"#) {
            if let Ok(query) = Query::parse(&text) {
                let lexemes: Vec<String> = query.required().into_iter().chain(query.forbidden()).collect();
                prop_assert!(!query.required().is_empty());
                prop_assert!(lexemes.iter().flat_map(|lexeme| lexeme.chars()).all(|c| c.is_alphanumeric() || c == '_'));
            }
        }
    }
}
