//! Words and their stems.

use snowball_stemmers_rs::{Algorithm, Stemmer};
use std::ops::Range;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// What [`words`] makes of a text, as a number that grows with every change of it: posts that were indexed by an earlier
/// one are indexed again.
pub(super) const VERSION: i16 = 1;

/// What is kept of a word, in characters; longer ones are no words.
const MAX_WORD: usize = 64;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Where it stands, in bytes.
    pub(super) range: Range<usize>,
    /// What its forms have in common: letters and digits in lower case, never empty.
    pub(super) stem: String,
}

/// The words of a text in their order, as UAX #29 bounds them, and further apart at punctuation: `example.com` is two.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word> {
    text.split_word_bound_indices().flat_map(|(mut start, piece)| {
        piece.split(is_separator).filter_map(move |part| {
            let range = start..start + part.len();
            start = range.end + 1; // separators are ASCII
            stem(part).map(|stem| Word { range, stem })
        })
    })
}

fn is_separator(character: char) -> bool {
    character.is_ascii_punctuation() && character != '\''
}

/// The stem of a word by the Snowball algorithm of its script: Russian for Cyrillic, English for Latin.
///
/// Compatible forms and cases are one (NFKC, lower case), as are `ё` and `е`; stress marks and apostrophes are dropped.
fn stem(word: &str) -> Option<String> {
    let letters = word.nfkc().flat_map(char::to_lowercase).filter(|character| character.is_alphanumeric());
    let word: String = letters.map(plain).take(MAX_WORD).collect();
    if word.is_empty() {
        return None;
    }
    let algorithm = if word.contains(|character| matches!(character, '\u{400}'..='\u{52f}')) {
        Algorithm::Russian
    } else if word.contains(|character: char| character.is_ascii_lowercase()) {
        Algorithm::English
    } else {
        return Some(word);
    };
    let stem = Stemmer::create(algorithm).stem(&word).into_owned();
    Some(if stem.is_empty() { word } else { stem })
}

fn plain(letter: char) -> char {
    match letter {
        'ё' => 'е',
        'ς' => 'σ',
        other => other,
    }
}

/// What two words that follow each other are found by. Stems hold no underscore.
pub(super) fn pair(first: &str, second: &str) -> String {
    format!("{first}_{second}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stems(text: &str) -> Vec<String> {
        words(text).map(|word| word.stem).collect()
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        for forms in [
            "мышь мыши мышью мышами Мышей",
            "корабль корабля кораблями КОРАБЛИ",
            "ёлка елки Ёлку",
            "за́мка замка замку",
            "running run Runs RUN",
            "ship ships ship's ship’s",
            "ﬁsh fish fishing",
            "Ｆｕｌｌ full",
        ] {
            let stems = stems(forms);
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{forms}: {stems:?}");
        }
        assert_ne!(stems("мышь"), stems("мышка"));
    }

    #[test]
    fn words_end_at_punctuation() {
        assert_eq!(stems("example.com, snake_case; 3.14 — «да»!"), ["exampl", "com", "snake", "case", "3", "14", "да"]);
        assert_eq!(stems("don't"), stems("dont"));
        assert_eq!(stems("**bold** <b>x</b> 日本"), ["bold", "b", "x", "b", "日", "本"]);
        assert_eq!(stems("\u{301} ' _ 👩‍👩‍👧 \n"), [""; 0]);
        assert_eq!(stems(&"x".repeat(1000))[0].len(), MAX_WORD);
    }

    proptest! {
        #[test]
        fn any_text_has_words_where_they_stand(text in r"(\PC|[а-яё_.'\s]){0,80}") {
            let mut end = 0;
            for word in words(&text) {
                prop_assert!(word.range.start >= end && text.get(word.range.clone()).is_some());
                prop_assert!(!word.stem.is_empty() && word.stem.chars().all(char::is_alphanumeric));
                end = word.range.end;
            }
        }

        #[test]
        fn russian_and_english_words_of_any_letters_have_a_stem(word in "[а-яё]{1,30}|[a-z]{1,30}") {
            prop_assert!(stem(&word).is_some());
        }
    }
}
